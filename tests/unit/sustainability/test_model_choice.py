from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.decide.model_choice import candidates as candidate_models
from sustainability.decide.model_choice import golden
from sustainability.decide.model_choice.candidates import (
    EXTRACTIVE,
    Candidate,
    Dimensions,
    candidates,
    within,
)
from sustainability.decide.model_choice.choice import Bar, Choice, choose
from sustainability.decide.model_choice.golden import Question
from sustainability.decide.model_choice.scoring import (
    Outcome,
    Scores,
    is_correct,
    wilson,
)
from sustainability.decide.model_choice.trial import settings, trial
from sustainability.deployment.prompts import Prompt
from sustainability.deployment.schema import Knowledge
from sustainability.energy.verdict import Verdict
from sustainability.errors import UserError
from sustainability.facts.lookup import FactError, Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint.answered import Answered
from sustainability.operate import model_trials as asking
from sustainability.operate.account import DocumentState
from sustainability.operate.model_trials import AnswerPath, documents_digest
from sustainability.report import model_choice as report
from tests.unit.sustainability.deployments import a_deployment

SAMPLES = Path(__file__).parents[3] / "samples" / "questions.yaml"
SMALL = "mistral.ministral-3-3b-instruct"
LARGE = "mistral.ministral-3-8b-instruct"
PROMPT = Prompt("answer 1", {"template": "", "metadata": {"version": "1", "system": ""}})
KNOWN = Question(id="k", question="How high is it?", answerable=True, answer_contains=("40",))
UNKNOWN = Question(id="u", question="Who made it?", answerable=False)


def an_outcome(question: Question = KNOWN, text: str = "", **fields: Any) -> Outcome:
    """An answer with this text, or an abstention without."""
    return Outcome(
        **{
            "question": question,
            "answered": bool(text),
            "text": text or "The documents do not answer this question.",
            "groundedness": 1.0 if text else None,
            "input_tokens": 500,
            "output_tokens": 100,
            "generated": True,
            **fields,
        }
    )


def some(models: Sequence[str], **options: Any) -> list[Candidate]:
    defaults: dict[str, Any] = {
        "prompts": [PROMPT],
        "temperatures": [0.1],
        "max_tokens": [160],
    }
    return candidates(a_deployment(), models=models, **{**defaults, **options})


# The scorer, by hand.


@pytest.mark.parametrize(
    ("answer", "alternatives", "expected"),
    [
        ("It is 40 % smaller.", ["40"], True),
        ("It is 40.", ["40"], True),
        ("(40)", ["40"], True),
        ("It is 140.", ["40"], False),
        ("It is 40.5.", ["40"], False),
        ("It is 1,040.", ["40"], False),
        ("It is 40,000.", ["40"], False),
        ("ISO/IEC 21031:2024", ["21031"], True),
        ("After TEN\u00a0minutes", ["ten minutes"], True),
        ("After ten\nminutes", ["ten minutes"], True),
        ("Set SM_ON_BATCH_SIZE", ["SM_ON_BATCH_SIZE"], True),
        ("Set MY_SM_ON_BATCH_SIZE", ["SM_ON_BATCH_SIZE"], False),
        ("It is known.", ["no", "now"], False),
        ("Four of them.", ["4", "four"], True),
        ("文書は約220トークンの断片に分けられます。", ["220"], True),
        ("約1220トークン", ["220"], False),
        ("", ["4"], False),
    ],
)
def test_an_answer_is_correct_with_an_alternative_as_whole_words(
    answer: str, alternatives: list[str], expected: bool
) -> None:
    assert is_correct(answer, alternatives) is expected


def test_scores_by_hand() -> None:
    outcomes = (
        *[an_outcome(KNOWN, "It is 40 metres high.")] * 3,
        an_outcome(KNOWN, "It is 50 metres high.", groundedness=0.5),
        *[an_outcome(KNOWN)] * 2,
        an_outcome(UNKNOWN, "Rome made marble.", groundedness=0.0),
        *[an_outcome(UNKNOWN)] * 3,
    )
    scores = Scores(outcomes)
    assert scores.correctness == 3 / 6
    assert scores.abstention_precision == 3 / 5
    assert scores.abstention_recall == 3 / 4
    assert scores.abstention == pytest.approx(2 / (5 / 3 + 4 / 3))
    assert scores.groundedness == pytest.approx((3 + 0.5 + 0) / 5)


