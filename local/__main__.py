"""``python -m local``: the embedded AWS on this machine, and the main job from start to answer."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.embedded import PORTS, EmbeddedAws, Progress, stopping_on_failure
from sustainability.deployment.durations import parse_duration
from sustainability.errors import UserError
from sustainability.report.console import status_line

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account

ROOT = Path(__file__).resolve().parents[1]
DEPLOYMENTS = ROOT / "deployments"
SAMPLES = ROOT / "samples" / "documents"
QUESTION = "How many NeuronCores does ml.inf2.xlarge have?"
_QUESTION_PATIENCE_S = 300
"""How long `up` repeats its question on a slow machine."""
_DOCUMENTS_PATIENCE_S = 600
"""How long `up` waits for the documents."""


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="<command>")
    for function in (serve, down, status, clean):
        described = commands.add_parser(function.__name__, help=function.__doc__)
        described.set_defaults(run=function)
    everything = commands.add_parser("up", help=up.__doc__)
    everything.add_argument("--deployment", default="local", help="such as examples/nap")
    everything.set_defaults(run=lambda embedded: up(embedded, options.deployment))
    past = commands.add_parser("month", help=month.__doc__)
    past.add_argument("--deployment", default="local", help="such as examples/vectors")
    past.add_argument(
        "--longer",
        type=float,
        default=0,
        metavar="SHARE",
        help="make prompts and answers of the last 12 days longer by this share, such as 0.2: a "
        "regression, of which the alarm on the targets tells",
    )
    past.set_defaults(run=lambda embedded: month(embedded, options.deployment, options.longer))
    forward = commands.add_parser("wait", help=wait.__doc__)
    forward.add_argument("duration", help="such as 90s, 10m or 8h")
    forward.set_defaults(run=lambda embedded: wait(embedded, options.duration))
    within = commands.add_parser("exec", help="run a command against the embedded AWS")
    within.add_argument("command", nargs=argparse.REMAINDER)
    within.set_defaults(run=None)
    options: argparse.Namespace = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        embedded = EmbeddedAws(ROOT / ".local", _ports())
        if options.run:
            options.run(embedded)
        else:
            _execute(embedded, options.command)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"the disk is full ({error.filename or ROOT}): free some space and try again; what was "
            "stored before is kept",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "stopped; nothing runs that did not run before, and what was uploaded is indexed after "
            "the next start",
            file=sys.stderr,
        )
        return 130
    return 0


def up(embedded: EmbeddedAws, name: str) -> None:
    """Start everything, deploy, add the sample documents and ask a question."""
    from sustainability.deployment.schema import Deployment, Store
    from sustainability.stores.kinds import chosen as chosen_store

    file = DEPLOYMENTS / f"{name}.yaml"
    deployment = Deployment.load(file)
    chosen = "" if name == "local" else f" DEPLOYMENT={name}"
    if name != "local" and not name.startswith("examples/"):
        chosen += " WHERE=here"  # any other name means an account to `make ask`
    without = ("opensearch",) if chosen_store(deployment) is Store.VECTORS else ()
    anew = embedded.ended_without_notice
    with _step("servers") as progress:
        fresh = embedded.start(progress, without=without, command=f"make up{chosen}")
    with ExitStack() as here:
        with stopping_on_failure(embedded.state, fresh):
            here.enter_context(embedded.alone())
            with _step("deployment") as progress:
                embedded.deploy(file, progress)
            from sustainability.commands.ask import describe
            from sustainability.operate.account import Account, collect

            account, files = Account(deployment), collect([SAMPLES])
            kept = embedded.kept(deployment.name)
            with _step("documents") as progress:
                account.add(kept)
                embedded.put_back(deployment.name)
                account.add(files)
                documents = _wait_for_documents(account, progress)
        # From here on the system runs, and it keeps running if the question fails.
        try:
            with _step("question") as progress:
                answer = _answer(account, progress)
            later = f"The answer comes later: make ask{chosen} ID={answer['id']}"
            shown = later if "status" in answer else describe(answer)
        except UserError as error:
            shown = (
                f"No answer yet: {error}\nEverything runs; a slow machine can need a second try:\n"
                f'  make ask{chosen} Q="{QUESTION}"'
            )
        if anew:
            print(
                "\nThe embedded AWS ended without notice last time, so all was deployed again; "
                f"{len(kept)} documents that it held were put back."
            )
        checked = _checked(deployment)
        print(
            f"\n{documents}\n\n"
            f"Question: {QUESTION}\n\n{shown}\n\n{checked}\nAll checks: make verify{chosen}\n\n"
            f"Try next:\n  make ask{chosen} "
            'Q="How many times fewer trainable parameters do the authors of LoRA report?"\n'
            f"  make add{chosen} FILE=path/to/your-document.md\n  make status\n  make down"
        )


def _wait_for_documents(account: Account, progress: Progress) -> str:
    """Wait for every document in the bucket, also of earlier calls; say how many are indexed."""
    wanted = account.stored()
    try:
        settled = account.wait_until_settled(
            wanted, seconds=_DOCUMENTS_PATIENCE_S, progress=progress
        )
    except UserError as error:
        return f"Not all documents are indexed yet: {error}\nLook again: make documents"
    indexed = sum(state.status == "indexed" for state in settled)
    rejected = len(settled) - indexed
    if rejected:
        return f"{indexed} documents are indexed, {rejected} rejected; why: make documents"
    return f"{indexed} documents are indexed."


def _checked(deployment: Deployment) -> str:
    """Check what stands, without the test document: the deployment has just been used."""
    from sustainability.operate.verification import in_short, verify

    try:
        with _step("checks") as progress:
            return in_short(verify(deployment, progress, quick=True))
    except UserError as error:
        return f"The deployment was not checked: {error}"


def _answer(account: Account, progress: Progress) -> dict[str, Any]:
    deadline = time.monotonic() + _QUESTION_PATIENCE_S
    while True:
        try:
            return account.ask(QUESTION, progress=progress)
        except UserError as error:
            if time.monotonic() > deadline:
                raise
            progress(f"trying again: {error}")


def month(embedded: EmbeddedAws, name: str, longer: float) -> None:
    """Fill the last 30 days with the declared traffic, and make their hourly records."""
    from sustainability.deployment.schema import Deployment

    deployment = Deployment.load(DEPLOYMENTS / f"{name}.yaml")
    with embedded.alone(AWS_DEFAULT_REGION=deployment.region):
        from local.month import alarms, replay

        with _step("month") as progress:
            asked = replay(deployment, progress, longer=longer)
        states = alarms()
    file = f"deployments/{name}.yaml"
    run = "python -m local exec -- python -m sustainability"
    print(
        f"\n{asked:,} questions in 30 days, as declared in {file}. Look at them:\n"
        f"  {run} report {file} --html report.html\n"
        f"  {run} choose-model {file} --questions samples/questions.yaml\n"
    )
    for state, names in sorted(states.items()):
        print(f"alarms {state}: {', '.join(sorted(names))}")


def serve(embedded: EmbeddedAws) -> None:
    """Start the servers, and deploy nothing."""
    with status_line() as progress:
        embedded.start(progress)
    status(embedded)


def down(embedded: EmbeddedAws) -> None:
    """Stop the servers. Stacks and indexes are kept for the next start."""
    print(f"stopped: {', '.join(embedded.stop()) or 'nothing ran'}")


def status(embedded: EmbeddedAws) -> None:
    """Print which servers run, and how many copies of a model."""
    running = embedded.running()
    for name in embedded.ports:
        server = running.get(name)
        print(f"{name:10} {f'{server.url}  (process {server.pid})' if server else 'stopped'}")
    for endpoint in embedded.endpoints() if "emulator" in running else ():
        waiting = f", {endpoint.waiting} questions wait" if endpoint.waiting else ""
        copies = f"{endpoint.current} of {endpoint.desired} copies run{waiting}"
        print(f"{'endpoint':10} {endpoint.name}: {copies}")


def wait(embedded: EmbeddedAws, duration: str) -> None:
    """Move the clock of the embedded AWS forward, with its alarms, cold starts and schedules."""
    try:
        seconds = parse_duration(duration).total_seconds()
    except ValueError as error:
        raise UserError(f"{duration}: {error}") from error
    embedded.let_pass(seconds)
    status(embedded)


def clean(embedded: EmbeddedAws) -> None:
    """Stop the servers and delete all their state."""
    embedded.forget()


def _execute(embedded: EmbeddedAws, command: list[str]) -> None:
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise UserError("usage: python -m local exec -- <command>")
    try:
        os.execvpe(command[0], command, embedded.environment())
    except OSError as error:
        raise UserError(f"{command[0]}: {error.strerror}") from error


def _ports() -> dict[str, int]:
    ports = {}
    for name, default in PORTS.items():
        variable = f"{name.upper()}_PORT"
        text = os.environ.get(variable) or str(default)
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise UserError(f"{variable}={text}: a port is a number from 1 to 65535")
        ports[name] = int(text)
    return ports


@contextmanager
def _step(name: str) -> Iterator[Progress]:
    began = time.monotonic()
    with status_line() as show:
        yield lambda text: show(f"{name}: {text}")
    print(f"{name:10} ready in {time.monotonic() - began:5.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
