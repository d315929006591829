"""The schema of a deployment file: everything that a fork edits.

A deployment file says what the workload needs: service level, traffic and documents. It never says
how much to provision; the project derives that. All defaults are here, and
``python -m sustainability schema`` prints the schema as JSON Schema for editors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from cfn_sustainability.settings import Profile, RuleSettings
from sustainability.deployment.accepted import (
    LONGEST_ANSWER_S,
    OCU_LIMITS,
    Analyzer,
    check_ocu,
    check_search_instance,
    check_tags,
    embedding_dimensions,
)
from sustainability.deployment.company import Company
from sustainability.deployment.durations import Duration, parse_duration
from sustainability.deployment.faults import explain
from sustainability.deployment.section import Section
from sustainability.deployment.written import Written
from sustainability.deployment.yaml_source import YamlFault, YamlSource
from sustainability.errors import UserError, choose

HOURS_OF_WEEK = 7 * 24
MOST_CONCURRENT_ANSWERS = 1000
DECILES = 9
"""Of the answer function: an AWS account has a concurrency of 1,000 before it asks for more."""
EXTRACTIVE = "extractive"
"""The generator that quotes the passages and calls no model."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DeploymentError(UserError):
    """A deployment file that cannot be used. The message names file, line, key and solution."""


class Availability(StrEnum):
    """How many spare copies an endpoint has for failures."""

    BEST_EFFORT = "best_effort"
    """No spare copies: after a failure, users wait for a replacement."""
    STANDARD = "standard"
    """Spare copies only where they cost nothing extra."""
    HIGH = "high"
    """The service level is still met if one Availability Zone fails."""


class Store(StrEnum):
    """What stores and searches the documents: an OpenSearch service or S3 Vectors."""

    SERVERLESS = "serverless"
    """OpenSearch Serverless, next generation: scales to zero, starts in 10 to 30 seconds."""
    DOMAIN = "domain"
    """A managed OpenSearch domain on Graviton: always on, for steady load."""
    VECTORS = "vectors"
    """Amazon S3 Vectors: no capacity runs between questions."""
    AUTO = "auto"
    """The store with the least ``inference.optimize`` for the declared traffic."""


class Objective(StrEnum):
    """What the plan minimizes, if several options meet the service level."""

    ENERGY = "energy"
    CARBON = "carbon"
    COST = "cost"


class BedrockUse(StrEnum):
    """Whether Amazon Bedrock may answer questions."""

    ALLOWED = "allowed"
    NEVER = "never"


class Accounting(StrEnum):
    """Which carbon intensity is used. The two are never mixed."""

    LOCATION = "location"
    """That of the grid of the Region."""
    MARKET = "market"
    """That of the grid minus the renewable energy that AWS bought."""