def test_scores_without_anything_to_judge_by_are_none_and_never_zero() -> None:
    only_known = Scores((an_outcome(KNOWN, "40"),))
    assert only_known.abstention is None
    assert only_known.abstention_recall is None
    assert only_known.abstention_precision is None
    assert Scores((an_outcome(UNKNOWN),)).correctness is None
    assert Scores((an_outcome(UNKNOWN),)).groundedness is None
    assert Scores((an_outcome(KNOWN, "40"), an_outcome(UNKNOWN, "40"))).abstention == 0


def test_wilsons_interval_by_hand() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=5e-5)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=5e-5)


# The golden set.


def test_the_samples_are_a_golden_set_and_a_limit_keeps_both_sorts() -> None:
    everything = golden.read(SAMPLES)
    splits = [golden.read(SAMPLES, split=split) for split in ("tune", "report", "held")]
    assert all(splits)
    assert sum(map(len, splits)) == len(everything)
    few = golden.read(SAMPLES, limit=6)
    assert {question.answerable for question in few} == {True, False}
    assert len(few) == 6
    assert len(golden.read(SAMPLES, limit=10_000)) == len(everything)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("questions: []", "list of questions"),
        ("- {id: a, question: b}", "question a: answerable"),
        ("- {id: a, question: b, answerable: true}", "question a: every answerable question needs"),
        (
            "- {id: a, question: b, answerable: false, answer_contains: [c]}",
            "question a: every answerable question needs",
        ),
        ("- 7", "question 1"),
        ("- {id: a, question: b, answerable: false}\n" * 2, "question a: the id occurs twice"),
        ("[]", "no question"),
        ("{", "expected"),
    ],
)
def test_a_faulty_golden_set_is_refused_with_its_place(
    tmp_path: Path, text: str, fault: str
) -> None:
    path = tmp_path / "golden.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=fault):
        golden.read(path)


# Candidates and the choice.


def test_candidates_come_by_energy_then_by_cost_then_as_given() -> None:
    found = some([LARGE, SMALL, EXTRACTIVE], temperatures=[0.3, 0.0], max_tokens=[160, 80])
    assert [(c.model, c.temperature, c.max_tokens) for c in found] == [
        (EXTRACTIVE, None, 160),
        (EXTRACTIVE, None, 80),
        (SMALL, 0.3, 80),
        (SMALL, 0.0, 80),
        (SMALL, 0.3, 160),
        (SMALL, 0.0, 160),
        (LARGE, 0.3, 80),
        (LARGE, 0.0, 80),
        (LARGE, 0.3, 160),
        (LARGE, 0.0, 160),
    ]
    assert some([SMALL, SMALL]) == some([SMALL])


def test_what_an_answer_takes_is_the_footprints_own() -> None:
    (candidate,) = some([SMALL])
    # docs/footprint.md, by hand: 1,200 tokens in and 160 out are 0.0117 Wh.
    impact = candidate.impact(a_deployment(), (1200, 160))
    assert impact.kwh.mid * 1000 == pytest.approx(1000 * 0.0117, rel=0.01)
    # 0.10 USD per million tokens either way, 1.06 for Stockholm.
    assert impact.usd.mid == pytest.approx(1360 * 1000 * 0.10e-6 * 1.06)
    (quoting,) = some([EXTRACTIVE])
    assert quoting.impact(a_deployment(), (0, 0)).kwh.high == 0


def test_a_model_without_facts_and_a_parameter_out_of_range_are_refused_before_any_question() -> (
    None
):
    with pytest.raises(FactError, match=r"acme\.tiny"):
        some(["acme.tiny"])
    with pytest.raises(UserError, match="temperature"):
        some([SMALL], temperatures=[1.5])


GOOD = [an_outcome(KNOWN, "It is 40 metres high."), an_outcome(UNKNOWN)]
BAD = [an_outcome(KNOWN, "It is 50 metres high.", groundedness=0.5), an_outcome(UNKNOWN)]


