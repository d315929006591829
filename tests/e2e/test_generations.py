"""An index gives way to another, of any store, and nobody who asks meanwhile notices.

The tests run in this order and build on each other: one deployment moves through all stores.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.embedded import EmbeddedAws
from rag.settings import KnowledgeSettings
from rag.stores.kinds import open_store
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account
from sustainability.operate.filling import Filling
from tests.e2e.conftest import ROOT, Models, left_of, quiet

FOLDER = ROOT / "deployments" / ".moving"
FILE = FOLDER / "moving.yaml"
DOCUMENTS = {
    "stations/kestrel.md": "# Kestrel\n\nThe Kestrel station is powered by two wind turbines.\n",
    "stations/plover.md": "# Plover\n\nThe Plover station counts birds with four cameras.\n",
    "stations/heron.md": "# Heron\n\nThe Heron station measures the depth of the snow.\n",
}
ORDER = {
    "from vectors to serverless": {"store": "serverless"},
    "from serverless to a domain": {"store": "domain", "analyzer": "english"},
    "from a domain to vectors, of other dimensions": {
        "store": "vectors",
        "embedding": {"dimensions": 256},
    },
}
RESOURCES = {
    "vectors": "AWS::S3Vectors::Index",
    "serverless": "AWS::OpenSearchServerless::Index",
    "domain": "AWS::OpenSearchService::Domain",
}
LATE = dict(zip(ORDER, ("Osprey", "Curlew", "Lapwing"), strict=True))
"""The station of the document that comes while a move is under way."""
numbers = count()


def declare(knowledge: dict[str, Any]) -> Deployment:
    """Write the deployment file with this way to keep knowledge."""
    data = yaml.safe_load((ROOT / "deployments" / "local.yaml").read_text())
    data |= {"name": "moving"}
    data["knowledge"] |= {"analyzer": "standard", **knowledge}
    FILE.write_text(yaml.safe_dump(data))
    return Deployment.load(FILE)


@pytest.fixture(autouse=True)
def _quick(models: Models) -> None:
    """Have the models answer at once: which index answers is the question here, and not what."""
    models.answer("It is powered by two wind turbines. [1]")


@pytest.fixture(scope="module", autouse=True)
def _folder() -> Iterator[None]:
    FOLDER.mkdir(exist_ok=True)
    yield
    shutil.rmtree(FOLDER)


@pytest.fixture(scope="module")
def _deployed(embedded: EmbeddedAws) -> None:
    """Deploy with S3 Vectors."""
    declare({"store": "vectors"})
    embedded.deploy(FILE, quiet)


@pytest.fixture
def account(_deployed: None) -> Account:
    """Return the deployment as it is by now: it remembers outputs, and a move changes them."""
    return Account(Deployment.load(FILE))


def add(account: Account, folder: Path, documents: dict[str, str]) -> None:
    files = {}
    for number, (key, text) in enumerate(documents.items()):
        files[key] = folder / f"{number}.md"
        files[key].write_text(text)
    account.wait_until_settled(account.add(files), seconds=600, progress=quiet)


def ask(account: Account, about: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Ask what no cache can answer."""
    question = f"What does the {about} station do or have? ({next(numbers)})"
    return account.call("POST", "/answers", {"question": question})


def assert_found(account: Account, about: str) -> None:
    status, _, answer = ask(account, about)
    assert status == 200, answer
    documents = {each["document"] for each in answer["citations"]}
    assert f"stations/{about.lower()}.md" in documents, answer


def indexes(account: Account) -> list[KnowledgeSettings]:
    """Return the generations that the deployment has, the newest first."""
    environment = account.function_environment("rag.answer_handler.handler")
    return [KnowledgeSettings(**each) for each in json.loads(environment["KNOWLEDGE"])]


def test_it_answers_from_the_first_index(account: Account, tmp_path: Path) -> None:
    assert Filling(Deployment.load(FILE)).filled().complete, "an empty bucket is soon indexed"
    add(account, tmp_path, DOCUMENTS)
    assert_found(account, "Kestrel")


@pytest.mark.parametrize("move", ORDER)
def test_the_index_before_answers_until_the_next_has_all(
    move: str, account: Account, embedded: EmbeddedAws, models: Models, tmp_path: Path
) -> None:
    before = indexes(account)[0]
    deployment = declare(ORDER[move])
    embedded_before = models.counts()["texts_embedded"]
    asked, late = 0, LATE[move]
    seen: set[int] = set()
    with ThreadPoolExecutor() as pool:
        deploying = pool.submit(embedded.deploy, FILE, quiet)
        while not deploying.done():
            assert_found(account, "Kestrel")  # who asks meanwhile is answered
            asked += 1
            number = len(indexes(account))
            if number == 2 and 2 not in seen:
                text = f"# {late}\n\nThe {late} station sends its measurements by radio.\n"
                add(account, tmp_path, {f"stations/{late.lower()}.md": text})
            seen.add(number)
            wait([deploying], timeout=0.5)  # the deployment needs the machine, too
        deploying.result()
    assert seen >= {1, 2}
    account = Account(deployment)
    (after,) = indexes(account)
    assert after.generation != before.generation
    passages = sum(1 for _ in account.documents())
    assert passages == len(DOCUMENTS) + 1 + [*ORDER].index(move)
    assert open_store(after, timeout_s=30).count() == passages
    anew = models.counts()["texts_embedded"] - embedded_before - asked
    if after.dimensions == before.dimensions:
        assert anew == 1, "only the document that is new was embedded, and once for both indexes"
    else:
        assert anew >= passages
    assert_found(account, late)
    left = left_of(embedded, "moving-rag")
    kept = {RESOURCES[store] for store in RESOURCES if RESOURCES[store] in left}
    assert kept == {RESOURCES[deployment.knowledge.store]}, "the one before is gone"


def test_until_a_lost_index_is_filled_again_the_api_says_so(
    account: Account, client: Callable[[str], Any]
) -> None:
    (index,) = indexes(account)
    store = open_store(index, timeout_s=30)
    table = client("dynamodb").scan(TableName=index.table)["Items"]
    ids = [each["S"] for row in table if "chunks" in row for each in row["chunks"]["L"]]
    store.delete(ids)
    assert store.count() == 0
    filling = Filling(Deployment.load(FILE))
    filling.begin(forget=False, progress=quiet)
    status, headers, answer = ask(account, "Kestrel")
    assert (status, answer["error"]["code"]) == (503, "indexing")
    assert int(headers["retry-after"]) > 0
    filling.wait(quiet)
    assert_found(account, "Kestrel")
    assert store.count() == len(ids)


def test_destroy_leaves_nothing(account: Account, embedded: EmbeddedAws) -> None:
    embedded.destroy(FILE, quiet)
    assert left_of(embedded, "moving-rag") == set()
