"""Amazon S3 Vectors: buckets and indexes by CloudFormation, vectors by the service's own API.

Requests are validated by botocore's model and the documented limits, and IAM decides who may call.
A query compares with every vector and is exact; AWS approximates.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from numpy.typing import NDArray

from local import ministack_internals as internals
from local.cloudformation import RECORDS, Behaviour, Properties
from local.invocations import Answer
from local.models.aws import ServiceError, check_request, invalid

BUCKET = "AWS::S3Vectors::VectorBucket"
INDEX = "AWS::S3Vectors::Index"
_SERVICE = "s3vectors"
_METADATA_BYTES = 40_960
_FILTERABLE_BYTES = 2_048
_METADATA_KEYS = 50
_PAGE = 100
"""The largest number of vectors in one response of a query."""
Metadata = Mapping[str, Any]
Vector = NDArray[np.float32]


@dataclass
class Index:
    """Vectors and their metadata by key."""

    dimension: int
    metric: str
    unfiltered: frozenset[str]
    """Metadata keys that filters cannot use."""
    vectors: dict[str, Vector] = field(default_factory=dict)
    metadata: dict[str, Metadata] = field(default_factory=dict)

    def distances(self, keys: Sequence[str], vector: Vector) -> NDArray[np.float64]:
        """Return the distance of each of these keys' vectors."""
        if not keys:
            return np.empty(0)
        matrix = np.stack([self.vectors[key] for key in keys]).astype(np.float64)
        if self.metric == "euclidean":
            squares: NDArray[np.float64] = ((matrix - vector) ** 2).sum(axis=1)
            return squares
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
        cosines: NDArray[np.float64] = matrix @ vector / lengths
        return 1 - cosines


INDEXES: dict[str, Index] = {}
"""Every index that exists, by its ARN."""


def behaviours() -> dict[str, Behaviour]:
    """Behaviour by resource type."""
    return {
        BUCKET: Behaviour(attributes=_bucket_attributes, delete=_delete_bucket),
        INDEX: Behaviour(attributes=_index_attributes, create=_create_index, delete=_delete_index),
    }


def install() -> None:
    """Serve the API beside the emulator's APIs, and save the vectors with the emulator's state."""

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Answer:
        operation = path.strip("/")
        try:
            if operation not in _OPERATIONS:
                raise invalid(f"The embedded AWS does not support S3 Vectors' {operation}.")
            request = json.loads(body or b"{}")
            check_request(_SERVICE, operation, request)
            if _reads_metadata(operation, request) and (
                denied := internals.denied(
                    _SERVICE, f"{_SERVICE}:GetVectors", headers, query, _arn(request)
                )
            ):
                return denied
            return _json(200, _OPERATIONS[operation](request))
        except ServiceError as error:
            headers = {"x-amzn-errortype": error.code}
            return _json(error.status, {"message": error.message}, headers)

    app.SERVICE_HANDLERS[_SERVICE] = serve
    internals.authorize_service(_SERVICE, _SERVICE)
    others = iam_actions.extract_resource_arn

    def resource_arn(
        service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any
    ) -> Any:
        if service != _SERVICE:
            return others(service, method, path, headers, body, *rest)
        return _arn(json.loads(body or b"{}"))

    iam_actions.extract_resource_arn = resource_arn
    internals.keep("local_vectors", _state, _restore)


def _reads_metadata(operation: str, request: Mapping[str, Any]) -> bool:
    """Return whether a request also needs the permission GetVectors, as AWS documents it."""
    return operation in ("QueryVectors", "ListVectors") and bool(
        request.get("returnMetadata") or request.get("returnData") or "filter" in request
    )


def _put(request: Mapping[str, Any]) -> dict[str, Any]:
    index = _index(request)
    for vector in request["vectors"]:
        _check_metadata(vector["key"], vector.get("metadata", {}), index)
    read = {each["key"]: _vector(each["data"], index) for each in request["vectors"]}
    index.vectors |= read
    index.metadata |= {each["key"]: each.get("metadata", {}) for each in request["vectors"]}
    return {}


def _get(request: Mapping[str, Any]) -> dict[str, Any]:
    index = _index(request)
    return {
        "vectors": [_shown(index, key, request) for key in request["keys"] if key in index.vectors]
    }