def chosen_from(
    replies: dict[str, list[Outcome]], *, ask_all: bool = False, bar: Bar | None = None
) -> tuple[Choice, list[str]]:
    asked = []

    def answers(candidate: Candidate, questions: Sequence[Question]) -> Iterable[Outcome]:
        asked.append(candidate.model)
        return replies[candidate.model]

    choice = choose(
        some(list(replies)),
        [KNOWN, UNKNOWN],
        deployment=a_deployment(),
        bar=bar or Bar(),
        answers=answers,
        ask_all=ask_all,
    )
    return choice, asked


def test_it_stops_at_the_first_that_is_good_enough() -> None:
    choice, asked = chosen_from({LARGE: GOOD, SMALL: GOOD, EXTRACTIVE: BAD})
    assert asked == [EXTRACTIVE, SMALL]
    assert choice.chosen
    assert choice.chosen.candidate.model == SMALL
    assert choice.chosen.tokens == (500, 100)
    assert [candidate.model for candidate in choice.unasked] == [LARGE]
    text = report.as_text(choice, Bar(), embedded=False)
    assert f"Choice: {SMALL}. It meets the quality bar." in text
    assert f"Smaller candidates do not: {EXTRACTIVE}." in text
    assert f"Not asked, because they use more energy by the middle estimates: {LARGE}." in text
    assert "between 0.21 and 1.00 (95 % confidence)" in text
    assert "Embedded" not in text


def test_the_choice_says_when_a_larger_candidate_hardly_takes_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sure, _ = chosen_from({LARGE: GOOD, SMALL: GOOD}, ask_all=True)
    assert "too close to call" not in report.as_text(sure, Bar(), embedded=False)
    # Two models of the same size, each uncertain by itself.
    same = Estimate(2, 4, 8)
    rows = [f"models/{model}/{count}" for model in (SMALL, LARGE) for count in ("active", "total")]
    monkeypatch.setattr(
        candidate_models, "Facts", lambda: Facts(overrides=dict.fromkeys(rows, same))
    )
    tie, _ = chosen_from({LARGE: GOOD, SMALL: GOOD}, ask_all=True)
    assert tie.chosen
    (other,) = report.as_json(tie, Bar(), embedded=False)["chosen_compared_with"]
    assert other["energy"]["too_close_to_call"]
    name = other["candidate"]["model"]
    assert f"But the difference to {name} in energy is too close to call" in report.as_text(
        tie, Bar(), embedded=False
    )


def test_asking_all_changes_what_is_known_and_not_the_choice() -> None:
    choice, asked = chosen_from({LARGE: GOOD, SMALL: GOOD}, ask_all=True)
    assert asked == [SMALL, LARGE]
    assert choice.chosen
    assert choice.chosen.candidate.model == SMALL
    assert not choice.unasked


def test_none_is_chosen_when_none_is_good_enough() -> None:
    choice, _ = chosen_from({SMALL: BAD})
    assert choice.chosen is None
    assert f"{SMALL} is too low in correctness, groundedness." in report.reason(choice)
    machine = json.loads(json.dumps(report.as_json(choice, Bar(), embedded=True)))
    assert machine["choice"] is None
    assert machine["embedded"] is True
    assert machine["results"][0]["questions"][0]["right"] is False


def test_a_score_at_the_bar_meets_it_and_a_bar_of_zero_asks_for_nothing() -> None:
    half = Scores((*GOOD, *BAD))
    assert Bar(correctness=0.5, abstention=1, groundedness=0.75).missed_by(half) == []
    assert Bar(correctness=0.51, groundedness=0).missed_by(half) == ["correctness"]
    silent = Scores((an_outcome(KNOWN), an_outcome(UNKNOWN)))
    assert "groundedness" in Bar().missed_by(silent)
    assert Bar(correctness=0, abstention=0, groundedness=0).missed_by(silent) == []


def test_the_bar_is_read_from_words() -> None:
    assert Bar.parse(["correctness=0.5"]) == Bar(correctness=0.5)
    for text in ("speed=1", "correctness", "correctness=2", "correctness=high", "abstention=nan"):
        with pytest.raises(UserError, match="--bar"):
            Bar.parse([text])


def test_questions_that_the_bar_cannot_be_judged_by_are_refused_before_any_is_asked() -> None:
    Bar(abstention=0).check([KNOWN])
    with pytest.raises(UserError, match="abstention needs at least one unanswerable question"):
        Bar().check([KNOWN])
    with pytest.raises(UserError, match="correctness needs at least one answerable question"):
        Bar().check([UNKNOWN])