class ServiceLevel(Section):
    """What users need: ``latency_p95`` or ``deadline``. A stricter level costs energy."""

    latency_p95: Duration | None = None
    """For interactive answers: 95 of 100 answers arrive within this time."""
    deadline: Duration | None = None
    """For answers in the background: the answer is ready within this time."""
    availability: Availability = Availability.BEST_EFFORT
    attainment: float = Field(default=0.99, gt=0, lt=1)
    """Share of answers that meet the service level over a month, 0 to 1."""

    @field_validator("latency_p95")
    @classmethod
    def _kept_behind_the_api(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value.total_seconds() > LONGEST_ANSWER_S:
            raise ValueError(
                f"an answer through an HTTP API can take at most {LONGEST_ANSWER_S:.0f}s; state "
                "that or less, or state a deadline instead of latency_p95"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.latency_p95 is None) == (self.deadline is None):
            raise ValueError(
                "state exactly one of latency_p95 (interactive answers) and deadline (answers in "
                "the background)"
            )
        return self


class Tokens(Section):
    """The distribution of a token count over requests."""

    mean: float = Field(gt=0)
    """Mean over all requests."""
    p95: float = Field(gt=0)
    """95 of 100 requests have at most this many."""
    deciles: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """Nine counts: 10, 20, … 90 of 100 requests have at most so many. Without them, the counts are
    lognormally distributed. ``plan --from-trace`` prints them."""

    @model_validator(mode="after")
    def _heavy_enough(self) -> Self:
        if self.p95 < self.mean:
            raise ValueError("p95 must not be below the mean")
        if self.deciles and len(self.deciles) != DECILES:
            raise ValueError(f"deciles must be nine counts; here are {len(self.deciles)}")
        if list(self.deciles) != sorted(self.deciles) or (
            self.deciles and self.deciles[-1] > self.p95
        ):
            raise ValueError("deciles must rise, and the last must not be above p95")
        return self

    def at_most(self, most: float) -> Tokens:
        """Return the same distribution with every count cut at ``most``."""
        return Tokens(
            mean=min(self.mean, most),
            p95=min(self.p95, most),
            deciles=tuple(min(count, most) for count in self.deciles),
        )


def _parse_days(value: object) -> object:
    if isinstance(value, tuple | list):
        return value
    first, dash, last = str(value).lower().partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise ValueError(f"days must be one of {', '.join(_DAYS)} or a range such as mon-fri")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    if end < start:
        raise ValueError("a range of days goes forward from mon to sun, such as mon-fri")
    return tuple(range(start, end + 1))


def _parse_hours(value: object) -> object:
    if isinstance(value, tuple | list):
        return value
    first, dash, last = str(value).partition("-")
    if (
        not dash
        or not first.isdigit()
        or not last.isdigit()
        or not 0 <= int(first) < int(last) <= 24
    ):
        raise ValueError(
            "hours must be a range within one day such as 8-18; 24 is the end of the day"
        )
    return (int(first), int(last))


Days = Annotated[
    tuple[int, ...],
    BeforeValidator(_parse_days),
    PlainSerializer(lambda days: f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}", return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(DAY)(-(DAY))?$".replace("DAY", "|".join(_DAYS)),
            "examples": ["mon-fri", "sat"],
        }
    ),
]
Hours = Annotated[
    tuple[int, int],
    BeforeValidator(_parse_hours),
    PlainSerializer(lambda hours: f"{hours[0]}-{hours[1]}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+-\d+$", "examples": ["8-18"]}),
]


class Rate(Section):
    """Questions per hour: the mean, and the peak at which the service level must be met."""

    mean_per_hour: float = Field(ge=0)
    """Questions in a usual hour."""
    peak_per_hour: float = Field(ge=0)
    """Questions in the busiest hour in which the service level must be met."""

    @model_validator(mode="after")
    def _peak_not_below_mean(self) -> Self:
        if self.peak_per_hour < self.mean_per_hour:
            raise ValueError("peak_per_hour must not be below mean_per_hour")
        return self


class Period(Rate):
    """A part of the week with its own rate of questions."""

    days: Days
    """``mon-fri`` or ``sat``, in the traffic's time zone."""
    hours: Hours = (0, 24)
    """``8-18``: from 8:00 until 18:00."""


