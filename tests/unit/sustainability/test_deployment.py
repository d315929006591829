"""The deployment file: what is accepted, and what the user is told about what is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sustainability.deployment.durations import format_duration, parse_duration
from sustainability.deployment.schema import (
    Deployment,
    DeploymentError,
    Period,
    Rate,
    Traffic,
)

MINIMAL = """\
name: trial
region: eu-north-1
service_level:
  latency_p95: 8s
traffic:
  input_tokens: {mean: 900, p95: 1300}
  output_tokens: {mean: 120, p95: 280}
"""


def load(tmp_path: Path, text: str) -> Deployment:
    file = tmp_path / "trial.yaml"
    file.write_text(text, encoding="utf-8")
    return Deployment.load(file)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (MINIMAL.replace("trial", "Trial_1"), 1, "name: "),
        (MINIMAL.replace("8s", "8"), 4, "service_level.latency_p95: a duration must be"),
        (MINIMAL.replace("8s", "8s\n  deadline: 6h"), 3, "exactly one of"),
        (MINIMAL.replace("latency_p95: 8s", "attainment: 0.9"), 3, "exactly one of"),
        (MINIMAL + "knowlege: {}\n", 8, "knowlege: unknown key; did you mean knowledge?"),
        (
            MINIMAL + "knowledge:\n  store: solr\n",
            9,
            "store: 'solr': choose one of serverless, domain, vectors, auto",
        ),
        (MINIMAL + "knowledge:\n  colour: red\n", 9, "allowed here: analyzer, changed_per_month"),
        (MINIMAL + "tags: {1: x}\n", 8, 'tags: write the key 1 in quotes: "1"'),
        (MINIMAL + "tags: {team: 7}\n", 8, "tags.team: YAML does not read 7 as text; write it in"),
        (MINIMAL + "footprint: {within: NO}\n", 8, "does not read NO as text; write it in quotes"),
        (MINIMAL + "account: 123456789012\n", 8, 'write it in quotes: "123456789012"'),
        (MINIMAL + "monitoring: {email: me}\n", 8, "'me': write an e-mail address, such as"),
        (MINIMAL + "inference: {volume_key: abc}\n", 8, "write the ARN of a KMS key, not of its"),
        (MINIMAL + "knowledge: {documents: -1}\n", 8, "documents: '-1': must be 0 or more"),
        (MINIMAL + "knowledge: {document_kb: .inf}\n", 8, "'.inf': write a finite number"),
        (MINIMAL + "knowledge: {documents: many}\n", 8, "'many': write a whole number"),
        (MINIMAL + "monitoring: {tracing: maybe}\n", 8, "'maybe': write true or false"),
        (MINIMAL + "monitoring: []\n", 8, "monitoring: write keys with values; allowed here: em"),
        (MINIMAL + "inference: {instance_types: ml.inf2.xlarge}\n", 8, "write a list: ["),
        (
            MINIMAL + "  periods: [{days: 1, mean_per_hour: 1, peak_per_hour: 1}]\n",
            8,
            "days must be",
        ),
        (MINIMAL + "answers: {top_k: 1.5}\n", 8, "answers.top_k: '1.5': write a whole number"),
        (MINIMAL.replace("region: eu-north-1\n", ""), 1, "region: is missing, and has no default"),
        (MINIMAL + "name: again\n", 8, "key 'name' is already in line 1"),
        (MINIMAL + "? [a, b]\n: c\n", 8, "a key must be text"),
        (MINIMAL.replace("trial", "a: b"), 1, "write a text that contains ': ' in quotes"),
        (MINIMAL.replace("trial", "*trial"), 1, "write text that begins with * in quotes"),
        (MINIMAL.replace("trial", "!!python/name:os.system x"), 1, "remove the !tag"),
        (MINIMAL.replace("trial", "[trial"), 2, "expected ',' or ']'"),
        (MINIMAL + "rules:\n  profile: production\n", 1, "state profile at the top level"),
        (MINIMAL + "  timezone: Mars/Olympus\n", 8, "is not an IANA time zone"),
        (
            MINIMAL + "  periods:\n    - {days: fri-mon, mean_per_hour: 1, peak_per_hour: 2}\n",
            9,
            "traffic.periods.0.days: a range of days goes forward",
        ),
        (
            MINIMAL
            + "  periods:\n    - {days: sat, hours: 9-25, mean_per_hour: 1, peak_per_hour: 2}\n",
            9,
            "hours must be a range within one day",
        ),
        (
            MINIMAL + "monitoring: {log_retention_days: 8}\n",
            8,
            "CloudWatch Logs can keep logs for 1, 3, 5",
        ),
        (MINIMAL.replace("8s", "27s"), 4, "service_level.latency_p95: an answer through an HTTP"),
        (MINIMAL + "knowledge:\n  serverless: {max_ocu: 3}\n", 9, "2, 4, 8, 16 and multiples"),
        (MINIMAL + "knowledge:\n  serverless: {max_ocu: 24}\n", 9, "2, 4, 8, 16 and multiples"),
        (
            MINIMAL + "knowledge:\n  embedding:\n    dimensions: 300\n",
            10,
            "dimensions: amazon.titan-embed-text-v2:0 supports 256 or 512 or 1024",
        ),
        (
            MINIMAL + "knowledge:\n  embedding:\n    model: cohere.embed-english-v3\n",
            9,
            "knowledge.embedding.dimensions: cohere.embed-english-v3 supports 1024",
        ),
        (
            MINIMAL + "knowledge:\n  embedding: {model: amazon.nova-lite-v1:0}\n",
            9,
            "knowledge.embedding.model: amazon.nova-lite-v1:0 is not a supported embedding model",
        ),
        (
            MINIMAL + "knowledge:\n  analyzer: klingon\n",
            9,
            "knowledge.analyzer: 'klingon': choose one of standard",
        ),
        (
            MINIMAL + "knowledge:\n  domain: {instance_type: t4g.small.search}\n",
            9,
            "offers no t4g instance",
        ),
        (
            MINIMAL + "knowledge:\n  domain: {instance_type: i4i.large.search}\n",
            9,
            "has no EBS volume",
        ),
        (
            MINIMAL + "tags: {aws:team: search}\n",
            8,
            "tags: aws:team: tags that begin with aws: are reserved",
        ),
        (MINIMAL + "tags: {team: 'search & find'}\n", 8, "tags: team: a tag can have letters"),
        (MINIMAL + "tags: {deployment: other}\n", 8, "tags: deployment: the project sets this tag"),
    ],
)
def test_a_fault_is_named_with_line_and_cure(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(DeploymentError) as fault:
        load(tmp_path, text)
    assert f"trial.yaml:{line}: " in str(fault.value)
    assert words in str(fault.value)
    for jargon in ("should match", "[key]", "<unicode", "Input should", "Traceback", "{1,19}"):
        assert jargon not in str(fault.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list\n",
        "name: [unclosed\n",
        "name: one\nname: two\n",
        "x: &x\n  <<: *x\n",
        "loop: &loop [*loop]\n",
        "\tname: tab\n",
    ],
)
def test_a_file_that_is_no_mapping_is_refused_without_a_traceback(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(DeploymentError, match=r"trial\.yaml"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "accepted",
    [
        "knowledge:\n  embedding: {model: eu.cohere.embed-v4:0, dimensions: 1536}\n",
        "knowledge:\n  serverless: {max_ocu: 48}\n",
        "knowledge:\n  analyzer: swedish\n",
        "knowledge:\n  domain: {instance_type: t3.small.search}\n",
        "tags: {Kostenstelle: 'Büro 7'}\n",
    ],
)
def test_what_aws_accepts_is_accepted(tmp_path: Path, accepted: str) -> None:
    load(tmp_path, MINIMAL + accepted)


@pytest.mark.parametrize(
    ("asked", "cure"),
    [
        ("nap", r"did you mean examples/nap\?"),
        ("examples/napp", r"did you mean examples/nap\?"),
        ("acceptance", "choose one of dev, examples/nap, local"),
    ],
)
def test_a_file_that_does_not_exist_leads_to_those_that_do(
    asked: str, cure: str, tmp_path: Path
) -> None:
    for name in ("dev", "local", "examples/nap"):
        file = tmp_path / "deployments" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MINIMAL)

    with pytest.raises(DeploymentError, match=f"{asked}.yaml: no such file; {cure}"):
        Deployment.load(tmp_path / "deployments" / f"{asked}.yaml")


def test_our_files_are_found_and_proposed_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Deployment.load("deployments/dev.yaml").name == "dev"
    with pytest.raises(DeploymentError, match=r"did you mean examples/nap\?"):
        Deployment.load("deployments/nap.yaml")
    with pytest.raises(DeploymentError, match="the folder elsewhere has no"):
        Deployment.load("elsewhere/nap.yaml")


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trial.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(DeploymentError, match=r"trial.yaml:1: not UTF-8 at byte 9"):
        Deployment.load(tmp_path / "trial.yaml")


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError) as fault:
        load(tmp_path, MINIMAL.replace("trial", "T").replace("8s", "soon") + "extra: 1\n")
    assert len(str(fault.value).splitlines()) == 3


def test_two_periods_may_not_cover_one_hour() -> None:
    weekday = {"days": "mon-fri", "hours": "8-18", "mean_per_hour": 1, "peak_per_hour": 2}
    friday = {"days": "fri", "hours": "17-20", "mean_per_hour": 1, "peak_per_hour": 2}
    tokens = {"mean": 1, "p95": 1}
    with pytest.raises(ValueError, match="both cover fri 17:00"):
        Traffic.model_validate(
            {"periods": [weekday, friday], "input_tokens": tokens, "output_tokens": tokens}
        )


@given(
    days=st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted),
    hours=st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda span: span[0] < span[1]),
    mean=st.floats(0, 1e6),
    rest=st.floats(0, 1e6),
)
def test_the_week_holds_each_period_and_the_rest(
    days: list[int], hours: tuple[int, int], mean: float, rest: float
) -> None:
    period = Period(
        days=tuple(range(days[0], days[1] + 1)), hours=hours, mean_per_hour=mean, peak_per_hour=mean
    )
    tokens = {"mean": 1, "p95": 1}
    traffic = Traffic.model_validate(
        {
            "periods": [period],
            "otherwise": Rate(mean_per_hour=rest, peak_per_hour=rest),
            "input_tokens": tokens,
            "output_tokens": tokens,
        }
    )
    inside = (days[1] - days[0] + 1) * (hours[1] - hours[0])
    week = traffic.week()
    assert len(week) == 168
    assert sum(rate is traffic.periods[0] for rate in week) == inside
    expected = (inside * mean + (168 - inside) * rest) / 168 * 730
    assert traffic.questions_per_month == pytest.approx(expected)


@given(st.integers(1, 10**9).map(lambda milliseconds: timedelta(milliseconds=milliseconds)))
def test_a_duration_survives_being_written_and_read(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_our_deployments_load_and_survive_being_written(name: str, tmp_path: Path) -> None:
    deployment = Deployment.load(Path("deployments") / f"{name}.yaml")
    written = yaml.safe_dump(deployment.model_dump(mode="json", exclude={"rules"}))
    assert load(tmp_path, written) == deployment