def test_a_store_that_holds_nothing_is_told_from_a_bad_model() -> None:
    empty = [an_outcome(KNOWN, generated=False), an_outcome(UNKNOWN, generated=False)]
    with pytest.raises(UserError, match="add the documents"):
        chosen_from({SMALL: empty})


@pytest.mark.parametrize("embedded", [False, True])
def test_the_footprint_states_what_the_generator_answered_beyond_search(
    embedded: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = [KNOWN.model_copy(update={"id": str(number)}) for number in range(12)]
    right = {EXTRACTIVE: range(4), SMALL: range(1, 12)}  # one by the quotation alone, 8 by SMALL
    replies = {
        model: [an_outcome(q, "40 m" if int(q.id) in known else "50 m") for q in questions]
        + [an_outcome(UNKNOWN)]
        for model, known in right.items()
    }
    choice, _ = chosen_from(replies, ask_all=True)
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(report.as_json(choice, Bar(), embedded=embedded)))
    page, deployment = tmp_path / "page.html", "deployments/dev.yaml"

    main(["footprint", deployment, "--answered", str(file), "--html", str(page)])
    text = " ".join(capsys.readouterr().out.split())
    main(["footprint", deployment, "--answered", str(file), "--json"])
    found = json.loads(capsys.readouterr().out)["baseline_per_1000_answers"]["answered"]

    told = (
        f"Of 12 questions with an answer, the quotation was right for 4 and {SMALL} for 11 "
        f"(more, 99% sure): 8 were answered by {SMALL} alone, 1 by the quotation alone."
    )
    assert told in text
    assert told in page.read_text()
    assert ("a local model answered in its place" in text) is embedded
    assert found["right_by_generator"] - found["right_by_quotation"] == 7
    assert found["too_close_to_call"] is False


def test_a_generator_that_answers_hardly_more_is_too_close_to_call() -> None:
    def verdict(generated_alone: int, quoted_alone: int) -> Verdict:
        return Answered(
            generator=SMALL,
            questions=40,
            both=10,
            quoted_alone=quoted_alone,
            generated_alone=generated_alone,
            embedded=False,
        ).verdict

    # Half of the beta distribution with 9 and 2: 11 of 1,024.
    assert verdict(8, 1).chance == pytest.approx(11 / 1024)
    assert verdict(0, 0).chance == verdict(7, 7).chance == 0.5
    assert verdict(3, 1).too_close
    assert not verdict(1, 8).too_close