def _list(request: Mapping[str, Any]) -> dict[str, Any]:
    index = _index(request)
    keys = sorted(index.vectors)
    if "segmentCount" in request:
        keys = keys[request["segmentIndex"] :: request["segmentCount"]]
    begin, size = int(request.get("nextToken", 0)), request.get("maxResults", 500)
    page = {"vectors": [_shown(index, key, request) for key in keys[begin : begin + size]]}
    return page | ({"nextToken": str(begin + size)} if begin + size < len(keys) else {})


def _delete(request: Mapping[str, Any]) -> dict[str, Any]:
    index = _index(request)
    for key in request["keys"]:
        index.vectors.pop(key, None)
        index.metadata.pop(key, None)
    return {}


def _query(request: Mapping[str, Any]) -> dict[str, Any]:
    index, wanted = _index(request), request.get("filter")
    vector = _vector(request["queryVector"], index)
    keys = [key for key in index.vectors if wanted is None or _passes(key, wanted, index)]
    distances = index.distances(keys, vector)
    begin = int(request.get("nextToken", 0))
    nearest = np.argsort(distances, kind="stable")[: request["topK"]]
    found = []
    for place in nearest[begin : begin + _PAGE]:
        shown = _shown(index, keys[place], request)
        if request.get("returnDistance"):
            shown["distance"] = float(distances[place])
        found.append(shown)
    page = {"vectors": found, "distanceMetric": index.metric}
    return page | ({"nextToken": str(begin + _PAGE)} if begin + _PAGE < len(nearest) else {})


_OPERATIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "DeleteVectors": _delete,
    "GetVectors": _get,
    "ListVectors": _list,
    "PutVectors": _put,
    "QueryVectors": _query,
}


def _index(request: Mapping[str, Any]) -> Index:
    try:
        return INDEXES[_arn(request)]
    except KeyError:
        raise ServiceError("NotFoundException", "The specified index could not be found") from None


def _arn(request: Mapping[str, Any]) -> str:
    if "indexArn" in request:
        return str(request["indexArn"])
    bucket, index = request.get("vectorBucketName", ""), request.get("indexName", "")
    return f"{_bucket_arn(bucket)}/index/{index}"


def _bucket_arn(name: str) -> str:
    return f"arn:aws:s3vectors:{get_region()}:{get_account_id()}:bucket/{name}"


def _vector(data: Mapping[str, Any], index: Index) -> Vector:
    numbers = data["float32"]
    if len(numbers) != index.dimension:
        raise invalid(f"Query or vector has {len(numbers)} dimensions, the index {index.dimension}")
    if not all(map(math.isfinite, numbers)):
        raise invalid("Vector data must contain only valid floating-point values")
    if index.metric == "cosine" and not any(numbers):
        raise invalid("Zero vectors are not allowed with the cosine distance metric")
    return np.asarray(numbers, dtype=np.float32)


def _check_metadata(key: str, metadata: Metadata, index: Index) -> None:
    filterable = {name: value for name, value in metadata.items() if name not in index.unfiltered}
    for what, part, limit in (
        ("Total", metadata, _METADATA_BYTES),
        ("Filterable", filterable, _FILTERABLE_BYTES),
    ):
        size = len(json.dumps(part, ensure_ascii=False).encode())
        if size > limit:
            raise invalid(f"{what} metadata of {key} is {size} bytes, of {limit} at most")
    if len(metadata) > _METADATA_KEYS:
        raise invalid(f"{key} has {len(metadata)} metadata keys, of {_METADATA_KEYS} at most")
    for name, value in metadata.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str | int | float | bool) for each in values):
            raise invalid(f"Metadata {name} of {key} must be text, a number, a boolean or a list")


def _shown(index: Index, key: str, request: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"key": key}
    if request.get("returnMetadata"):
        shown["metadata"] = index.metadata[key]
    if request.get("returnData"):
        shown["data"] = {"float32": index.vectors[key].tolist()}
    return shown


def _passes(key: str, wanted: Mapping[str, Any], index: Index) -> bool:
    """Apply a filter to a vector's metadata.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-metadata-filtering.html
    """
    if not isinstance(wanted, Mapping) or not wanted:
        raise invalid("Invalid filter: must be an object that names a metadata key or an operator")
    return all(_holds(name, rule, key, index) for name, rule in wanted.items())