class Traffic(Section):
    """When questions come, how many, and how long questions and answers are."""

    timezone: str = "UTC"
    """IANA time zone of the periods, such as Europe/Stockholm."""
    periods: tuple[Period, ...] = ()
    """Parts of the week with rates of their own. No hour may be in two."""
    otherwise: Rate = Rate(mean_per_hour=0, peak_per_hour=0)
    """The rate outside all periods."""
    input_tokens: Tokens
    """Prompt tokens per question: the question, the passages and the instructions."""
    output_tokens: Tokens = Tokens(mean=150, p95=300)
    """Generated tokens per answer. The default follows from ``answers.detail``."""
    cache_hit_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of questions that repeat an earlier one within ``answers.cache``, 0 to 1: what the
    cache would answer if no document changed. What changes leave of it is computed."""
    arrival_variation: float | None = Field(default=None, gt=0)
    """Coefficient of variation of the time between two questions: 1 for random arrivals, more for
    bursts. The default is that of a published trace of conversations."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{value!r} is not an IANA time zone; choose one such as Europe/Stockholm"
            ) from error
        return value

    @model_validator(mode="after")
    def _one_rate_per_hour(self) -> Self:
        seen: dict[tuple[int, int], int] = {}
        for number, period in enumerate(self.periods):
            for day in period.days:
                for hour in range(*period.hours):
                    if (day, hour) in seen:
                        raise ValueError(
                            f"periods {seen[day, hour]} and {number} both cover "
                            f"{_DAYS[day]} {hour}:00"
                        )
                    seen[day, hour] = number
        return self

    def week(self) -> tuple[Rate, ...]:
        """Return the rate of each of the 168 hours of a week, from Monday 0:00 local time."""
        rates: list[Rate] = [self.otherwise] * HOURS_OF_WEEK
        for period in self.periods:
            for day in period.days:
                for hour in range(*period.hours):
                    rates[day * 24 + hour] = period
        return tuple(rates)

    @property
    def questions_per_month(self) -> float:
        """Mean number of questions in a month (730 hours)."""
        return sum(rate.mean_per_hour for rate in self.week()) / HOURS_OF_WEEK * 730

    @property
    def peak_per_hour(self) -> float:
        """The highest peak of the week, in questions per hour."""
        return max(rate.peak_per_hour for rate in self.week())


class Embedding(Section):
    """The embedding model, and the dimensions of its vectors."""

    model: str = "amazon.titan-embed-text-v2:0"
    """Bedrock model or inference profile. Another model needs a new index."""
    dimensions: int = Field(default=256, ge=1, validate_default=True)
    """Length of a vector. Titan V2 supports 256, 512 and 1024; Cohere Embed 4 also 1536."""

    @field_validator("model")
    @classmethod
    def _embeds(cls, value: str) -> str:
        embedding_dimensions(value)
        return value

    @field_validator("dimensions")
    @classmethod
    def _given_by_the_model(cls, value: int, info: ValidationInfo) -> int:
        if (model := info.data.get("model")) is not None:
            offered = embedding_dimensions(model)
            if value not in offered:
                raise ValueError(f"{model} supports {' or '.join(map(str, offered))} dimensions")
        return value


IamPrincipal = Annotated[
    str,
    Written(
        r"arn:aws[a-z-]*:(iam|sts)::\d{12}:[a-z-]+/\S+",
        "the ARN of a role or user",
        "arn:aws:iam::123456789012:role/evaluation",
    ),
]


SearchInstance = Annotated[
    str,
    Written(r"[a-z0-9]+\.[a-z0-9]+\.search", "an instance type for search", "m7g.medium.search"),
    AfterValidator(check_search_instance),
]


class Serverless(Section):
    """Limit of an OpenSearch Serverless collection group; its minimum is always zero.

    It follows from documents and searches. What is stated here is taken instead.
    """

    max_ocu: Annotated[int, AfterValidator(check_ocu)] | None = Field(
        default=None, ge=1, le=96, json_schema_extra={"enum": [1, *OCU_LIMITS, None]}
    )
    """Highest number of OpenSearch Compute Units (OCU): 2, 4, 8, 16 or a multiple of 16."""
    readers: tuple[IamPrincipal, ...] = ()
    """ARNs of roles or users that may search the store directly, as ``choose-model`` does."""


class Domain(Section):
    """Size of an OpenSearch domain.

    It follows from documents, searches and ``service_level.availability``. What is stated here is
    taken instead.
    """

    instance_type: SearchInstance | None = None
    """Instance type of the nodes, with an EBS volume."""
    nodes: int | None = Field(default=None, ge=1, le=30)
    """Number of nodes; each holds all documents."""
    volume_gb: int | None = Field(default=None, ge=10, le=1024)
    """Size of the volume of each node, in GB."""


