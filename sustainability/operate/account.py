"""The only room that talks to AWS, or to the embedded one: add documents, ask, wait.

Everything goes through boto3's own configuration: credentials, Region and ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import json
import mimetypes
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError

_FORMATS = Path(__file__).resolve().parents[2] / "lambdas" / "rag" / "formats.json"
"""File name endings that ingest reads: the function's own list."""

Progress = Callable[[str], None]

_READERS = 10
"""Connections that a client of boto3 keeps open."""


class AccountError(UserError):
    """AWS refused the request, or the deployment does not exist. The message names the solution."""


@dataclass(frozen=True)
class DocumentState:
    """What ingest made of a document."""

    key: str
    status: str
    reason: str
    etag: str
    chunks: int
    visible_at: float
    """When searches see it, in seconds since the epoch: a serverless store takes ten seconds."""


class Account:
    """One deployment in one AWS account.

    Raises
    ------
    AccountError
        From every method, when there are no credentials, no deployment or no answer.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._session = boto3.Session(region_name=deployment.region)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Outputs of the RAG stack: URLs and names."""
        return self._outputs(f"{self._deployment.name}-rag")

    def _outputs(self, stack: str) -> dict[str, str]:
        try:
            found = self._session.client("cloudformation").describe_stacks(StackName=stack)
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                raise AccountError(
                    f"stack {stack} is not deployed in {self._deployment.region}; run `make up` or "
                    f"`make deploy DEPLOYMENT={self._deployment.name}`"
                ) from error
            raise AccountError(f"CloudFormation refused: {error}") from error
        except botocore.exceptions.NoCredentialsError as error:
            raise AccountError(
                "no AWS credentials; run `aws sso login` or set AWS_PROFILE"
            ) from error
        except botocore.exceptions.EndpointConnectionError as error:
            raise AccountError(f"{error}; for the embedded AWS, run `make up`") from error
        return {
            output["OutputKey"]: output["OutputValue"]
            for output in found["Stacks"][0].get("Outputs", [])
        }

    def function_environment(self, handler: str) -> dict[str, str]:
        """Return the environment of the RAG stack's function that has this handler."""
        stack = f"{self._deployment.name}-rag"
        if not self.outputs:
            raise AccountError(f"stack {stack} is not complete; deploy it again")
        cloudformation, functions = map(self._session.client, ("cloudformation", "lambda"))
        try:
            resources = cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=stack
            )
            for resource in resources.search("StackResourceSummaries[]"):
                if resource["ResourceType"] == "AWS::Lambda::Function":
                    found = functions.get_function_configuration(
                        FunctionName=resource["PhysicalResourceId"]
                    )
                    if found["Handler"] == handler:
                        return dict(found["Environment"]["Variables"])
        except botocore.exceptions.ClientError as error:
            raise AccountError(f"AWS refused to list the functions: {error}") from error
        raise AccountError(f"stack {stack} has no function {handler}; deploy this version first")

    def history(self, since: datetime) -> list[dict[str, Any]]:
        """Return what the hourly function recorded from ``since`` on, the oldest first.

        Hours that it did not record are left out.
        """
        return self._stored("history/", since.strftime("history/%Y/%m/%d/%H"))

    def months(self) -> list[dict[str, Any]]:
        """Return the months that were held against the account's own figures."""
        return self._stored("account/", "")

    def _stored(self, prefix: str, after: str) -> list[dict[str, Any]]:
        stack = f"{self._deployment.name}-monitoring"
        bucket = self._outputs(stack).get("HistoryBucketName")
        if bucket is None:
            raise AccountError(f"stack {stack} keeps no history; deploy this version first")
        client = self._session.client("s3")

        def read(key: str) -> dict[str, Any]:
            found: dict[str, Any] = json.load(client.get_object(Bucket=bucket, Key=key)["Body"])
            return found

        try:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, StartAfter=after
            )
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
            # A month has hundreds of small objects, and each request waits for its answer.
            with ThreadPoolExecutor(max_workers=_READERS) as readers:
                return list(readers.map(read, keys))
        except botocore.exceptions.ClientError as error:
            raise AccountError(f"AWS refused to read the history: {error}") from error

    def add(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Upload those files whose content is not there yet.

        Parameters
        ----------
        files
            From object key to local file.

        Returns
        -------
        dict[str, str]
            From key to entity tag, for the files that were uploaded.
        """
        client, bucket = self._session.client("s3"), self.outputs["BucketName"]
        present = {
            item["Key"]: item["ETag"].strip('"')
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for item in page.get("Contents", [])
        }
        uploaded = {}
        for key, path in files.items():
            body = path.read_bytes()
            if present.get(key) == md5(body, usedforsecurity=False).hexdigest():
                continue
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            stored = client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
            uploaded[key] = stored["ETag"].strip('"')
        return uploaded

    def remove(self, key: str) -> None:
        """Delete a document; its passages leave the index soon after."""
        self._session.client("s3").delete_object(Bucket=self.outputs["BucketName"], Key=key)

    def documents(self) -> Iterator[DocumentState]:
        """Yield what ingest made of each document that it has seen and that still counts."""
        table = self._session.resource("dynamodb").Table(self.outputs["DocumentsTable"])
        arguments: dict[str, Any] = {"ConsistentRead": True}
        while True:
            page = table.scan(**arguments)
            for row in page["Items"]:
                # Ingest's own bookkeeping, and documents that are gone, are no documents.
                if "version" not in row and row.get("status") != "deleted":
                    yield DocumentState(
                        key=row["document"],
                        status=row.get("status", "waiting"),
                        reason=row.get("reason") or "",
                        etag=row.get("etag") or "",
                        chunks=len(row.get("chunks") or []),
                        visible_at=float(row.get("visible_at", 0)),
                    )
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def wait_until_settled(
        self, etags: Mapping[str, str], *, seconds: float, progress: Progress
    ) -> list[DocumentState]:
        """Wait until ingest has indexed or rejected exactly these versions of the documents.

        Parameters
        ----------
        etags
            From key to the entity tag that :meth:`add` returned.
        seconds
            How long to wait at most.
        progress
            Told, in a few words, how far it is; called about once a second.
        """
        deadline = time.monotonic() + seconds
        while True:
            settled = [
                state
                for state in self.documents()
                if etags.get(state.key) == state.etag
                and state.status in ("indexed", "rejected")
                and state.visible_at <= time.time()
            ]
            progress(f"{len(settled)} of {len(etags)} documents settled")
            if len(settled) == len(etags):
                return settled
            if time.monotonic() > deadline:
                missing = sorted(set(etags) - {state.key for state in settled})
                raise AccountError(
                    f"after {seconds:.0f} s these documents are not indexed yet: "
                    f"{', '.join(missing[:5])}; see the ingest function's log and the dead letters"
                )
            time.sleep(1)

    def wait_until_removed(self, keys: Iterable[str], *, seconds: float) -> None:
        """Wait until ingest has taken the passages of removed documents out of the index."""
        deadline = time.monotonic() + seconds
        while left := {state.key for state in self.documents()}.intersection(keys):
            if time.monotonic() > deadline:
                raise AccountError(f"after {seconds:.0f} s these are still there: {sorted(left)}")
            time.sleep(1)

    def ask(
        self,
        question: str,
        *,
        filters: Mapping[str, str] | None = None,
        max_tokens: int | None = None,
        patience_s: float = 90,
        progress: Progress,
    ) -> dict[str, Any]:
        """Ask the deployed API, and wait while it answers that it is starting or busy.

        Returns
        -------
        dict[str, Any]
            The body of ``POST /answers``. Where answers come later, its ``status`` is ``pending``;
            :meth:`fetch` waits for the answer.
        """
        body: dict[str, Any] = {"question": question}
        if filters:
            body["filters"] = dict(filters)
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        deadline = time.monotonic() + patience_s
        while True:
            status, headers, answer = self.call("POST", "/answers", body)
            pause = float(headers.get("retry-after", 0))
            if status in (200, 202):
                return answer
            if status not in (429, 503) or time.monotonic() + pause > deadline:
                raise _refused(status, answer)
            progress("the store is waking" if status == 503 else "the model is busy")
            time.sleep(max(pause, 1))

    def fetch(self, id_: str, *, progress: Progress) -> dict[str, Any]:
        """Wait for a deferred answer, at the interval that the API requests.

        Returns
        -------
        dict[str, Any]
            The body of ``GET /answers/{id}``.
        """
        while True:
            status, headers, answer = self.call("GET", f"/answers/{id_}")
            pause = float(headers.get("retry-after", 0))
            if status == 200:
                return answer
            if status == 202:
                by = datetime.fromisoformat(answer["expected_by"]).astimezone()
                progress(f"the answer comes later, by {by:%A %H:%M}")
            elif status in (429, 503):
                progress("the API is busy")
            else:
                raise _refused(status, answer)
            time.sleep(max(pause, 1))

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, signed: bool = True
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Send one request to the API; return its status, its headers in lower case, its body."""
        url = self.outputs["ApiUrl"].rstrip("/") + path
        data = None if body is None else json.dumps(body)
        request = AWSRequest(method=method, url=url, data=data)
        request.headers["Content-Type"] = "application/json"
        if signed:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise AccountError("no AWS credentials; run `aws sso login` or set AWS_PROFILE")
            SigV4Auth(credentials, "execute-api", self._deployment.region).add_auth(request)
        headers = dict(request.headers.items())
        embedded = os.environ.get("AWS_ENDPOINT_URL")
        if embedded:  # one port serves all APIs; the host name in the header selects one
            headers["Host"] = urlsplit(url).netloc
            url = embedded.rstrip("/") + path
        try:
            response = urllib3.request(
                method, url, body=request.body, headers=headers, timeout=40, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise AccountError(f"the API at {url} does not answer: {error}") from error
        try:
            answer = response.json()
        except ValueError:
            answer = {"message": response.data.decode(errors="replace")[:200]}
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return response.status, lowered, answer


def _refused(status: int, answer: Mapping[str, Any]) -> AccountError:
    error = answer.get("error", answer)
    return AccountError(f"the API answered {status}: {error.get('message', error)}")


def collect(paths: Iterable[Path]) -> dict[str, Path]:
    """Return object keys for files, and for the files below folders.

    A file in a folder is named by its path from there; one that is given by itself, by its path
    from the current folder, else by its own folder and name. Where two would have one name, each
    has its folder's name before it.

    Raises
    ------
    UserError
        If a path is not there, or a file is of no known format.
    """
    formats = frozenset(json.loads(_FORMATS.read_text()))
    found: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            found += [
                (file.relative_to(path).as_posix(), file)
                for file in sorted(path.rglob("*"))
                if file.is_file() and file.suffix.lower() in formats
            ]
        elif not path.is_file():
            raise UserError(f"{path}: no such file or folder")
        elif path.suffix.lower() not in formats:
            raise UserError(f"{path}: known formats are {', '.join(sorted(formats))}")
        else:
            found.append((_name(path), path))
    return _distinct(found)


def _name(file: Path) -> str:
    absolute = file.resolve()
    here = Path.cwd()
    inside = absolute.is_relative_to(here)
    return (absolute.relative_to(here) if inside else Path(*absolute.parts[-2:])).as_posix()


def _distinct(found: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Lengthen the names that several files have by the folders that they lie in."""
    files = {file.resolve(): (name, file) for name, file in found}
    while True:
        counts = Counter(name for name, _ in files.values())
        if len(counts) == len(files):
            return dict(files.values())
        for path, (name, file) in files.items():
            if counts[name] > 1:
                longer = path.parts[-len(Path(name).parts) - 1 :]
                files[path] = ("/".join(longer), file)
