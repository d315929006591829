"""The faults: each breaks something while documents change, and ends what it began."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import psutil

from local import processes
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.operate.account import Account, DocumentState
from tests.chaos.world import PATIENCE_S, ROOT, World, deployment_file, quiet


class NotHere(Exception):
    """This machine does not allow the fault."""


Fault = Callable[[World], None]
FAULTS: dict[str, Fault] = {}
"""By what is broken, as the table names it."""
SIZES = {"many": 200, "every_pair": 0}
"""Documents of the flood, and whether each example is updated into each; options set them."""
EXAMPLES = ROOT / "deployments/examples"
CHAIN = (
    "realtime", "vectors", "domain", "async", "domain", "tuned", "nap", "batch", "bridged",
)  # fmt: skip
"""Every example, and every change from one kind of store to another."""


def fault(name: str) -> Callable[[Fault], Fault]:
    """Add a fault to the table."""

    def add(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return add


def _kill(world: World, name: str, *, group: bool = True) -> None:
    """Kill a server, with or without the processes that it started, and wait until it is gone."""
    server = world.embedded.running()[name]
    (os.killpg if group else os.kill)(server.pid, signal.SIGKILL)
    while server.alive or not processes.is_free(server.port):
        time.sleep(0.05)


@contextmanager
def _frozen(world: World, server: str, seconds: float) -> Iterator[None]:
    running = world.embedded.running()[server]
    processes.hold(running, held=True)
    try:
        yield
        time.sleep(seconds)
    finally:
        processes.hold(running, held=False)


@fault("emulator killed")
def emulator_killed(world: World) -> None:
    workers = world.workers()
    with world.changing():
        _kill(world, "emulator", group=False)
    world.up()
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


@fault("emulator stopped and started")
def emulator_stopped(world: World) -> None:
    with world.changing():
        processes.stop(world.embedded.state, world.embedded.running()["emulator"])
    world.embedded.start(quiet)


@fault("emulator frozen for 15 s")
def emulator_frozen(world: World) -> None:
    with world.changing(3), _frozen(world, "emulator", 15):
        pass


@fault("OpenSearch killed")
def opensearch_killed(world: World) -> None:
    with world.changing():
        _kill(world, "opensearch")
    world.embedded.start(quiet)


@fault("OpenSearch frozen for 15 s")
def opensearch_frozen(world: World) -> None:
    with world.changing(), _frozen(world, "opensearch", 15):
        pass


@fault("models killed")
def models_killed(world: World) -> None:
    with world.changing():
        _kill(world, "models")
    world.embedded.start(quiet)


@fault("models frozen for 15 s")
def models_frozen(world: World) -> None:
    with world.changing(), _frozen(world, "models", 15):
        pass


@fault("functions killed")
def functions_killed(world: World) -> None:
    with world.changing(10):
        for _ in range(8):
            for worker in world.workers():
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
            time.sleep(0.5)


@fault("functions frozen for 75 s")
def functions_frozen(world: World) -> None:
    world.fail(match="embed", delay_s=2, count=8)
    with world.changing():
        frozen = world.workers()
        for worker in frozen:
            with suppress(psutil.NoSuchProcess):
                worker.suspend()
        time.sleep(75)  # longer than a lease
    for worker in frozen:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


def _models_fail(**fault: Any) -> Fault:
    def fail(world: World) -> None:
        world.fail(match="", **fault)
        with world.changing():
            pass
        time.sleep(8)
        world.heal()

    return fail


_MODEL_FAULTS: dict[str, dict[str, Any]] = {
    "models throttle": {"error": "ThrottlingException", "count": 60},
    "models time out": {"error": "ModelTimeoutException", "count": 60},
    "models fail": {"error": "ModelErrorException", "count": 60},
    "models not ready": {"error": "ModelNotReadyException", "count": 60},
    "models slower than anybody waits": {"delay_s": 40, "count": 12},
    "connections of the models reset": {"damage": "reset", "count": 60},
    "answers of the models drip": {"damage": "drip", "count": 12},
    "answers of the models are garbage": {"damage": "garbage", "count": 60},
}
for _name, _fault in _MODEL_FAULTS.items():
    FAULTS[_name] = _models_fail(**_fault)


@fault("events three times and in any order")
def events_in_disorder(world: World) -> None:
    queue, keys = world.account.outputs["IngestQueueUrl"], set(world.wanted)
    world.some_changes(8)
    bodies = [_event(key) for key in sorted(keys | world.wanted.keys())] * 3
    world.random.shuffle(bodies)
    sqs = world.client("sqs")
    for at in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies[at : at + 10])]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def _event(key: str) -> str:
    record = {
        "eventTime": datetime.now(UTC).isoformat(),
        "s3": {"object": {"key": quote_plus(key)}},
    }
    return json.dumps({"Records": [record]})


@fault("six writers on one document")
def six_writers(world: World) -> None:
    key = "contested.md"

    def write(number: int) -> None:
        for _ in range(4):
            s3.put_object(
                Bucket=bucket, Key=key, Body=f"# Contested\n\nWriter {number} was here.\n".encode()
            )

    s3, bucket = world.client("s3"), world.account.outputs["BucketName"]
    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.change(key, "# Contested\n\nThe last word.\n")


@fault("events lost to the dead letters")
def events_lost(world: World) -> None:
    outputs, functions = world.account.outputs, world.client("lambda")
    queue = outputs["IngestQueueUrl"].rpartition("/")[2]
    (mapping,) = (
        each
        for each in functions.list_event_source_mappings()["EventSourceMappings"]
        if each["EventSourceArn"].endswith(f":{queue}")
    )
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(6)
    world.some_changes()
    sqs = world.client("sqs")
    while messages := sqs.receive_message(
        QueueUrl=outputs["IngestQueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=2
    ).get("Messages"):
        for message in messages:
            sqs.send_message(QueueUrl=outputs["DeadLettersUrl"], MessageBody=message["Body"])
            sqs.delete_message(
                QueueUrl=outputs["IngestQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
            )
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    _run("redrive", str(world.deployment_file))


@fault("file of a service cut")
def state_file_cut(world: World) -> None:
    with world.changing():
        pass
    processes.stop(world.embedded.state, world.embedded.running()["emulator"])
    services = sorted((world.embedded.state / "emulator/services").glob("*.json"))
    file = world.random.choice([each for each in services if each.stat().st_size > 100])
    os.truncate(file, file.stat().st_size // 2)
    world.up()


@fault("file of a running server cut")
def server_file_cut(world: World) -> None:
    before = world.embedded.running()["emulator"].pid
    os.truncate(world.embedded.state / "emulator.json", 9)
    with world.changing():
        world.embedded.start(quiet)
    if world.embedded.running()["emulator"].pid != before:
        raise AssertionError("another emulator was started beside the one that runs")


@fault("folder of OpenSearch lost")
def opensearch_lost(world: World) -> None:
    world.embedded.stop()
    shutil.rmtree(world.embedded.state / "opensearch")
    world.up()


@fault("data of OpenSearch damaged")
def opensearch_damaged(world: World) -> None:
    """The start names the folder to delete, and that cure works."""
    world.embedded.stop()
    data = world.embedded.state / "opensearch"
    files = [each for each in data.rglob("indices/*/*/index/*") if each.is_file()]
    for file in files:
        os.truncate(file, file.stat().st_size // 2)
    try:
        world.up()
    except UserError as told:
        if f"delete the folder {data}" not in str(told):
            raise
        shutil.rmtree(data)
        world.up()
    else:
        raise AssertionError(f"{len(files)} files were cut, and OpenSearch said nothing")


@fault("disk full")
def disk_full(world: World) -> None:
    """The emulator's folder is a small file system of its own, which a file fills."""
    folder = world.embedded.state / "emulator"
    world.embedded.stop()
    aside = folder.with_name("emulator-aside")
    folder.rename(aside)
    folder.mkdir()
    used = sum(each.lstat().st_size for each in aside.rglob("*"))
    size = f"size={used // 1024 + (256 << 10)}k"  # and what a deployment adds
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        aside.rename(folder)
        world.embedded.start(quiet)
        raise NotHere("it needs the right to mount a file system")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True, symlinks=True)
        world.embedded.start(quiet)
        with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(1 << 20))
        changed = (min(world.wanted), "full.md")
        world.change(changed[0], None)
        world.change(changed[1], world.station(changed[1]))
        if not world.unsure.issuperset(changed):
            raise AssertionError("a change was taken while the disk was full")
        world.embedded.stop()  # what it cannot save now must not be lost
        (folder / "ballast").unlink()
        world.up()
        world.send_again()
    finally:
        world.embedded.stop()
        shutil.rmtree(aside)
        shutil.copytree(folder, aside, symlinks=True)
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)
        world.embedded.start(quiet)


