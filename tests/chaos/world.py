"""A deployed embedded AWS with documents that change, and the truth to hold its words against."""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import psutil
import urllib3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.embedded import EmbeddedAws
from rag.reading import read_bytes
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.operate.account import Account

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / f"deployments/.chaos/{os.getpid()}"
INGEST = "rag.ingest_handler.handler"
PATIENCE_S = 300
"""How long the table waits before it counts what is missing."""
_AWAY = (
    BotoCoreError, ClientError, KeyError, UserError, ValueError, urllib3.exceptions.HTTPError,
)  # fmt: skip
"""What calls raise while a server is away."""
_GATEWAY = ("Internal Server Error", "Not Found", "Service Unavailable", "Too Many Requests")
"""What API Gateway itself answers, for which nobody can choose the form."""
_SYLLABLES = ("ba", "do", "fe", "gu", "ha", "ki", "lo", "mu", "na", "pe", "ra", "so", "tu", "va")


def quiet(_: str) -> None:
    """Show no progress."""


@dataclass
class Outcome:
    """What one trial of a fault did."""

    lost: int = 0
    """Passages that should be in the index and are not."""
    stale: int = 0
    """Passages that are in the index and should not be, or are there twice."""
    told_wrongly: int = 0
    """Documents whose state was not true, and answers that were not."""
    unexplained: int = 0
    """Errors of the API without a code, or without a time to come back."""
    seconds: float = 0
    """From the end of the fault until all was complete."""
    notes: list[str] = field(default_factory=list)


