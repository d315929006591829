"""Values that AWS takes where the type of a property says less than its service does."""

from __future__ import annotations

import re
from typing import Literal

LONGEST_ANSWER_S = 26.0
"""An HTTP API waits 30 seconds, so the answer function stops here: it needs time to say so.

Source: quota of HTTP APIs, docs.aws.amazon.com/apigateway, http-api-quotas."""

EMBEDDING_DIMENSIONS = {
    "amazon.titan-embed-text-v2:0": (256, 512, 1024),
    "cohere.embed-english-v3": (1024,),
    "cohere.embed-multilingual-v3": (1024,),
    "cohere.embed-v4:0": (256, 512, 1024, 1536),
}
"""The embedding models that the functions can call, and the lengths of vector that each gives.

Source: Bedrock user guide, model-parameters-titan-embed-text, -embed and -embed-v4."""

MOST_TAGS = 40
"""A resource takes 50. CloudFormation, the CDK and this project add some of their own."""
_TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")
_SEARCH_FAMILIES = {
    r"t4g": "OpenSearch Service offers no t4g instance, although its API lists some",
    r"ultrawarm\d": "UltraWarm nodes hold no index that is written to",
    r"(i|d|oi)\d\w*|im4gn|[a-z]\d+gd": "it keeps data on its own disk and takes no EBS volume",
    r"t2|[mcr][34]": "an older generation, parts of which cannot encrypt what they hold",
}

Analyzer = Literal[
    "standard", "simple", "whitespace", "stop", "keyword", "pattern", "fingerprint",
    "arabic", "armenian", "basque", "bengali", "brazilian", "bulgarian", "catalan", "cjk", "czech",
    "danish", "dutch", "english", "estonian", "finnish", "french", "galician", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "latvian", "lithuanian", "norwegian",
    "persian", "portuguese", "romanian", "russian", "sorani", "spanish", "swedish", "thai",
    "turkish",
]  # fmt: skip
"""OpenSearch's built-in analyzers, which need no plugin."""


def check_ocu(value: int) -> int:
    """Return a ceiling of capacity units that a next-generation collection group takes.

    One unit stands on an older page of AWS's and not on the newest; synth warns of it.

    Raises
    ------
    ValueError
        If neither page has it.
    """
    if value in (1, 2, 4, 8) or (value > 0 and value % 16 == 0):
        return value
    raise ValueError("OpenSearch Serverless takes 2, 4, 8, 16 and multiples of 16")


def embedding_dimensions(model: str) -> tuple[int, ...]:
    """Return the lengths of vector that a model gives.

    ``model`` may be the cross-Region profile of a model, such as ``eu.cohere.embed-v4:0``.

    Raises
    ------
    ValueError
        If it turns no text into vectors; names those that do.
    """
    for name, lengths in EMBEDDING_DIMENSIONS.items():
        if model == name or model.endswith(f".{name}"):
            return lengths
    raise ValueError(
        f"{model} is no embedding model known here; choose one of {', '.join(EMBEDDING_DIMENSIONS)}"
    )


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return tags that every service takes.

    Raises
    ------
    ValueError
        Names the tag and what is allowed.
    """
    if len(tags) > MOST_TAGS:
        raise ValueError(f"at most {MOST_TAGS} tags: AWS takes 50, and some are added")
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise ValueError(f"{key}: AWS keeps tags that begin with aws: for itself")
        if key == "deployment":
            raise ValueError("deployment: this tag is set from the deployment's name")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise ValueError(f"{key}: a key has 1 to 128 characters, a value 256 at most")
        if not _TAG_TEXT.fullmatch(key) or not _TAG_TEXT.fullmatch(value):
            raise ValueError(f"{key}: a tag has letters, digits, spaces and _ . : / = + - @")
    return tags


def check_search_instance(instance_type: str) -> str:
    """Return an instance type that a search domain with an encrypted EBS volume takes.

    Raises
    ------
    ValueError
        Says why not, and what to choose.
    """
    for family, reason in _SEARCH_FAMILIES.items():
        if re.fullmatch(family, instance_type.partition(".")[0]):
            raise ValueError(
                f"{instance_type}: {reason}; choose such as m7g.medium.search, r8g.medium.search "
                "or, smallest of all, t3.small.search"
            )
    return instance_type