def _holds(name: str, rule: Any, key: str, index: Index) -> bool:
    if name in ("$and", "$or"):
        if not isinstance(rule, list) or not rule:
            raise invalid(f"Invalid filter: {name} requires a list of filters")
        return (all if name == "$and" else any)([_passes(key, each, index) for each in rule])
    if name.startswith("$"):
        raise invalid(f"Invalid filter: {name} is no operator between filters")
    if name in index.unfiltered:
        raise invalid(f"Invalid use of non-filterable metadata in filter: {name}")
    rules = rule if isinstance(rule, Mapping) else {"$eq": rule}
    value = index.metadata[key].get(name)
    return all(_compares(operator, value, operand) for operator, operand in rules.items())


def _compares(operator: str, value: Any, operand: Any) -> bool:
    if operator == "$exists":
        return (value is not None) is operand
    if operator not in _COMPARISONS:
        raise invalid(f"Invalid filter: {operator} is no operator")
    if operator in ("$in", "$nin") and not (isinstance(operand, list) and operand):
        raise invalid(f"Invalid filter: {operator} requires a list that is not empty")
    values = value if isinstance(value, list) else [value]
    if operator in ("$ne", "$nin"):
        return not any(_COMPARISONS[operator](each, operand) for each in values)
    return any(each is not None and _COMPARISONS[operator](each, operand) for each in values)


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, operand: value == operand,
    "$ne": lambda value, operand: value == operand,
    "$in": lambda value, operand: value in operand,
    "$nin": lambda value, operand: value in operand,
    "$gt": lambda value, operand: value > operand,
    "$gte": lambda value, operand: value >= operand,
    "$lt": lambda value, operand: value < operand,
    "$lte": lambda value, operand: value <= operand,
}
"""Comparisons of a value with an operand. Operators with a "not" invert the result afterwards."""


def _bucket_attributes(physical_id: str, props: Properties) -> dict[str, Any]:
    name = physical_id.rsplit("/", 1)[1].lower()
    return {"VectorBucketArn": _bucket_arn(name)}


def _index_attributes(physical_id: str, props: Properties) -> dict[str, Any]:
    bucket = props.get("VectorBucketArn") or _bucket_arn(props["VectorBucketName"])
    return {"IndexArn": f"{bucket}/index/{physical_id.rsplit('/', 1)[1].lower()}"}


def _create_index(physical_id: str, props: Properties) -> None:
    bucket = _bucket_of(physical_id)
    if not any(r["type"] == BUCKET and r["id"] == bucket for r in RECORDS.values()):
        raise ValueError(f"The specified vector bucket could not be found: {bucket}")
    configuration = props.get("MetadataConfiguration", {})
    INDEXES[physical_id] = Index(
        dimension=int(props["Dimension"]),
        metric=props["DistanceMetric"],
        unfiltered=frozenset(configuration.get("NonFilterableMetadataKeys", ())),
    )


def _delete_index(physical_id: str, props: Properties) -> None:
    INDEXES.pop(physical_id, None)


def _delete_bucket(physical_id: str, props: Properties) -> None:
    if any(_bucket_of(arn) == physical_id for arn in INDEXES):
        raise ValueError(f"The specified vector bucket is not empty: {physical_id}")


def _bucket_of(index: str) -> str:
    return index.partition("/index/")[0]


def _state() -> dict[str, Any]:
    return {
        arn: {
            "dimension": index.dimension,
            "metric": index.metric,
            "unfiltered": sorted(index.unfiltered),
            "vectors": {
                key: base64.b64encode(vector.tobytes()).decode()
                for key, vector in index.vectors.items()
            },
            "metadata": index.metadata,
        }
        for arn, index in INDEXES.items()
    }


def _restore(state: Mapping[str, Any]) -> None:
    for arn, kept in state.items():
        vectors = {
            key: np.frombuffer(base64.b64decode(text), dtype=np.float32)
            for key, text in kept["vectors"].items()
        }
        INDEXES[arn] = Index(
            dimension=kept["dimension"],
            metric=kept["metric"],
            unfiltered=frozenset(kept["unfiltered"]),
            vectors=vectors,
            metadata=kept["metadata"],
        )


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return (
        status,
        {"Content-Type": "application/json", **(headers or {})},
        json.dumps(value).encode(),
    )