def test_without_a_comparison_the_footprint_says_so_and_how_to_record_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main(["footprint", "deployments/dev.yaml"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"What {SMALL} answers beyond that was not recorded." in text
    assert (
        f"choose-model DEPLOYMENT --questions GOLDEN --all --json --models extractive {SMALL}"
        in text
    )

    file = tmp_path / "answers.json"
    for content, fault in (
        ("{}", "embedded: Field required"),
        ("no", "file: Invalid JSON"),
        ('{"embedded": false, "results": []}', f"no answers of extractive and {SMALL}"),
    ):
        file.write_text(content)
        with pytest.raises(UserError, match=f"{fault}.*choose-model"):
            Answered.read(file, SMALL)
    with pytest.raises(UserError, match="No such file"):
        Answered.read(tmp_path / "none.json", SMALL)


# What is asked, and what is not asked again.


ENVIRONMENT = {
    "ANSWER_SETTINGS": json.dumps(
        {"temperature": 0.5, "passages": 4, "deadline_s": 26, "generation_s": 15}
    ),
    "KNOWLEDGE": json.dumps([{"model": "amazon.titan-embed-text-v2:0", "dimensions": 256}]),
}


def reply(question: str) -> dict[str, Any]:
    return {
        "answer": {
            "answered": True,
            "grounded": 0.75,
            "answer": f"An answer to {question}",
            "citations": [{"number": 1, "cited": False}, {"number": 2, "cited": True}],
            "usage": {"input_tokens": 5, "output_tokens": 6},
            "model": SMALL,
        },
        "passages": ["first", "second"],
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Questions that reached the answer path; the third is interrupted, once."""
    questions: list[str] = []

    def ask(question: str) -> dict[str, Any]:
        questions.append(question)
        if len(questions) == 3:
            raise KeyboardInterrupt
        return reply(question)

    @contextmanager
    def trial(*_: Any) -> Iterator[Any]:
        yield ask

    monkeypatch.setattr(asking, "trial", trial)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return questions


def a_path(history: Path, **changes: Any) -> AnswerPath:
    fields: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "region": "eu-north-1",
        "documents": "digest",
        "history": history,
        "answered_by": "Amazon Bedrock",
        "progress": lambda _: None,
    }
    return AnswerPath(**{**fields, **changes})


QUESTIONS = [
    Question(id=str(number), question=f"Question {number}?", answerable=False)
    for number in range(4)
]


def test_an_interruption_loses_nothing_and_nothing_is_asked_twice(
    tmp_path: Path, asked: list[str]
) -> None:
    (candidate,) = some([SMALL])
    with pytest.raises(KeyboardInterrupt):
        list(a_path(tmp_path).answers(candidate, QUESTIONS))
    outcomes = list(a_path(tmp_path).answers(candidate, QUESTIONS))
    texts = [question.question for question in QUESTIONS]
    assert asked == [*texts[:3], *texts[2:]]
    assert [outcome.question for outcome in outcomes] == QUESTIONS
    assert outcomes[0].groundedness == 0.75
    assert list(a_path(tmp_path).answers(candidate, QUESTIONS)) == outcomes
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("again", "change"),
    [
        (False, {}),
        (False, {"region": "eu-west-1"}),
        (False, {"environment": {**ENVIRONMENT, "DEPLOYMENT": "other"}}),
        (True, {"documents": "another digest"}),
        (True, {"environment": {**ENVIRONMENT, "ANSWER_SETTINGS": '{"passages": 5}'}}),
        (
            True,
            {
                "environment": {
                    **ENVIRONMENT,
                    "KNOWLEDGE": ENVIRONMENT["KNOWLEDGE"].replace("256", "512"),
                }
            },
        ),
    ],
)
def test_it_asks_again_exactly_when_an_answer_could_differ(
    tmp_path: Path, asked: list[str], again: bool, change: dict[str, Any]
) -> None:
    (candidate,) = some([SMALL])
    list(a_path(tmp_path).answers(candidate, QUESTIONS[:1]))
    list(a_path(tmp_path, **change).answers(candidate, QUESTIONS[:1]))
    assert (len(asked) == 2) is again


def test_the_stand_ins_answers_are_never_taken_for_a_models(
    tmp_path: Path, asked: list[str]
) -> None:
    (candidate,) = some([SMALL])
    for answered_by in ("Amazon Bedrock", "Quoting"):
        list(a_path(tmp_path, answered_by=answered_by).answers(candidate, QUESTIONS[:1]))
    assert len(asked) == 2


def test_another_temperature_or_prompt_is_asked_for_itself_and_both_are_kept(
    tmp_path: Path, asked: list[str]
) -> None:
    other = Prompt("answer 1", {**PROMPT.content, "template": "Briefly: "})
    for candidate in (*some([SMALL]), *some([SMALL], prompts=[other])):
        list(a_path(tmp_path).answers(candidate, QUESTIONS[:1]))
    assert len(asked) == 2
    kept = [json.loads(path.read_text()) for path in tmp_path.glob("*/circumstances.json")]
    assert len({entry["prompt_fingerprint"] for entry in kept}) == 2


def test_a_damaged_file_is_named(tmp_path: Path, asked: list[str]) -> None:
    (candidate,) = some([SMALL])
    list(a_path(tmp_path).answers(candidate, QUESTIONS[:1]))
    for path in tmp_path.glob("*/*.json"):
        path.write_text("{")
    with pytest.raises(UserError, match=r"\.json.*delete the file"):
        list(a_path(tmp_path).answers(candidate, QUESTIONS[:1]))


def test_the_digest_of_the_documents_follows_their_content_and_not_their_order() -> None:
    states = [
        DocumentState(
            key=key, status=status, reason="", etag=key * 2, chunks=1, epoch="", visible_at=0
        )
        for key, status in (("a", "indexed"), ("b", "indexed"), ("c", "rejected"))
    ]
    digest = documents_digest(states, Knowledge())
    assert documents_digest(reversed(states[:2]), Knowledge()) == digest
    assert documents_digest(states[1:], Knowledge()) != digest
    assert documents_digest(states, Knowledge(chunk_tokens=300)) != digest


@pytest.mark.parametrize(
    "text",
    ["7", "template: a", "template: '{passages} {oops}'\nmetadata: {version: 1, system: b}", "{"],
)
def test_a_file_that_is_no_prompt_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompt.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"prompt\.yaml"):
        Prompt.read(path)


def test_a_stack_of_another_version_is_cured_in_one_sentence() -> None:
    """The process is the real one, with settings of before there were other settings."""
    deployed = {"ANSWER_SETTINGS": json.dumps({"max_tokens": 320, "temperature": 0.1})}
    (candidate,) = some([SMALL])
    with trial(deployed, candidate, "eu-north-1", print) as ask, pytest.raises(UserError) as told:
        ask("How high is it?")
    assert re.fullmatch(
        r"the deployed function has the settings of another version \(ANSWER_SETTINGS: \w+: "
        r"missing\); deploy again \(`make deploy`, or `make up` on this machine\), then repeat "
        "this command",
        str(told.value),
    )


# Dimensions beside the model.


def dimensioned(*readings: Dimensions, **options: Any) -> list[Candidate]:
    return some([SMALL], dimensions=readings, **options)


def test_of_equal_energy_the_candidate_that_reads_less_is_asked_first() -> None:
    readings = [
        Dimensions(passages=4),
        Dimensions(passages=2),
        Dimensions(passages=2, evidence_share=0.8),
    ]
    found = [candidate.dimensions for candidate in dimensioned(*readings)]
    assert found == [readings[2], readings[1], readings[0]]


@pytest.mark.parametrize(
    ("reading", "field"),
    [
        (Dimensions(passages=0), "passages"),
        (Dimensions(evidence_share=1.5), "evidence_share"),
        (Dimensions(detail="long"), "detail"),
    ],
)
def test_a_dimension_out_of_its_range_is_refused_by_its_name(
    reading: Dimensions, field: str
) -> None:
    with pytest.raises(UserError, match=field):
        dimensioned(reading)


def test_the_answer_path_gets_the_dimensions_and_keeps_what_is_not_stated() -> None:
    deployed = {"ANSWER_SETTINGS": json.dumps({"passages": 4, "context_tokens": 900})}
    (candidate,) = dimensioned(Dimensions(passages=2))
    found = settings(deployed, candidate)
    assert (found["passages"], found["context_tokens"]) == (2, 900)


def test_a_budget_draws_the_same_candidates_for_a_seed_and_keeps_the_smallest() -> None:
    found = dimensioned(*(Dimensions(passages=number) for number in range(1, 9)))
    one = found[0].expected(a_deployment()).usd.mid * 50 / 1000

    def drawn(seed: int, budget: float) -> list[Candidate]:
        return within(found, a_deployment(), questions=50, budget_usd=budget, seed=seed)

    assert drawn(1, 0) == found[:1]
    assert drawn(1, 3.5 * one) == drawn(1, 3.5 * one)
    assert len(drawn(2, 3.5 * one)) == 3
    assert len({tuple(drawn(seed, 3.5 * one)) for seed in range(9)}) > 1
    assert drawn(1, 100 * one) == found


def test_the_proposed_default_has_the_least_energy_at_no_loss_and_is_drawn() -> None:
    wide, narrow, blind = (Dimensions(passages=number) for number in (4, 2, 1))
    tokens = {wide: 800, narrow: 500, blind: 200}

    def answers(candidate: Candidate, questions: Sequence[Question]) -> Iterable[Outcome]:
        text = "" if candidate.dimensions == blind else "It is 40."
        read = tokens[candidate.dimensions]
        return [an_outcome(text=text, input_tokens=read), an_outcome(UNKNOWN, input_tokens=read)]

    choice = choose(
        dimensioned(wide, narrow, blind),
        [KNOWN, UNKNOWN],
        deployment=a_deployment(),
        bar=Bar(),
        answers=answers,
        ask_all=True,
    )
    assert choice.proposed.candidate.dimensions == narrow
    assert "answers.passages: 2" in report.as_text(choice, Bar(), embedded=False)
    assert report.as_json(choice, Bar(), embedded=False)["proposed"]["passages"] == 2
    page = report.as_html(choice, Bar(), embedded=True)
    assert page.count("<circle") == 3
    assert page.count('fill="currentColor"') == 1
