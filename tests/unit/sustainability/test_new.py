"""``new``: the file that it writes passes every check, and an interruption leaves nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sustainability.__main__ import main
from sustainability.commands import new as command
from sustainability.decide.new_deployment import Wishes, compose
from sustainability.decide.region_requirements import checked_plan
from sustainability.deployment.schema import Deployment
from sustainability.footprint.footprint import footprint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "_DEPLOYMENTS", tmp_path)
    return tmp_path


class Person:
    """Answers each question by the first word that it contains; empty otherwise."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        for words, said in self.answers.items():
            if words in question and said:
                answer = said.pop(0)
                if answer == "^C":
                    raise KeyboardInterrupt
                if answer == "^D":
                    raise EOFError
                return answer
        return ""


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    person = Person({})
    monkeypatch.setattr("builtins.input", person)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    return person


def test_options_alone_write_a_file_that_passes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--region", "eu-west-3", "--within", "EU", "--answer-within", "6h"]
    options += ["--per-hour", "300", "--email", "a@b.org", "--account", "012345678901"]
    assert main(["new", "team", *options, "--yes"]) == 0
    shown = capsys.readouterr().out

    deployment = Deployment.load(folder / "team.yaml")
    estimate = footprint(deployment, checked_plan(deployment))
    assert deployment.account == "012345678901"
    assert deployment.service_level.deadline is not None
    assert deployment.traffic.peak_per_hour == 6 * 300
    budget = deployment.monitoring.monthly_budget_usd
    assert budget is not None
    assert estimate.traffic.usd.high <= budget <= max(1.0, 1.2 * estimate.traffic.usd.high)
    for words in ("mode ", "Why", "gCO2e and $", "The budget is $", "make up DEPLOYMENT=team"):
        assert words in shown


def test_a_person_is_asked_again_until_each_answer_is_possible(
    folder: Path, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    person.answers = {
        "AWS Region": ["eu-nort-1", "eu-north-1"],
        "how long": ["soon", "8s"],
        "usual working hour": ["many", "50"],
        "e-mail": ["me", "me@example.com"],
        "account": ["12"],
    }
    assert main(["new", "team", "--documents", "40"]) == 0
    shown = capsys.readouterr().out

    assert not any("number of documents" in question for question in person.asked)
    for words in (
        "did you mean eu-north-1?",
        "a duration must be",
        "'many': write a number",
        "write an e-mail address",
        "write the 12 digits",
    ):
        assert words in shown
    made = Deployment.load(folder / "team.yaml")
    assert (made.region, made.account, made.knowledge.documents) == ("eu-north-1", None, 40)
    assert made.traffic.periods[0].mean_per_hour == 50


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"AWS Region": ["^C"]}, 130),
        ({"Write": ["^C"]}, 130),
        ({"Write": ["^D"]}, 1),
        ({"number of documents": ["^D"]}, 1),
        ({"Write": ["n"]}, 1),
    ],
)
def test_who_stops_leaves_nothing(
    answers: dict[str, list[str]], code: int, folder: Path, person: Person
) -> None:
    person.answers = answers
    assert main(["new", "team"]) == code
    assert list(folder.iterdir()) == []


def test_a_file_is_never_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "team.yaml").write_text("mine")
    assert main(["new", "team", "--yes"]) == 1
    assert "team.yaml exists; choose another name" in capsys.readouterr().err
    assert (folder / "team.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["Team_1"], "name: 'Team_1': write 2 to 20 lower-case letters"),
        (["team", "--region", "eu-nort-1"], "did you mean eu-north-1?"),
        (["team", "--per-hour", "-1"], "'-1': must be 0 or more"),
        (["team", "--timezone", "Mars/Olympus"], "is not an IANA time zone"),
        (["team", "--region", "us-east-1", "--within", "EU"], "us-east-1 is outside"),
    ],
)
def test_what_is_not_possible_writes_nothing(
    options: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", *options, "--yes"]) == 1
    assert said in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_trace_becomes_the_traffic(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "asked.csv"
    rows = [f"{number * 30},{900 + number % 7},{100 + number % 11}" for number in range(400)]
    trace.write_text("\n".join(["t_s,in_tokens,out_tokens", *rows]))
    assert main(["new", "team", "--trace", str(trace), "--yes"]) == 0
    made = Deployment.load(folder / "team.yaml")
    assert made.traffic.periods[0].mean_per_hour == pytest.approx(120, rel=0.05)
    assert "Fitted to asked.csv" in (folder / "team.yaml").read_text()


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    region=st.sampled_from(["eu-north-1", "eu-central-2", "us-west-2", "ap-northeast-1"]),
    answer=st.sampled_from(["8s", "26s", "27s", "6h"]),
    per_hour=st.floats(0, 2000),
    peak=st.floats(1, 20),
    documents=st.integers(0, 100_000),
    email=st.sampled_from(["", "on@yes.no", "'quoted:#'@x.org", "1@2.3"]),
    production=st.booleans(),
)
def test_every_file_is_valid_by_construction(
    region: str, answer: str, per_hour: float, peak: float, documents: int, email: str,
    production: bool,
) -> None:  # fmt: skip
    generator = "extractive" if region == "eu-central-2" else "mistral.ministral-3-3b-instruct"
    new = compose(
        Wishes("made", region, answer, "UTC", per_hour, per_hour * peak, documents, generator,
               email=email, production=production, account="000123456789")
    )  # fmt: skip
    assert new.deployment.monitoring.email == (email or None)
    assert new.deployment.account == "000123456789"
    assert re.search(r"^# yaml-language-server: \$schema=\.\./docs/", new.text)
