"""Checks of values that AWS accepts, where CloudFormation's types are less strict than AWS."""

from __future__ import annotations

import re
from typing import Literal

LONGEST_ANSWER_S = 26.0
"""Longest answer in seconds: an HTTP API waits 30 s, and the function needs time for its error.

Source: quota of HTTP APIs, docs.aws.amazon.com/apigateway, http-api-quotas."""

EMBEDDING_DIMENSIONS = {
    "amazon.titan-embed-text-v2:0": (256, 512, 1024),
    "cohere.embed-english-v3": (1024,),
    "cohere.embed-multilingual-v3": (1024,),
    "cohere.embed-v4:0": (256, 512, 1024, 1536),
}
"""The embedding models that the functions can call, and the dimensions that each supports.

Source: Bedrock user guide, model-parameters-titan-embed-text, -embed and -embed-v4."""

MOST_TAGS = 40
"""AWS allows 50 tags per resource. CloudFormation, the CDK and this project add some of them."""
_TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")
_SEARCH_FAMILIES = {
    r"t4g": "OpenSearch Service offers no t4g instance, although its API lists some",
    r"ultrawarm\d": "UltraWarm nodes cannot hold an index that changes",
    r"(i|d|oi)\d\w*|im4gn|[a-z]\d+gd": "it stores data on its own disk and has no EBS volume",
    r"t2|[mcr][34]": "an older generation, of which some types do not support encryption at rest",
}

Analyzer = Literal[
    "standard", "simple", "whitespace", "stop", "keyword", "pattern", "fingerprint",
    "arabic", "armenian", "basque", "bengali", "brazilian", "bulgarian", "catalan", "cjk", "czech",
    "danish", "dutch", "english", "estonian", "finnish", "french", "galician", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "latvian", "lithuanian", "norwegian",
    "persian", "portuguese", "romanian", "russian", "sorani", "spanish", "swedish", "thai",
    "turkish",
]  # fmt: skip
"""The built-in analyzers of OpenSearch, which need no plugin."""


OCU_LIMITS = (2, 4, 8, *range(16, 97, 16))
"""Limits of a next-generation collection group in OCUs, least first (AWS documentation)."""


def check_ocu(value: int) -> int:
    """Return ``value`` if a next-generation collection group accepts it as its limit in OCUs.

    An older AWS page lists 1 OCU and the newest does not; synth warns about 1.

    Raises
    ------
    ValueError
        If no AWS page lists the value.
    """
    if value == 1 or value in OCU_LIMITS:
        return value
    raise ValueError("OpenSearch Serverless accepts 2, 4, 8, 16 and multiples of 16")


def embedding_dimensions(model: str) -> tuple[int, ...]:
    """Return the vector dimensions that a model supports.

    ``model`` can be the cross-Region inference profile of a model, such as
    ``eu.cohere.embed-v4:0``.

    Raises
    ------
    ValueError
        If it is not a supported embedding model. Names those that are.
    """
    for name, lengths in EMBEDDING_DIMENSIONS.items():
        if model == name or model.endswith(f".{name}"):
            return lengths
    raise ValueError(
        f"{model} is not a supported embedding model; choose one of "
        f"{', '.join(EMBEDDING_DIMENSIONS)}"
    )


def check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Return ``tags`` if every AWS service accepts them.

    Raises
    ------
    ValueError
        Names the tag and what is allowed.
    """
    if len(tags) > MOST_TAGS:
        raise ValueError(
            f"at most {MOST_TAGS} tags: AWS allows 50, and the CDK and this project add some"
        )
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise ValueError(f"{key}: tags that begin with aws: are reserved for AWS")
        if key == "deployment":
            raise ValueError("deployment: the project sets this tag to the name of the deployment")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise ValueError(f"{key}: a key has 1 to 128 characters, a value at most 256")
        if not _TAG_TEXT.fullmatch(key) or not _TAG_TEXT.fullmatch(value):
            raise ValueError(f"{key}: a tag can have letters, digits, spaces and _ . : / = + - @")
    return tags


def check_search_instance(instance_type: str) -> str:
    """Return ``instance_type`` if a search domain with an encrypted EBS volume accepts it.

    Raises
    ------
    ValueError
        Says why not, and what to choose.
    """
    for family, reason in _SEARCH_FAMILIES.items():
        if re.fullmatch(family, instance_type.partition(".")[0]):
            raise ValueError(
                f"{instance_type}: {reason}; choose for example m7g.medium.search, "
                "r8g.medium.search or the smallest, t3.small.search"
            )
    return instance_type
