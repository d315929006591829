"""A stack takes a bucket that an earlier one left, if it says so, and is refused if not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from ministack.services import cloudformation, s3

from local import ministack_internals as internals
from local.ministack_patches import import_what_exists

BUCKET = "kept-models"
TEMPLATE = {
    "Resources": {
        "Models": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {"BucketName": BUCKET},
        }
    }
}


@pytest.mark.parametrize(("says", "status"), [("true", "CREATE_"), ("false", "ROLLBACK_")])
def test_a_bucket_that_was_kept_is_imported(
    monkeypatch: pytest.MonkeyPatch, says: str, status: str
) -> None:
    place = internals.EXECUTE_CHANGE_SET
    monkeypatch.setattr(place.module, place.name, getattr(place.module, place.name))
    import_what_exists()
    name = f"imports-{says}"

    async def call(action: str, **request: str) -> None:
        before = asyncio.all_tasks()
        query = {"Action": [action], "StackName": [name], "ChangeSetName": ["change"]}
        query |= {key: [value] for key, value in request.items()}
        code, _, body = await cloudformation.handle_request("POST", "/", {}, b"", query)
        assert code == 200, body
        await asyncio.gather(*(asyncio.all_tasks() - before))

    async def deploy() -> Any:
        await s3.handle_request("PUT", f"/{BUCKET}", {}, b"", {})
        await call(
            "CreateChangeSet",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(TEMPLATE),
            ImportExistingResources=says,
        )
        await call("ExecuteChangeSet")
        (stack,) = (each for each in internals.stacks() if each["StackName"] == name)
        reached = stack["StackStatus"]
        await call("DeleteStack")
        await s3.handle_request("DELETE", f"/{BUCKET}", {}, b"", {})
        return reached

    assert asyncio.run(deploy()) == f"{status}COMPLETE"