class World:
    """One deployment of ``local.yaml``; ``wanted`` is what the bucket should hold, by key."""

    def __init__(self, embedded: EmbeddedAws, seed: int) -> None:
        self.embedded, self.random = embedded, random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(dir=embedded.state.parent))
        self.deployment_file = deployment_file("chaos", ROOT / "deployments/local.yaml")
        self.wanted: dict[str, str] = {}
        self.rejected: set[str] = set()
        self.unsure: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._read: dict[tuple[str, str], list[str]] = {}
        self._clients: dict[str, Any] = {}
        self._account: Account | None = None

    # What a person does.

    def up(self) -> None:
        """Start what does not run, deploy, and put back what outlived an end without notice."""
        self.embedded.start(quiet)
        with self.embedded.alone(AWS_DEFAULT_REGION="eu-north-1"):
            self.embedded.deploy(self.deployment_file, quiet)
            self._account = None
            self.account.add(self.embedded.kept("chaos"))
            self.embedded.put_back("chaos")

    @property
    def account(self) -> Account:
        """The deployment as it is now; names of resources change when it is made again."""
        if self._account is None:
            self._account = Account(Deployment.load(self.deployment_file))
        return self._account

    def client(self, service: str) -> Any:
        """Return a client that tries once."""
        if service not in self._clients:
            config = Config(connect_timeout=2, read_timeout=60, retries={"total_max_attempts": 1})
            session = boto3.Session(region_name="eu-north-1")
            self._clients[service] = session.client(service, config=config)
        return self._clients[service]

    def change(self, key: str, text: str | None) -> None:
        """Put or delete a document; who does not learn the outcome tries again later."""
        self.wanted.pop(key, None)
        if text is not None:
            self.wanted[key] = text
        self.unsure.add(key)
        with suppress(*_AWAY):
            self._send(key)
            self.unsure.discard(key)

    def _send(self, key: str) -> None:
        s3, bucket = self.client("s3"), self.account.outputs["BucketName"]
        if key in self.wanted:
            s3.put_object(Bucket=bucket, Key=key, Body=self.wanted[key].encode())
        else:
            s3.delete_object(Bucket=bucket, Key=key)

    def send_again(self) -> None:
        """Repeat the changes whose outcome nobody learned."""
        for key in sorted(self.unsure):
            self._send(key)
        self.unsure.clear()

    def station(self, key: str) -> str:
        """Return a document about a station with a number that no other has."""
        name = key.removesuffix(".md")
        self._numbers[key] = self.random.randrange(10_000, 99_999)
        return (
            f"# The {name} station\n\n## Masts\n\nThe {name} station has {self._numbers[key]} "
            f"masts.\n\n## Keepers\n\nThe keepers of {name} sleep in {self.random.randrange(99)} "
            "beds and write one letter a week.\n"
        )

    def some_changes(self, count: int = 6) -> None:
        """Add, change and delete documents."""
        for _ in range(count):
            kind = self.random.choice(["add", "add", "change", "delete"])
            known = sorted(self.wanted.keys() - self.rejected)
            if kind == "add" or len(known) < 4:
                key = "".join(self.random.choices(_SYLLABLES, k=4)) + ".md"
            else:
                key = self.random.choice(known)
            self.change(key, None if kind == "delete" and key in known else self.station(key))

    @contextmanager
    def changing(self, count: int = 6) -> Iterator[None]:
        """Let documents change meanwhile, and wait for the last change."""
        thread = threading.Thread(target=self.some_changes, args=(count,))
        thread.start()
        try:
            time.sleep(self.random.uniform(0.2, 1.5))
            yield
        finally:
            thread.join()

    # What the machine does.

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the functions."""
        emulator = psutil.Process(self.embedded.running()["emulator"].pid)
        return [child for child in emulator.children(recursive=True) if child.is_running()]

    def fail(self, **fault: Any) -> None:
        """Have the next calls of the models fail."""
        answer = urllib3.request("POST", f"{self._models}/_local/faults", json=fault)
        if answer.status != 200:
            raise ValueError(answer.data.decode())

    def heal(self) -> None:
        """Forget all faults of the models."""
        with suppress(urllib3.exceptions.HTTPError):
            urllib3.request("DELETE", f"{self._models}/_local/faults", retries=False, timeout=5)

    @property
    def _models(self) -> str:
        return f"http://127.0.0.1:{self.embedded.ports['models']}"

    # What is true.

    def judge(self, outcome: Outcome) -> None:
        """Wait until all is complete, and count what is not as it should be."""
        began, told_wrongly = time.monotonic(), set[str]()
        while True:
            time.sleep(0.5)
            try:
                states = {state.key: state for state in self.account.present()}
                index = self._index()
            except _AWAY:
                states, index = {}, {}
            expected = {key: self._passages(key) for key in self.wanted}
            done = {
                key
                for key, state in states.items()
                if state.status == ("rejected" if key in self.rejected else "indexed")
            }
            told_wrongly |= {key for key in done if index.get(key, []) != expected.get(key, [])}
            outcome.seconds = time.monotonic() - began
            if done == states.keys() == self.wanted.keys() or outcome.seconds > PATIENCE_S:
                break
        for key in index.keys() | expected.keys():
            found, right = index.get(key, []), expected.get(key, [])
            outcome.lost += len(set(right) - set(found))
            outcome.stale += len(found) - len(set(right) & set(found))
            if found != right:
                outcome.notes.append(f"{key}: {len(found)} passages, not {len(right)}")
        outcome.told_wrongly += len(told_wrongly)
        waiting = sorted(self.wanted.keys() ^ done)
        if waiting:
            outcome.told_wrongly += len(waiting)
            outcome.notes.append(f"still waiting: {', '.join(waiting[:3])}")
        self._judge_an_answer(outcome)

    def _judge_an_answer(self, outcome: Outcome) -> None:
        """Ask for a station: each passage that the answer shows stands in a document as it is."""
        keys = sorted(self.wanted.keys() & self._numbers.keys())
        if not keys:
            return
        name = self.random.choice(keys).removesuffix(".md")
        question = f"How many masts does the {name} station have?"
        try:
            answer = self.account.ask(question, patience_s=120, progress=quiet)
        except UserError as error:
            outcome.told_wrongly += 1
            outcome.notes.append(f"no answer: {error}")
            return
        for citation in answer["citations"]:
            shown = re.findall(r"\d{5}", citation["excerpt"])
            if any(number not in self.wanted.get(citation["document"], "") for number in shown):
                outcome.told_wrongly += 1
                outcome.notes.append(f"{question} {citation['excerpt'][:80]}")

    def _passages(self, key: str) -> list[str]:
        if key in self.rejected:
            return []
        read = key, self.wanted[key]
        if read not in self._read:
            title, chunks = read_bytes(key, self.wanted[key].encode(), *self._cut)
            self._read[read] = sorted({chunk.identity(key, title) for chunk in chunks})
        return self._read[read]

    @cached_property
    def _cut(self) -> tuple[int, int]:
        knowledge = Deployment.load(self.deployment_file).knowledge
        return knowledge.chunk_tokens, knowledge.overlap_tokens

    def _index(self) -> dict[str, list[str]]:
        """Return the ids of the passages of each document, as OpenSearch has them."""
        settings = json.loads(self.account.function_environment(INGEST)["KNOWLEDGE"])[0]
        url = f"{self.embedded.running()['opensearch'].url}/{settings['index']}"
        urllib3.request("POST", f"{url}/_refresh", timeout=10, retries=False)
        found: dict[str, list[str]] = {}
        after: list[Any] = []
        while True:
            query = {"size": 5000, "_source": ["document"], "sort": ["_doc"]}
            body = query | ({"search_after": after} if after else {})
            hits = urllib3.request(
                "POST", f"{url}/_search", json=body, timeout=30, retries=False
            ).json()["hits"]["hits"]
            for hit in hits:
                found.setdefault(hit["_source"]["document"], []).append(hit["_id"])
            if len(hits) < 5000:
                return {key: sorted(ids) for key, ids in found.items()}
            after = hits[-1]["sort"]

    @contextmanager
    def asked(self, outcome: Outcome) -> Iterator[None]:
        """Let somebody ask all the time, and look at each error."""
        over = threading.Event()
        numbers = random.Random(0)

        def ask() -> None:
            while not over.wait(0.5):
                body = {"question": f"How many masts has station {numbers.random()}?"}
                try:
                    status, headers, answer = self.account.call("POST", "/answers", body)
                except _AWAY:
                    continue  # the embedded AWS as a whole is not there
                if status < 400 or answer["error"]["message"] in _GATEWAY:
                    continue
                code = answer["error"].get("code")
                if code in (None, "internal") or (
                    status in (429, 503, 504) and "retry-after" not in headers
                ):
                    outcome.unexplained += 1
                    outcome.notes.append(f"{status} {json.dumps(answer)[:80]}")

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def deployment_file(name: str, like: Path, **sections: dict[str, Any]) -> Path:
    """Write a deployment file like another; only what is in ``deployments/`` can be deployed."""
    values = yaml.safe_load(like.read_text()) | {"name": name}
    values |= {section: values.get(section, {}) | given for section, given in sections.items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.yaml"
    file.write_text(yaml.safe_dump(values))
    return file