@fault("clock moved by an hour, forward and back")
def clock_moved(world: World) -> None:
    with world.changing():
        world.embedded.let_pass(3600)
        world.embedded.let_pass(-3600)


@fault("many small documents at once")
def flood(world: World) -> None:
    keys = [f"flood/{number:05}.md" for number in range(SIZES["many"])]
    for key in keys:
        number = world.random.randrange(10**9)
        world.change(key, f"# Note {key}\n\nThis note has the number {number}.\n")
    _wait(world, keys)


def _wait(world: World, keys: list[str]) -> list[DocumentState]:
    etags = {key: etag for key, etag in world.account.stored().items() if key in set(keys)}
    seconds = PATIENCE_S + len(keys)
    return world.account.wait_until_settled(etags, seconds=seconds, progress=quiet)


@fault("a document of 200 MB")
def giant(world: World) -> None:
    """It is over the limit of a document, and says so; those beside it do not wait for it."""
    key = "giant.txt"
    world.rejected.add(key)
    world.change(key, "0123456789 bytes of text.\n" * (200_000_000 // 26))
    with world.changing():
        (state,) = _wait(world, [key])
    if not state.reason.startswith("too_large: 200.0 MB"):
        raise AssertionError(f"{key} was rejected with: {state.reason}")
    world.change(key, None)


@fault("deployment killed at every stack")
def deployment_killed(world: World) -> None:
    moments = itertools.product(("rag", "monitoring"), ("creating CloudFormation", "IN_PROGRESS"))
    for days, (stack, sign) in zip((3, 5, 7, 30), moments, strict=True):
        logs = {"log_retention_days": days}  # it changes both stacks
        deployment_file("chaos", ROOT / "deployments/local.yaml", monitoring=logs)
        command = [sys.executable, "-m", "sustainability", "deploy", str(world.deployment_file)]
        deploying = subprocess.Popen(
            [*command, "--yes"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=world.embedded.environment(),
        )
        assert deploying.stdout is not None
        with world.changing(3):
            came = any(f"chaos-{stack}" in line and sign in line for line in deploying.stdout)
            with suppress(ProcessLookupError):
                os.killpg(deploying.pid, signal.SIGKILL)
            deploying.wait()
        if not came:
            raise AssertionError(f"the deployment never said {sign!r} of {stack}")
        _run("deploy", str(world.deployment_file), "--yes")


@fault("an example updated into another")
def examples_updated(world: World) -> None:
    """A note is found in each, and at the end nothing is left, also of the first one's endpoint."""
    file = deployment_file("chaos-example", EXAMPLES / f"{CHAIN[0]}.yaml")
    for number, example in enumerate(_every_pair() if SIZES["every_pair"] else CHAIN):
        similarity = {"minimum_similarity": 0.29}  # of the local embedding model
        deployment_file("chaos-example", EXAMPLES / f"{example}.yaml", answers=similarity)
        _run("deploy", str(file), "--yes")
        account = Account(Deployment.load(file))
        if number == 0:
            note = world.folder / "note.md"
            note.write_text("# The Dunlin station\n\nThe Dunlin station has 12345 masts.\n")
            account.add({"note.md": note})
        account.wait_until_settled(account.stored(), seconds=300, progress=quiet)
        answer = account.ask("How many masts has the Dunlin station?", progress=quiet)
        if "status" not in answer and "12345" not in answer["answer"]:
            raise AssertionError(f"{example}, after {number} updates: {answer['answer'][:80]}")
    _run("destroy", str(file), "--yes", "--everything")
    left = [
        each["StackName"]
        for each in world.client("cloudformation").describe_stacks()["Stacks"]
        if each["StackName"].startswith("chaos-example")
        and each["StackStatus"] != "DELETE_COMPLETE"
    ]
    if left:
        raise AssertionError(f"{left} is left")


def _every_pair() -> Iterator[str]:
    """Yield the examples in an order in which each comes right after each other one, once."""
    names = sorted(each.stem for each in EXAMPLES.glob("*.yaml"))
    for at, name in enumerate(names):
        for other in names[at + 2 :]:
            yield from (name, other)
        yield name
    yield from reversed(names[:-1])


def _run(command: str, *arguments: str) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "sustainability", command, *arguments],
        capture_output=True,
        text=True,
    )
    if outcome.returncode:
        said = (outcome.stdout + outcome.stderr).splitlines()[-8:]
        raise UserError(f"{command}: " + " / ".join(said))
