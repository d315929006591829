"""Start the pipeline that tunes, for data that no run has had.

The object ``ready`` is written when the data is complete, and its event calls this function. The
data is known by a hash of what S3 lists, so that nothing is read and unchanged data starts nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

_HASH_LENGTH = 32


class NoData(Exception):
    """The data is not complete. The message says what is missing, and where."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Start a run for the data in the bucket; return whether it started, and the data's hash."""
    digest = data_hash(_client("s3"), os.environ["BUCKET"], os.environ["PREFIXES"].split())
    started = start(
        _client("sagemaker"), os.environ["PIPELINE"], digest, parent=_served(os.environ["GROUP"])
    )
    return {"data": digest, "started": started}


def data_hash(s3: Any, bucket: str, prefixes: Iterable[str]) -> str:
    """Return a hash of the names and contents of all objects below the prefixes.

    Raises
    ------
    NoData
        If there is none below one of them.
    """
    digest = hashlib.sha256()
    for prefix in prefixes:
        lines = sorted(f"{key} {etag}\n" for key, etag in _objects(s3, bucket, prefix))
        if not lines:
            raise NoData(f"s3://{bucket}/{prefix} is empty; the pipeline reads it")
        digest.update("".join(lines).encode())
    return digest.hexdigest()[:_HASH_LENGTH]


def start(sagemaker: Any, pipeline: str, digest: str, *, parent: str) -> bool:
    """Start a run for this data, unless one was started before; return whether it started.

    A run that failed is not started again: what ended it is in the run, and
    ``RetryPipelineExecution`` goes on where it ended.
    """
    name = f"data-{digest}"
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
    runs = (run for page in pages for run in page["PipelineExecutionSummaries"])
    if any(run.get("PipelineExecutionDisplayName") == name for run in runs):
        return False
    sagemaker.start_pipeline_execution(
        PipelineName=pipeline,
        PipelineExecutionDisplayName=name,
        # Two events at once are one run.
        ClientRequestToken=name,
        PipelineParameters=[
            {"Name": "DataHash", "Value": digest},
            {"Name": "Parent", "Value": parent},
        ],
    )
    return True


def _objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            if not item["Key"].endswith("/"):  # what a console makes for a folder
                yield item["Key"], item["ETag"].strip('"')


def _served(group: str) -> str:
    """Return the version of the model that was approved last, or ``none``."""
    found = _client("sagemaker").list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    return str(found[0]["ModelPackageArn"]) if found else "none"


@cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)
