"""Every question that the README or `make up` suggests is answered rightly, as they set it up."""

from __future__ import annotations

import re

import pytest

from local.__main__ import QUESTION, SAMPLES
from sustainability.operate.account import Account, collect
from tests.e2e.conftest import ROOT, quiet

RIGHT = {
    QUESTION: r"\b2\b|\btwo\b",
    "How much memory does one OCU have?": "6 GiB",
    "How many times fewer trainable parameters do the authors of LoRA report?": "10,000",
}


@pytest.fixture(scope="module")
def handbook(account: Account) -> Account:
    """Return the deployed stack with the sample documents in it."""
    account.wait_until_settled(account.add(collect([SAMPLES])), seconds=600, progress=quiet)
    return account


def test_every_suggested_question_is_tried() -> None:
    suggested = {
        question
        for file in ("README.md", "local/__main__.py")
        for question in re.findall(r'Q="([^"{]+)"', (ROOT / file).read_text())
    }
    assert suggested | {QUESTION} == RIGHT.keys()
    assert f"Question: {QUESTION}\n" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("question", RIGHT)
def test_a_suggested_question_is_answered_rightly_and_cited(
    handbook: Account, question: str
) -> None:
    answer = handbook.ask(question, patience_s=600, progress=quiet)
    assert answer["answered"]
    assert answer["grounded"] == 1
    assert re.search(RIGHT[question], answer["answer"])
    cited = [citation["number"] for citation in answer["citations"] if citation["cited"]]
    assert cited
    assert all(f"[{number}]" in answer["answer"] for number in cited)