class Knowledge(Section):
    """The documents, and how they are stored and searched."""

    store: Store = Store.AUTO
    documents: int = Field(default=100, ge=0)
    """Expected number of documents."""
    document_kb: float = Field(default=20, gt=0)
    """Expected mean size of the text of a document, in kB."""
    changed_per_month: float = Field(default=0.1, ge=0)
    """Expected share of the documents that change in a month; 0.1 is 10 %."""
    embedding: Embedding = Embedding()
    analyzer: Analyzer = "standard"
    """OpenSearch text analyzer. A language analyzer such as ``english`` also finds other forms of a
    word. ``standard`` is for documents in several languages."""
    chunk_tokens: int = Field(default=220, ge=50, le=2000)
    """Longest passage, in tokens: documents are cut into passages."""
    overlap_tokens: int = Field(default=0, ge=0, le=200)
    """Tokens that two neighbouring passages share."""
    max_document_mb: float = Field(default=20, gt=0, le=100)
    """Largest document, in MB. A larger one is not indexed."""
    serverless: Serverless = Serverless()
    domain: Domain = Domain()

    @model_validator(mode="after")
    def _chunks_advance(self) -> Self:
        if 2 * self.overlap_tokens > self.chunk_tokens:
            raise ValueError("overlap_tokens must be at most half of chunk_tokens")
        return self


class Detail(StrEnum):
    """How long answers are."""

    BRIEF = "brief"
    """One sentence or two, in at most half of ``max_tokens``."""
    FULL = "full"
    """Up to five sentences."""


ANSWER_TOKENS = {Detail.BRIEF: (60, 120), Detail.FULL: (150, 300)}
"""Mean and 95th percentile of an answer's tokens: two or five sentences of 30, an estimate."""


PromptName = Annotated[
    str,
    Written(
        r"[a-z0-9]+(-[a-z0-9]+)*",
        "the name of a file in prompts/, without .yaml",
        "answer",
    ),
]


class SmallFirst(Section):
    """What is asked before the generator, so that it writes only what nothing smaller answers.

    The plan asks only what takes less of ``inference.optimize``.
    """

    fit: float | None = Field(default=0.85, gt=0, le=1)
    """A quotation is the answer if its best sentence holds at least this share of the question's
    information. ``null``: no quotation is tried."""
    model: str | None = None
    """A Bedrock model or inference profile that takes less than the generator."""
    grounded: float = Field(default=0.9, ge=0, le=1)
    """The model's answer is taken if at least this share of it stands in what it cites."""
    accepted: float | None = Field(default=None, ge=0, lt=1)
    """Share of the questions asked of the model whose answer is taken, as you measured it."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.model is not None and self.accepted is None:
            raise ValueError(
                "a model needs accepted: the share of its answers that would be taken; measure it "
                "with choose-model, or begin with 0.5"
            )
        return self


class Answers(Section):
    """How a question is answered: model, inference parameters and token budgets."""

    generator: str = "mistral.ministral-3-3b-instruct"
    """Bedrock model or inference profile: choose the smallest one that is good enough. Or
    ``extractive``, which quotes the passages and calls no model."""
    detail: Detail = Detail.BRIEF
    """How long an answer is if the question does not say so."""
    max_tokens: int = Field(default=300, ge=16, le=4096)
    """Longest full answer, in tokens. A longer one is cut."""
    prompt: PromptName = "answer"
    """The version of the prompt: a file of ``prompts/``, without ``.yaml``."""
    prompt_management: bool = False
    """Whether Amazon Bedrock keeps the prompt as well, as a version that cannot be changed; the
    answer function reads it from there."""
    temperature: float | None = Field(default=None, ge=0, le=1)
    """How freely the model chooses the next token: 0 takes the most likely one. The default of
    this and the next two is what the prompt's file states."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """The model chooses among the most likely tokens with this probability together."""
    top_k: int | None = Field(default=None, ge=1, le=500)
    """Only for models that support it."""
    candidates: int = Field(default=20, ge=1, le=100)
    """Passages that each of the two searches (words, vectors) returns."""
    passages: int = Field(default=4, ge=1, le=20)
    """Highest number of passages in the prompt."""
    evidence_share: float = Field(default=0.4, ge=0, le=1)
    """A passage with less than this share of the best passage's score is left out of the prompt."""
    context_tokens: int = Field(default=1000, ge=100, le=16000)
    """Highest number of tokens of all passages in the prompt."""
    minimum_similarity: float = Field(default=0.3, ge=0, le=1)
    """Lowest cosine similarity of a relevant passage; depends on the embedding model."""
    cache: Duration = parse_duration("1d")
    """How long the cache may return an answer while a search finds the same passages."""
    small_first: SmallFirst | None = None
    """Ask something smaller before the generator. Without this section nothing is asked first:
    ``docs/choosing-a-model.md`` says how often such answers were right."""
    question_characters: int = Field(default=2000, ge=10, le=20000)
    """Longest question, in characters. The API refuses a longer one."""
    concurrency: int | None = Field(default=None, ge=1, le=MOST_CONCURRENT_ANSWERS)
    """Reserved concurrency of the answer function; it limits the cost of a flood of questions. The
    default is what the peak needs, and at least 10."""

    @property
    def generated(self) -> bool:
        """Whether a model writes the answers."""
        return self.generator != EXTRACTIVE


