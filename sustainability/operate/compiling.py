"""Compile a deployment's model with a SageMaker training job, once for each shape."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import Any

import boto3
import botocore.exceptions

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.operate.account import outputs_of
from sustainability.plan.compiled_models import (
    artifacts_bucket,
    artifacts_prefix,
    compile_job,
    job_stem,
    missing_artifacts,
)

_NO_BUCKET = ("404", "NoSuchBucket")
_LONGEST_PAUSE_S = 15.0
_RUNS = ("InProgress", "Stopping")


class Compiling:
    """The compiled model of a deployment: whether it is there, and the job that makes it."""

    def __init__(
        self, deployment: Deployment, shape: InferenceModel, session: boto3.Session
    ) -> None:
        self._deployment, self._shape, self._session = deployment, shape, session

    @cached_property
    def bucket(self) -> str:
        """The name of the bucket of compiled models."""
        account = self._session.client("sts").get_caller_identity()["Account"]
        return artifacts_bucket(self._deployment, account)

    @property
    def place(self) -> str:
        """The S3 URI of the compiled model."""
        return f"s3://{self.bucket}/{artifacts_prefix(self._shape)}"

    @property
    def done(self) -> bool:
        """Whether the model is compiled.

        Raises
        ------
        UserError
            If you may not look.
        """
        try:
            return self.missing() == []
        except botocore.exceptions.ClientError as error:
            raise UserError(f"S3 refused to list {self.place}: {error}") from error

    def missing(self) -> list[str] | None:
        """Return the files that are missing, none of them if it is compiled; None: no bucket.

        Raises
        ------
        botocore.exceptions.ClientError
            If you may not look.
        """
        prefix = artifacts_prefix(self._shape)
        names: set[str] = set()
        pages = self._session.client("s3").get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
                names.update(item["Key"].removeprefix(prefix) for item in page.get("Contents", ()))
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _NO_BUCKET:
                return None
            raise
        return missing_artifacts(names)

    def run(self, progress: Callable[[str], None]) -> str:
        """Start the job, or follow the one that runs; return what it did, when it is done.

        Nothing is started if the model is compiled. You may stop the command: the job goes on, and
        the next call follows it.

        Raises
        ------
        UserError
            If AWS refuses, or the job fails.
        """
        if self.done:
            return f"compiled already: {self.place}"
        try:
            return self._follow(self._running() or self._start(), progress)
        except botocore.exceptions.ClientError as error:
            raise UserError(f"AWS refused to compile: {error}") from error

    def _running(self) -> str | None:
        found = self._session.client("sagemaker").list_training_jobs(
            NameContains=job_stem(self._deployment, self._shape),
            SortBy="CreationTime",
            SortOrder="Descending",
            MaxResults=1,
        )["TrainingJobSummaries"]
        return next(
            (str(job["TrainingJobName"]) for job in found if job["TrainingJobStatus"] in _RUNS),
            None,
        )

    def _start(self) -> str:
        began = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        name = f"{job_stem(self._deployment, self._shape)}-{began}"
        request = compile_job(
            self._deployment,
            self._shape,
            name=name,
            bucket=self.bucket,
            outputs=outputs_of(f"{self._deployment.name}-models", self._session),
        )
        self._session.client("sagemaker").create_training_job(**request)
        return name

    def _follow(self, name: str, progress: Callable[[str], None]) -> str:
        client = self._session.client("sagemaker")
        for number in count():
            job: dict[str, Any] = client.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] not in _RUNS:
                break
            progress(f"compile job {name}: {job['SecondaryStatus']}")
            time.sleep(min(2**number, _LONGEST_PAUSE_S))
        if job["TrainingJobStatus"] != "Completed":
            raise UserError(
                f"compile job {name} {job['TrainingJobStatus'].lower()}: "
                f"{job.get('FailureReason', 'no reason given')}; its log is in "
                "/aws/sagemaker/TrainingJobs. Run this again to start another"
            )
        if missing := self.missing():
            raise UserError(f"compile job {name} wrote no {', '.join(missing)} to {self.place}")
        return f"compiled in {job.get('BillableTimeInSeconds', 0)} s by job {name}: {self.place}"
