from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest
from ministack.core.responses import set_request_region

from local.cloudformation import RECORDS, handlers
from local.search_index import behaviours, index_body

INDEX = "AWS::OpenSearchServerless::CollectionIndex"
SCHEMA = {
    "settings": {"index": {"knn": True}},
    "mappings": {"properties": {"text": {"type": "text"}}},
}


class _OpenSearch(BaseHTTPRequestHandler):
    """Answers as the server does, as far as indexes go."""

    indexes: ClassVar[dict[str, Any]] = {}

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, _, endpoint = self.path.strip("/").partition("/")
        if endpoint:
            self.indexes[name]["mappings"]["properties"] |= body["properties"]
        if not endpoint and name in self.indexes:
            self._answer(400, "resource_already_exists_exception")
            return
        self.indexes.setdefault(name, body)
        self._answer(200, "acknowledged")

    def do_DELETE(self) -> None:
        found = self.indexes.pop(self.path.strip("/"), None)
        self._answer(404 if found is None else 200, "deleted")

    def _answer(self, status: int, word: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(word.encode())

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def handler() -> Iterator[dict[str, Any]]:
    set_request_region("eu-north-1")
    RECORDS.clear()
    _OpenSearch.indexes.clear()
    server = HTTPServer(("127.0.0.1", 0), _OpenSearch)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield handlers(INDEX, behaviours(f"http://127.0.0.1:{server.server_port}")[INDEX])
    server.shutdown()
    server.server_close()
    RECORDS.clear()
    set_request_region(None)


def props(collection: str, schema: dict[str, Any] = SCHEMA) -> dict[str, str]:
    return {"Id": collection, "IndexName": "chunks", "IndexSchema": json.dumps(schema)}


def test_the_index_exists_as_long_as_its_resource(handler: dict[str, Any]) -> None:
    identifier, _ = handler["create"]("Index", props("first"), "Stack")
    assert _OpenSearch.indexes["chunks"]["mappings"] == SCHEMA["mappings"]

    handler["delete"](identifier, props("first"))
    assert _OpenSearch.indexes == {}


def test_an_update_adds_fields(handler: dict[str, Any]) -> None:
    identifier, _ = handler["create"]("Index", props("first"), "Stack")
    wider = {**SCHEMA, "mappings": {"properties": {"title": {"type": "keyword"}}}}

    handler["update"](identifier, props("first"), props("first", wider), "Stack", "Index")

    assert set(_OpenSearch.indexes["chunks"]["mappings"]["properties"]) == {"text", "title"}


def test_replacing_the_collection_leaves_the_new_index(handler: dict[str, Any]) -> None:
    old, new = props("first"), props("second")
    before, _ = handler["create"]("Index", old, "Stack")

    handler["update"](before, old, new, "Stack", "Index")
    handler["delete"](before, old)

    assert set(_OpenSearch.indexes) == {"chunks"}


def test_a_schema_that_is_not_json_is_named(handler: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="IndexSchema is not JSON"):
        handler["create"]("Index", props("first") | {"IndexSchema": "{"}, "Stack")


def test_a_silent_server_is_named() -> None:
    unreachable = handlers(INDEX, behaviours("http://127.0.0.1:9")[INDEX])

    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9 does not answer.*start it first"):
        unreachable["create"]("Index", props("first"), "Stack")


def test_the_resource_with_fields_becomes_an_index_body() -> None:
    vector = {
        "Type": "knn_vector",
        "Dimension": 256,
        "CompressionLevel": "32x",
        "Method": {"Name": "hnsw", "SpaceType": "l2", "Parameters": {"EfConstruction": 128}},
    }
    settings = {"Index": {"Knn": True, "KnnAlgoParamEfSearch": 64, "RefreshInterval": "10s"}}
    fields = {"DocId": {"Type": "keyword"}, "embedding": vector}

    assert index_body({"Settings": settings, "Mappings": {"Properties": fields}}) == {
        "settings": {
            "index": {"knn": True, "knn.algo_param.ef_search": 64, "refresh_interval": "10s"}
        },
        "mappings": {
            "properties": {
                "DocId": {"type": "keyword"},
                "embedding": {
                    "type": "knn_vector",
                    "dimension": 256,
                    "compression_level": "32x",
                    "method": {
                        "name": "hnsw",
                        "space_type": "l2",
                        "parameters": {"ef_construction": 128},
                    },
                },
            }
        },
    }


@pytest.mark.parametrize(("units", "accepted"), [(0, False), (2, True), (3, False), (48, True)])
def test_a_group_takes_the_capacities_that_the_service_takes(units: int, accepted: bool) -> None:
    group = behaviours("http://127.0.0.1:1")["AWS::OpenSearchServerless::CollectionGroup"]
    limits = {"MinSearchCapacityInOcu": 0, "MaxSearchCapacityInOcu": units}
    with nullcontext() if accepted else pytest.raises(ValueError, match="multiples of 16"):
        group.create("group", {"CapacityLimits": limits})