KeyArn = Annotated[
    str,
    Written(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/"
        r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})",
        "the ARN of a KMS key, not of its alias",
        "arn:aws:kms:eu-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]


class Inference(Section):
    """The model for Inferentia2 instances, and whether Bedrock may answer instead."""

    bedrock: BedrockUse = BedrockUse.ALLOWED
    optimize: Objective = Objective.ENERGY
    model: str = "qwen3-1.7b"
    """A row of ``sustainability/facts/data/inference_models.csv``."""
    instance_types: tuple[str, ...] = (
        "ml.inf2.xlarge",
        "ml.inf2.8xlarge",
        "ml.inf2.24xlarge",
        "ml.inf2.48xlarge",
    )
    """Instance types that the plan may choose from."""
    max_instances: int = Field(default=4, ge=1, le=100)
    """Limit of the cost: a plan that needs more instances is an error."""
    image: str = "codebuild"
    """``codebuild`` builds the serving image in the AWS account, ``docker`` builds it with the CDK
    CLI; any other value is the URI of your own image."""
    volume_key: KeyArn | None = None
    """ARN of the KMS key that encrypts the volumes of the instances. Its policy must allow the
    identity that deploys to create grants. Without a key, SageMaker uses an AWS owned key."""


Email = Annotated[
    str, Written(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address", "team@example.com")
]
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365)


class Waste(Section):
    """Thresholds of the alarms on waste."""

    used_share: float = Field(default=0.1, gt=0, lt=1)
    """Memory and processors count as oversized if their peak use is below this share."""
    truncated_share: float = Field(default=0.05, gt=0, lt=1)
    """Highest share of answers that may be cut at ``answers.max_tokens``."""
    cache_share: float = Field(default=0.5, gt=0, lt=1)
    """The cache must answer at least this share of what it can by ``traffic.cache_hit_share``."""
    corpus_per_day: float = Field(default=2, gt=0)
    """Highest number of passages embedded in a day, as a multiple of all passages."""


