"""The JSON Schema of deployment files for editors: the names that exist, and every default."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel

from sustainability.deployment.accepted import EMBEDDING_DIMENSIONS
from sustainability.deployment.schema import EXTRACTIVE, Deployment
from sustainability.offers.bedrock import PROFILE_SCOPES
from sustainability.offers.endpoint_models import model_names
from sustainability.offers.names import generators, instance_types
from sustainability.offers.region_map import areas, places


def editor_schema() -> dict[str, Any]:
    """Return the schema as JSON Schema, draft 2020-12."""
    schema = Deployment.model_json_schema()
    sections = schema["$defs"]
    _state_defaults(Deployment, schema, sections)
    for described in (schema, *sections.values()):
        for part in (described, *described.get("properties", {}).values()):
            part.pop("title", None)
            if "description" in part:
                part["description"] = " ".join(part["description"].replace("``", "`").split())
    regions = sorted(places())
    schema["properties"]["region"] |= {"enum": regions}
    sections["Footprint"]["properties"]["within"] |= {"enum": [*sorted(areas()), None]}
    inference = sections["Inference"]["properties"]
    inference["model"]["enum"] = model_names()
    inference["instance_types"]["items"]["enum"] = sorted(instance_types())
    embedding = sections["Embedding"]["properties"]["model"]
    embedding["pattern"] = f"^{_profiles(EMBEDDING_DIMENSIONS)}$"
    answers = sections["Answers"]["properties"]
    answers["generator"]["pattern"] = f"^({EXTRACTIVE}|{_profiles(generators())})$"
    answers["generator"]["examples"] = sorted(generators())
    rules = sections["RuleSettings"]["properties"]
    rules["allowed_regions"]["items"]["enum"] = regions
    del rules["profile"]  # stated at the top level
    level = sections["ServiceLevel"]
    level["oneOf"] = [{"required": [name]} for name in ("latency_p95", "deadline")]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _profiles(models: Any) -> str:
    """Return the pattern of models by their own name, or by an inference profile."""
    names = "|".join(name.replace(".", r"\.") for name in sorted(models))
    return rf"(({'|'.join(sorted(PROFILE_SCOPES))})\.)?({names})"


def _state_defaults(
    model: type[BaseModel], described: dict[str, Any], sections: dict[str, Any]
) -> None:
    """Write each default as a file states it: ``1d``, not an ISO duration."""
    for name, field in model.model_fields.items():
        stated = described["properties"][name]
        if "default" in stated and not field.is_required():
            shown = model.model_construct().model_dump(mode="json", include={name})
            stated["default"] = shown[name]
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                if kind is field.annotation:
                    stated.pop("default", None)  # those of its own keys say it
                _state_defaults(kind, sections[kind.__name__], sections)
