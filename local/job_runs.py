"""Programs of SageMaker's jobs, run on this machine in the layout of folders that SageMaker mounts.

There are no containers. Whatever a request names below ``/opt/ml`` is in a folder of the job's own,
also in the words of its command, and ``SAGEMAKER_BASE_DIR`` tells the program where that is. As in
SageMaker, a command of its own gets no ``SM_*`` variables: the entrypoint of SageMaker's images
sets those. It gets no credentials either: our jobs run in network isolation.

Python is that of ``.venv-training``, where ``make test-training`` has made it; else the Python of
the embedded AWS, which has no torch. In the serving image, `local.compiler` is the compiler.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import clock
from local.compiler import training_python

Request = dict[str, Any]

MOUNTED = "/opt/ml"
RUNS, STOPPING = "InProgress", "Stopping"
_COMPILER = "optimum-cli"
_LONGEST_REASON = 1024
_LOG_BATCH = 1000
_settings: dict[str, Path] = {}
_lock = threading.Lock()
_processes: dict[str, subprocess.Popen[bytes]] = {}
_stopped: set[str] = set()
_ended: dict[str, threading.Event] = {}


class JobFailed(Exception):
    """Why a job failed, in SageMaker's words."""


class JobStopped(Exception):
    """A job was stopped, or ran for as long as it may."""


def install(folder: Path) -> None:
    """Let jobs work in folders below this one; what a killed run left there is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    _settings["folder"] = folder


def start(arn: str, work: Callable[[], None]) -> None:
    """Do a job's work in a thread of its own."""
    ended = _ended[arn] = threading.Event()

    def run() -> None:
        try:
            work()
        finally:
            ended.set()

    threading.Thread(target=run, daemon=True).start()


def wait(arn: str) -> None:
    """Wait until a job has ended; one of an earlier run of the emulator has."""
    if arn in _ended:
        _ended[arn].wait()


def stop(arn: str) -> None:
    """End the program of a job, now or as soon as it has begun."""
    with _lock:
        _stopped.add(arn)
        process = _processes.get(arn)
    if process:
        _end(process)


def stop_all() -> None:
    """End all programs: the emulator ends."""
    for arn in list(_processes):
        stop(arn)


@contextmanager
def ending(job: Request, kind: str) -> Iterator[None]:
    """Write into a job's description, whose keys begin with ``kind``, how the block ended."""
    status = "Completed"
    try:
        yield
    except JobStopped:
        status = "Stopped"
    except Exception as error:
        status, job["FailureReason"] = "Failed", str(error)[:_LONGEST_REASON]
        if not isinstance(error, JobFailed):
            traceback.print_exc(
                file=sys.stderr
            )  # a fault of the embedded AWS, or it may become one
    job[f"{kind}EndTime"] = job["LastModifiedTime"] = clock.now()
    job[f"{kind}JobStatus"] = status


@contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """Yield a job's ``/opt/ml``, and delete it afterwards."""
    base = _settings["folder"] / name
    base.mkdir(parents=True)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def run(
    arn: str,
    session: boto3.Session,
    base: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    limit_s: float,
    compiles: bool = False,
) -> None:
    """Run a job's command with ``base`` as its ``/opt/ml``, and write what it printed to its log.

    Raises
    ------
    JobFailed
        If it ends with another exit status than 0, with what it wrote to ``output/failure``.
    JobStopped
        If it was stopped, or did not end within ``limit_s`` seconds.
    """
    words = [word.replace(MOUNTED, str(base)) for word in command]
    with (base / "log").open("wb") as log:
        try:
            with _lock:
                if arn in _stopped:
                    raise JobStopped
                _processes[arn] = process = subprocess.Popen(
                    words,
                    cwd=base,
                    env={**_surroundings(base, compiles=compiles), **environment},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise JobFailed(f"AlgorithmError: {error}") from error
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        stop(arn)
    finally:
        process.wait()
        _processes.pop(arn, None)
        printed = (base / "log").read_text(errors="replace").splitlines()
        write_log(session, arn, printed)
    if arn in _stopped:
        raise JobStopped
    if process.returncode:
        told = base / "output" / "failure"
        why = told.read_text() if told.exists() else "\n".join(printed[-3:])
        raise JobFailed(f"AlgorithmError: {why.strip()}, exit code: {process.returncode}")


def download(session: boto3.Session, uri: str, folder: Path, *, needed: bool = True) -> None:
    """Copy the objects below a prefix into a folder, by their names below it.

    Raises
    ------
    JobFailed
        If there are none and they are ``needed``, or the role may not read them.
    """
    client, bucket, prefix = _place(session, uri)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        for key in (key for key in keys if not key.endswith("/")):
            path = folder / (key.removeprefix(prefix).lstrip("/") or Path(key).name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(client.get_object(Bucket=bucket, Key=key)["Body"], file, 1 << 20)
    except (BotoCoreError, ClientError) as error:
        raise JobFailed(f"ClientError: Data download failed: {uri}: {error}") from error
    if needed and not keys:
        raise JobFailed(
            f"ClientError: Data download failed: No S3 objects found under S3 URL {uri}"
        )


def upload(session: boto3.Session, folder: Path, uri: str) -> None:
    """Copy a folder's files to objects below a prefix.

    Raises
    ------
    JobFailed
        If the role may not write them.
    """
    client, bucket, prefix = _place(session, uri.rstrip("/") + "/")
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = f"{prefix}{path.relative_to(folder).as_posix()}"
            with path.open("rb") as file:
                client.put_object(Bucket=bucket, Key=key, Body=file)
    except (BotoCoreError, ClientError) as error:
        raise JobFailed(f"ClientError: Artifact upload failed: {uri}: {error}") from error


def archive(folder: Path, into: Path) -> None:
    """Pack a folder's contents as ``model.tar.gz``."""
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(into / "model.tar.gz", "w:gz") as packed:
        packed.add(folder, ".")


def write_settings(base: Path, settings: Mapping[str, Any]) -> None:
    """Write what SageMaker tells a program of its job, as one JSON file for each name."""
    base.mkdir(parents=True, exist_ok=True)
    for name, value in settings.items():
        (base / f"{name}.json").write_text(json.dumps(value))


def _surroundings(base: Path, *, compiles: bool) -> dict[str, str]:
    places = [str(training_python().parent), os.environ["PATH"]]
    if compiles:
        image = base / "image"
        image.mkdir()
        program = image / _COMPILER
        program.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m local.compiler "$@"\n'
        )
        program.chmod(0o755)
        places.insert(0, str(image))
    return {
        "PATH": os.pathsep.join(places),
        "HOME": str(base),
        "LANG": "C.UTF-8",
        "SAGEMAKER_BASE_DIR": str(base),
        "HF_HUB_OFFLINE": "1",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def write_log(session: boto3.Session, arn: str, lines: Sequence[str]) -> None:
    """Write lines to the log stream of a job's only instance."""
    kind, _, name = arn.rsplit(":", 1)[1].partition("/")
    group = f"/aws/sagemaker/{'Training' if kind == 'training-job' else 'Processing'}Jobs"
    logs, stream = session.client("logs"), f"{name}/algo-1-1"
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    told = [{"timestamp": int(clock.now() * 1000), "message": line} for line in lines if line]
    for first in range(0, len(told), _LOG_BATCH):
        logs.put_log_events(
            logGroupName=group, logStreamName=stream, logEvents=told[first : first + _LOG_BATCH]
        )


def _place(session: boto3.Session, uri: str) -> tuple[Any, str, str]:
    address = urlsplit(uri)
    return session.client("s3"), address.netloc, address.path.lstrip("/")