class Monitoring(Section):
    """Who gets messages, how long logs are kept, and the monthly budget."""

    email: Email | None = None
    """Gets the messages of the alarms and of the budget."""
    monthly_budget_usd: float | None = Field(default=None, gt=0)
    """Monthly cost in USD; ``email`` gets a message if the forecast exceeds it."""
    ingest_lag: Duration = parse_duration("1h")
    """A changed document must be searchable within this time."""
    runbook: str = "docs/runbook.md"
    """Where the runbook is: a URL makes every alarm message link to its entry."""
    waste: Waste = Waste()
    log_retention_days: int = Field(default=14, json_schema_extra={"enum": [*_LOG_DAYS]})
    """How long CloudWatch Logs keeps the logs of the functions, in days."""
    tracing: bool = False
    """Whether AWS X-Ray records how each part of an answer takes its time."""

    def runbook_entry(self, alarm: str) -> str:
        """Return the end of an alarm's message: the link to its runbook entry."""
        return f"Runbook: {self.runbook}#{alarm.lower()}"

    @field_validator("log_retention_days")
    @classmethod
    def _kept_by_cloudwatch(cls, value: int) -> int:
        if value not in _LOG_DAYS:
            raise ValueError(
                f"CloudWatch Logs can keep logs for {', '.join(map(str, _LOG_DAYS))} days; "
                "choose one"
            )
        return value

    @model_validator(mode="after")
    def _somebody_hears(self) -> Self:
        if self.monthly_budget_usd is not None and self.email is None:
            raise ValueError("monthly_budget_usd needs an email, to which its forecast is sent")
        return self


class Need(StrEnum):
    """What the model lacks. It decides which rungs of customization can help."""

    FORM = "form"
    """The form of its answers: a house style, a format, the classes of a classification."""
    KNOWLEDGE = "knowledge"
    """Facts. Documents hold them, and a search finds them: that is RAG."""
    VOCABULARY = "vocabulary"
    """The language of a domain: words and phrases that its training data hardly had."""


class Rung(StrEnum):
    """A way to adapt a model, from the cheapest to the dearest."""

    STAY = "stay"
    PROMPTS = "prompts"
    RAG = "rag"
    PEFT = "peft"
    DISTILLATION = "distillation"
    FULL = "full"
    SCRATCH = "scratch"


class Training(Section):
    """The pipeline that tunes the generator of an endpoint; without this section there is none."""

    instance: str | None = None
    """The instance type that tunes and evaluates, such as ``ml.g6.xlarge``. The default is the
    first of ``ml.trn1.2xlarge``, ``ml.g6.xlarge`` and ``ml.g5.xlarge`` that the Region has."""


class Customization(Section):
    """What speaks for and against training a model: ``customize --advise`` reads it."""

    need: Need = Need.FORM
    base: str | None = None
    """The model to tune: a row ``size/...`` of ``sustainability/facts/data/customization.csv``. The
    default is ``inference.model``."""
    score: float | None = Field(default=None, ge=0, le=1)
    """Share of the golden questions that are answered right today."""
    good_enough: float = Field(default=0.9, gt=0, le=1)
    """The share that the task needs. More is not better."""
    golden_questions: int = Field(default=100, ge=1)
    """Questions of the golden set that are kept out of training."""
    tried: tuple[Rung, ...] = ()
    """Rungs that were tried already and did not suffice."""
    examples: int = Field(default=0, ge=0)
    """Pairs of question and wanted answer at hand, for training."""
    example_tokens: float = Field(default=150, gt=0)
    """Tokens of one pair, without the instructions and examples of today's prompt."""
    domain_tokens: float = Field(default=0, ge=0)
    """Tokens of raw text of the domain at hand."""
    tokens_saved: float = Field(default=0, ge=0)
    """Tokens of today's prompt that a tuned model does not need: instructions and examples."""
    changes_per_year: float = Field(default=1, ge=0)
    """How often the task or its data changes so much that the model must be tuned again."""
    training: Training | None = None
    """Deploy the pipeline that tunes: new data starts it, and you approve what it made."""


def _parse_date(value: object) -> object:
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r}: write a day, such as 2027-06-30") from error


class Target(Section):
    """What is taken at most, from a day on."""

    at_most: float = Field(gt=0)
    """The highest value, in the unit of the key."""
    by: Annotated[date, BeforeValidator(_parse_date)]
    """The day from which it holds, such as 2027-06-30. Before it, the alarm compares with the 30
    days before the last week."""


