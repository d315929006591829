"""A deployment in AWS, or in the embedded AWS: add documents, ask questions, wait.

boto3's own configuration applies: credentials, Region and ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import json
import mimetypes
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
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
"""File name extensions that ingest reads, from the function's own list."""

TOKEN = "ANSWERS_TOKEN"
"""Environment variable with a token of the identity provider, for an API that wants one."""
INDEX_ROW = "/"
"""The row of the documents table that is about the index as a whole."""

Progress = Callable[[str], None]

_WORTH_WAITING = frozenset({429, 503, 504})
_GATEWAY_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    429: "throttled",
    503: "unavailable",
}
"""Codes for the errors of API Gateway, as far as the API has codes for the same."""
_LONGEST_PAUSE_S = 20.0

_READERS = 10
"""Connections that a boto3 client keeps open."""


class AccountError(UserError):
    """AWS refused a call, or nothing is deployed. The message says what to do."""


@dataclass(frozen=True)
class DocumentState:
    """The state of one document after ingest."""

    key: str
    status: str
    reason: str
    etag: str
    chunks: int
    epoch: str
    """When the index was filled that this is about: see ``lambdas/rag/documents.py``."""
    visible_at: float
    """When searches find it, in seconds since the epoch. A serverless store needs 10 seconds."""