class PerAnswer(Section):
    """Targets for an answer: a week of the deployment divided by its answers, idle time included.

    ``report`` shows 1,000 answers; divide by 1,000.
    """

    energy_wh: Target | None = None
    """Energy at the wall, in Wh."""
    carbon_gco2e: Target | None = None
    """Operational and embodied carbon, in gCO2e."""
    water_ml: Target | None = None
    """Water of the data centers, in ml."""
    cost_usd: Target | None = None
    """Cost at list prices, in USD."""


class PerMonth(Section):
    """Targets for a month of 730 hours: a week of the deployment, as long as a month."""

    energy_kwh: Target | None = None
    """Energy at the wall, in kWh."""
    carbon_gco2e: Target | None = None
    """Operational and embodied carbon, in gCO2e."""
    water_l: Target | None = None
    """Water of the data centers, in litres."""
    cost_usd: Target | None = None
    """Cost at list prices, in USD."""


class Targets(Section):
    """What the deployment is to reach, each value by a day. ``report`` says what is on course."""

    per_answer: PerAnswer = PerAnswer()
    per_month: PerMonth = PerMonth()

    @property
    def stated(self) -> tuple[tuple[str, str, Target], ...]:
        """What ``per`` a target is for, its key, and the target itself."""
        return tuple(
            (per, key, target)
            for per, section in (("answer", self.per_answer), ("month", self.per_month))
            for key, target in section
            if target is not None
        )


class Footprint(Section):
    """How carbon is counted, its limits, and the targets."""

    accounting: Accounting = Accounting.LOCATION
    ceiling_gco2e_per_kwh: float | None = Field(default=None, gt=0)
    """Synth fails if carbon intensity x PUE of the Region is above this value."""
    within: str | None = None
    """Data residency: the Region must be in this area, such as EU, or a country code such as SE."""
    targets: Targets = Targets()


Name = Annotated[
    str,
    Written(
        "[a-z][a-z0-9-]{1,19}",
        "2 to 20 lower-case letters, digits and hyphens, first a letter",
        "dev",
    ),
]
RegionCode = Annotated[
    str, Written(r"[a-z]{2}(-[a-z]+)+-\d", "the code of an AWS Region", "eu-north-1")
]
AccountId = Annotated[str, Written(r"\d{12}", "the 12 digits of an account", "123456789012")]


@dataclass(frozen=True)
class _Origin:
    """The file of a deployment. Deployments with the same settings are equal wherever they are."""

    path: Path | None = field(default=None, compare=False)
    source: YamlSource | None = field(default=None, compare=False)

    def line(self, key: str) -> str:
        if self.source is None:
            return ""
        location = [int(part) if part.isdigit() else part for part in key.split(".")]
        return f"{self.path}:{self.source.line(location)}: "


class Deployment(Section):
    """One environment: what it needs, and its limits. Everything else is derived from it."""

    name: Name
    """Of the environment: the names of its stacks begin with it."""
    region: RegionCode
    """The AWS Region of all stacks."""
    account: AccountId | None = None
    """The AWS account that this deployment belongs to: credentials for another are refused."""
    profile: Profile = Profile.DEVELOPMENT
    """How strict the sustainability rules are, and whether documents are kept after deletion."""
    tags: Annotated[dict[str, str], AfterValidator(check_tags)] = Field(default={})
    """On every resource, for example to tell costs apart."""
    service_level: ServiceLevel
    traffic: Traffic
    knowledge: Knowledge = Knowledge()
    answers: Answers = Answers()
    inference: Inference = Inference()
    customization: Customization | None = None
    """The task that a tuned model would serve. No stack reads it yet."""
    monitoring: Monitoring = Monitoring()
    footprint: Footprint = Footprint()
    rules: RuleSettings = RuleSettings()
    company: Company = Company()
    _origin: _Origin = PrivateAttr(default=_Origin())

    @model_validator(mode="after")
    def _answers_as_long_as_asked(self) -> Self:
        if "output_tokens" not in self.traffic.model_fields_set:
            mean, p95 = ANSWER_TOKENS[self.answers.detail]
            tokens = Tokens(mean=mean, p95=p95)
            self.__dict__["traffic"] = self.traffic.model_copy(update={"output_tokens": tokens})
        return self

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        """Refuse what the section ``company`` cannot do together with the rest."""
        network, kind = self.company.network, self.knowledge.store
        if network is not None and network.endpoints and kind is not Store.VECTORS:
            raise ValueError(
                "company.network.endpoints needs knowledge.store: vectors, which has an interface "
                "endpoint; with another store, set company.network.endpoints: false, and give the "
                "subnets a way to the internet"
            )
        if self.company.key is not None and self.service_level.deadline is not None:
            raise ValueError(
                "company.key does not reach the mailbox of answers in the background; state "
                "latency_p95 in place of a deadline, or leave company.key out"
            )
        if self.company.key is not None:
            region = self.company.key.split(":")[3]
            if region != self.region:
                raise ValueError(f"company.key is in {region}; it must be in {self.region}")
        return self

    @model_validator(mode="after")
    def _one_profile(self) -> Self:
        if "profile" in self.rules.model_fields_set:
            raise ValueError("state profile at the top level, not under rules")
        return self

    @property
    def rule_settings(self) -> RuleSettings:
        """The settings of the rules, with the profile and the Region of this deployment."""
        return self.rules.model_copy(
            update={
                "profile": self.profile,
                "allowed_regions": self.rules.allowed_regions or (self.region,),
            }
        )

    @property
    def training(self) -> Training | None:
        """The pipeline that tunes, if there is one."""
        return self.customization.training if self.customization else None

    @property
    def answer_tokens(self) -> Tokens:
        """Tokens of an answer, none longer than ``answers.max_tokens``."""
        return self.traffic.output_tokens.at_most(self.answers.max_tokens)

    @classmethod
    def load(cls, path: Path | str) -> Deployment:
        """Read and validate a deployment file.

        Raises
        ------
        DeploymentError
            If the file cannot be read or is not valid. The message has one line per fault:
            ``file:line: key: what is wrong``.
        """
        path = located(Path(path))
        try:
            source = YamlSource.read(path)
        except FileNotFoundError as error:
            raise DeploymentError(f"{path}: no such file; {_nearest(path)}") from error
        except OSError as error:
            raise DeploymentError(f"{path}: {error.strerror}") from error
        except YamlFault as error:
            raise DeploymentError(f"{path}:{error}") from error
        try:
            deployment = cls.model_validate(source.data)
        except ValidationError as error:
            faults = sorted(
                (
                    source.line(fault["loc"]),
                    *explain(fault, source.written(fault["loc"]), cls),
                )
                for fault in error.errors(include_url=False)
            )
            raise DeploymentError(
                "\n".join(f"{path}:{line}: {key}: {text}" for line, key, text in faults)
            ) from error
        deployment._origin = _Origin(path, source)
        return deployment

    def place(self, key: str) -> str:
        """Return ``file:line: key``, for an error about a setting; the key alone without a file."""
        return f"{self._origin.line(key)}{key}"


def located(path: Path) -> Path:
    """Return a path of the repository from any folder: ``deployments/dev.yaml`` is there."""
    ours = Path(__file__).parents[2] / path
    return ours if not path.exists() and ours.exists() else path


def _nearest(path: Path) -> str:
    """Return the cure for a deployment file that does not exist."""
    folder = next((parent for parent in path.parents if parent.name == "deployments"), path.parent)
    asked = path.relative_to(folder).with_suffix("").as_posix()
    ours = located(folder)
    known = [file.relative_to(ours).with_suffix("").as_posix() for file in ours.rglob("*.yaml")]
    return choose(asked, sorted(known)) if known else f"the folder {folder} has no .yaml file"