class Account:
    """One deployment in one AWS account.

    Raises
    ------
    AccountError
        From every method, if there are no credentials, no deployment or no answer.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._session = boto3.Session(region_name=deployment.region)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Outputs of the RAG stack: URLs and names."""
        return outputs_of(f"{self._deployment.name}-rag", self._session)

    @cached_property
    def endpoint(self) -> str:
        """The name of the endpoint, which is that of its inference component, too."""
        return outputs_of(f"{self._deployment.name}-inference", self._session)["EndpointName"]

    def functions(self) -> list[str]:
        """Return the names of the deployment's functions, those of the RAG stack first."""
        client, names = self._session.client("cloudformation"), []
        for part in ("rag", "monitoring"):
            try:
                pages = client.get_paginator("list_stack_resources").paginate(
                    StackName=f"{self._deployment.name}-{part}"
                )
                names += [
                    str(resource["PhysicalResourceId"])
                    for resource in pages.search("StackResourceSummaries[]")
                    if resource["ResourceType"] == "AWS::Lambda::Function"
                ]
            except botocore.exceptions.ClientError as error:
                if "does not exist" not in str(error):
                    raise AccountError(f"AWS refused to list the functions: {error}") from error
        return names

    def function_environment(self, handler: str) -> dict[str, str]:
        """Return the environment variables of the deployment's function with this handler."""
        stack = f"{self._deployment.name}-rag"
        if not self.outputs:
            raise AccountError(f"stack {stack} is not complete; deploy it again")
        client = self._session.client("lambda")
        try:
            for name in self.functions():
                found = client.get_function_configuration(FunctionName=name)
                if found["Handler"] == handler:
                    return dict(found["Environment"]["Variables"])
        except botocore.exceptions.ClientError as error:
            raise AccountError(f"Lambda or CloudFormation refused: {error}") from error
        raise AccountError(f"stack {stack} has no function {handler}; deploy this version first")

    def history(self, since: datetime) -> list[dict[str, Any]]:
        """Return the hourly records from ``since`` on, the oldest first.

        Hours without a record are left out.
        """
        return self._stored("history/", since.strftime("history/%Y/%m/%d/%H"))

    def months(self) -> list[dict[str, Any]]:
        """Return the months that were calibrated with the account's own figures."""
        return self._stored("account/", "")

    def course(self) -> dict[str, Any] | None:
        """Return the last week beside its targets and the 30 days before; None before any day."""
        found = self._stored("course.json", "")
        return found[0] if found and found[0]["day"] else None

    def _stored(self, prefix: str, after: str) -> list[dict[str, Any]]:
        stack = f"{self._deployment.name}-monitoring"
        bucket = outputs_of(stack, self._session).get("HistoryBucketName")
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
            # A month has hundreds of small objects, and most time is waiting: read in parallel.
            with ThreadPoolExecutor(max_workers=_READERS) as readers:
                return list(readers.map(read, keys))
        except botocore.exceptions.ClientError as error:
            raise AccountError(f"S3 refused to read the history: {error}") from error

    def add(self, files: Mapping[str, Path]) -> dict[str, str]:
        """Upload the files whose content is not in the bucket yet.

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
        present, uploaded = self.stored(), {}
        for key, path in files.items():
            body = path.read_bytes()
            if present.get(key) == md5(body, usedforsecurity=False).hexdigest():
                continue
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            try:
                stored = client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
            except botocore.exceptions.ClientError as error:
                raise AccountError(
                    f"{key}: S3 did not take it, nor those after it: {error}"
                ) from error
            uploaded[key] = stored["ETag"].strip('"')
        return uploaded

    def stored(self) -> dict[str, str]:
        """Return the entity tag of each document in the bucket, by key."""
        pages = self._session.client("s3").get_paginator("list_objects_v2")
        return {
            item["Key"]: item["ETag"].strip('"')
            for page in pages.paginate(Bucket=self.outputs["BucketName"])
            for item in page.get("Contents", [])
            if not item["Key"].endswith("/")  # a folder that the console drew
        }

    def remove(self, key: str) -> None:
        """Delete a document. Its passages leave the index soon after."""
        self._session.client("s3").delete_object(Bucket=self.outputs["BucketName"], Key=key)

    def forget(self, key: str, *, seconds: float) -> tuple[int, int]:
        """Delete every version of a document, its passages, and each stored answer that cites it.

        Returns
        -------
        tuple[int, int]
            How many versions and how many answers were deleted.
        """
        client, bucket = self._session.client("s3"), self.outputs["BucketName"]
        versions = [
            {"Key": key, "VersionId": version["VersionId"]}
            for page in client.get_paginator("list_object_versions").paginate(
                Bucket=bucket, Prefix=key
            )
            for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            if version["Key"] == key
        ]
        for version in versions:
            client.delete_object(Bucket=bucket, **version)
        self.wait_until_removed([key], seconds=seconds)
        # Only now: until then, a question could have stored another answer from it.
        return len(versions), self._forget_answers(key)

    def _forget_answers(self, key: str) -> int:
        name = self.function_environment("rag.answer_handler.handler")["ANSWERS_TABLE"]
        table = self._session.resource("dynamodb").Table(name)
        deleted = 0
        for row in _rows(table):
            answer = json.loads(row.get("answer", "{}"))
            if any(each["document"] == key for each in answer.get("citations", ())):
                table.delete_item(Key={"id": row["id"]})
                deleted += 1
        return deleted

    def documents(self) -> Iterator[DocumentState]:
        """Yield the state of each document that ingest has seen and that still exists."""
        table = self._session.resource("dynamodb").Table(self.outputs["DocumentsTable"])
        for row in _rows(table, ConsistentRead=True):
            # Ingest's own bookkeeping, and documents that are gone, are no documents.
            if row["document"] != INDEX_ROW and row.get("status") != "deleted":
                yield DocumentState(
                    key=row["document"],
                    status=row.get("status", "waiting"),
                    reason=row.get("reason") or "",
                    etag=row.get("etag") or "",
                    chunks=len(row.get("chunks") or []),
                    epoch=row.get("epoch") or "",
                    visible_at=float(row.get("visible_at", 0)),
                )

    def present(self) -> list[DocumentState]:
        """Return the state of each document in the bucket and in the index, in the order of keys.

        What ingest has not done yet is ``waiting``: a document that is new, changed or deleted.
        """
        stored, known = self.stored(), {state.key: state for state in self.documents()}
        found = []
        for key in sorted(stored.keys() | known.keys()):
            state = known.get(key, DocumentState(key, "waiting", "", "", 0, "", 0))
            if key not in stored:
                state = replace(state, status="waiting", reason="deleted, and still in the index")
            elif state.etag != stored[key]:
                state = replace(state, status="waiting", reason="not indexed yet as it is now")
            found.append(state)
        return found

    def wait_until_settled(
        self, etags: Mapping[str, str], *, seconds: float, progress: Progress
    ) -> list[DocumentState]:
        """Wait until ingest has indexed or rejected exactly these versions of the documents.

        Parameters
        ----------
        etags
            From key to entity tag, as :meth:`add` and :meth:`stored` return it.
        seconds
            Longest time to wait, in seconds.
        progress
            Called about once a second with a short text about the progress.
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
            progress(f"{len(settled)} of {len(etags)} documents done")
            if len(settled) == len(etags):
                return settled
            if time.monotonic() > deadline:
                missing = sorted(set(etags) - {state.key for state in settled})
                raise AccountError(
                    f"after {seconds:.0f} s {len(missing)} of {len(etags)} documents wait to be "
                    f"indexed: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. None "
                    "is lost: ingest tries each again within 2 minutes, and later within 15; see "
                    "the ingest function's log and the dead letters"
                )
            time.sleep(1)

    def wait_until_removed(self, keys: Iterable[str], *, seconds: float) -> None:
        """Wait until ingest has deleted the passages of removed documents from the index."""
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
        detail: str | None = None,
        max_tokens: int | None = None,
        patience_s: float = 90,
        progress: Progress,
    ) -> dict[str, Any]:
        """Ask the deployed API, and wait while the store starts or the model is busy.

        Returns
        -------
        dict[str, Any]
            The body of ``POST /answers``. If the answer comes later, its ``status`` is ``pending``,
            and :meth:`fetch` waits for it.
        """
        body: dict[str, Any] = {"question": question}
        if filters:
            body["filters"] = dict(filters)
        if detail:
            body["detail"] = detail
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        deadline = time.monotonic() + patience_s
        tries = 0
        while True:
            tries += 1
            status, headers, answer = self.call("POST", "/answers", body)
            if status in (200, 202):
                return answer
            pause = _pause_s(headers, tries)
            if status not in _WORTH_WAITING or time.monotonic() + pause > deadline:
                raise _refused(status, answer)
            progress(str(answer["error"]["message"]))
            time.sleep(pause)

    def fetch(self, id_: str, *, progress: Progress) -> dict[str, Any]:
        """Wait for an answer that comes later, and poll as often as the API says.

        Returns
        -------
        dict[str, Any]
            The body of ``GET /answers/{id}``.
        """
        tries = 0
        while True:
            tries += 1
            status, headers, answer = self.call("GET", f"/answers/{id_}")
            if status == 200:
                return answer
            if status == 202:
                by = datetime.fromisoformat(answer["expected_by"]).astimezone()
                progress(f"the answer comes later, by {by:%A %H:%M}")
            elif status in _WORTH_WAITING:
                progress("the API is busy")
            else:
                raise _refused(status, answer)
            time.sleep(_pause_s(headers, tries))

    def _sign(self, request: AWSRequest) -> None:
        """Say who calls: by a token of the identity provider, if it guards the API, else by IAM."""
        sign_in = self._deployment.company.sign_in
        if sign_in is not None:
            token = os.environ.get(TOKEN)
            if not token:
                raise AccountError(
                    f"this API wants a token of {sign_in.issuer} for "
                    f"{' or '.join(sign_in.audience)}; get one from it, and set {TOKEN}"
                )
            request.headers["Authorization"] = f"Bearer {token}"
            return
        credentials = self._session.get_credentials()
        if credentials is None:
            raise AccountError("no AWS credentials; run `aws sso login` or set AWS_PROFILE")
        SigV4Auth(credentials, "execute-api", self._deployment.region).add_auth(request)

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, signed: bool = True
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Send one request to the API; return status, headers (names in lower case) and body.

        Every error has ``error.code`` and ``error.message``.
        """
        url = self.outputs["ApiUrl"].rstrip("/") + path
        data = None if body is None else json.dumps(body)
        request = AWSRequest(method=method, url=url, data=data)
        request.headers["Content-Type"] = "application/json"
        if signed:
            self._sign(request)
        headers = dict(request.headers.items())
        embedded = os.environ.get("AWS_ENDPOINT_URL")
        if embedded:  # one port serves all APIs; the host header selects one
            headers["Host"] = urlsplit(url).netloc
            url = embedded.rstrip("/") + path
        send = partial(
            urllib3.request,
            method,
            url,
            body=request.body,
            headers=headers,
            timeout=40,
            retries=False,
        )
        try:
            try:
                response = send()
            except urllib3.exceptions.ProtocolError:  # a kept connection was closed meanwhile
                response = send()
        except urllib3.exceptions.HTTPError as error:
            raise AccountError(f"the API at {url} does not answer: {error}") from error
        try:
            answer = response.json()
        except ValueError:
            answer = {"message": response.data.decode(errors="replace")[:200]}
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return response.status, lowered, in_one_form(response.status, answer)


def outputs_of(stack: str, session: boto3.Session) -> dict[str, str]:
    """Return the outputs of a deployed stack: URLs and names.

    Raises
    ------
    AccountError
        If there are no credentials, no such stack or no answer.
    """
    try:
        found = session.client("cloudformation").describe_stacks(StackName=stack)
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            raise AccountError(
                f"stack {stack} is not deployed in {session.region_name}; run `make up` or "
                f"`make deploy DEPLOYMENT={stack.rpartition('-')[0]}`"
            ) from error
        raise AccountError(f"CloudFormation refused: {error}") from error
    except botocore.exceptions.NoCredentialsError as error:
        raise AccountError("no AWS credentials; run `aws sso login` or set AWS_PROFILE") from error
    except botocore.exceptions.EndpointConnectionError as error:
        raise AccountError(f"{error}; for the embedded AWS, run `make up`") from error
    return {
        output["OutputKey"]: output["OutputValue"]
        for output in found["Stacks"][0].get("Outputs", [])
    }


def in_one_form(status: int, answer: Any) -> dict[str, Any]:
    """Return an answer of the API; an error of API Gateway gets the form of the API's own.

    An HTTP API cannot change what API Gateway answers by itself: ``{"message": ...}``.
    """
    if status < 400 and isinstance(answer, dict):
        return answer
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        return answer
    message = answer.get("message") if isinstance(answer, dict) else None
    code = _GATEWAY_CODES.get(status, "internal")
    return {"error": {"code": code, "message": str(message or f"status {status}")}}


def _rows(table: Any, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield each row of a DynamoDB table, page by page."""
    page = table.scan(**options)
    yield from page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(**options, ExclusiveStartKey=page["LastEvaluatedKey"])
        yield from page["Items"]


def _pause_s(headers: Mapping[str, str], tries: int) -> float:
    """Return how long to wait before another try.

    API Gateway states no time when it is busy. Then many callers must not come back together.
    """
    stated = headers.get("retry-after")
    return float(stated) if stated else random.uniform(1, min(2.0**tries, _LONGEST_PAUSE_S))


def _refused(status: int, answer: Mapping[str, Any]) -> AccountError:
    return AccountError(f"the API answered {status}: {answer['error']['message']}")


def collect(paths: Iterable[Path]) -> dict[str, Path]:
    """Return an object key for each file, and for each file below a folder.

    A file below a folder gets its path relative to that folder. A single file gets its path
    relative to the current folder or, outside of it, its folder's name and its own. If two files
    would get the same key, each gets its folder's name in front.

    Raises
    ------
    UserError
        If a path does not exist, or a file has an unknown format.
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
    """Add the folder to each name that several files share."""
    files = {file.resolve(): (name, file) for name, file in found}
    while True:
        counts = Counter(name for name, _ in files.values())
        if len(counts) == len(files):
            return dict(files.values())
        for path, (name, file) in files.items():
            if counts[name] > 1:
                longer = path.parts[-len(Path(name).parts) - 1 :]
                files[path] = ("/".join(longer), file)
