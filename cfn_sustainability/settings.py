"""What a deployment may choose about the rules: one frozen, validated model, defaults visible."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cfn_sustainability.offers import large_models

_Reason = Annotated[str, Field(min_length=10)]


class Profile(StrEnum):
    """Which environment is judged: a standby or a warm minimum is legitimate in production only."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class RuleSettings(BaseModel):
    """Thresholds and lists of the sustainability rules: the ``rules`` section of a deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    profile: Profile = Profile.PRODUCTION
    """Development adds rules against standbys, warm minimums and machines that run at night."""
    allowed_regions: tuple[str, ...] = ()
    """Regions in which a stack may stand. Empty: the Region is not judged."""
    required_tags: tuple[str, ...] = ()
    """Tag keys that billable resources carry, so that their use can be attributed."""
    allowed_instances: dict[str, _Reason] = {}
    """Instance types, such as ml.g5.xlarge, that no instance rule reports, each with the reason."""

    log_retention_days_max: int = Field(default=90, ge=1, le=3653)
    """Longest retention of a log group, in days."""
    lambda_memory_mb_max: int = Field(default=3072, ge=128, le=32768)
    """Largest memory of a function, in MB."""
    lambda_timeout_seconds_max: int = Field(default=300, ge=1, le=5400)
    """Longest time that a function may run, in seconds."""
    job_timeout_minutes_max: int = Field(default=480, ge=1, le=10080)
    """Longest time that a Glue job may run, in minutes."""
    schedule_minutes_min: int = Field(default=5, ge=1, le=1440)
    """Shortest interval of a schedule that does not count as polling, in minutes."""

    prompt_output_tokens_max: int = Field(default=2048, ge=1, le=512_000)
    """Highest MaxTokens of a managed prompt."""
    prompt_cache_characters_min: int = Field(default=4096, ge=1)
    """Length from which a prompt template has to carry a cache point; about 1,000 tokens."""
    large_models: tuple[str, ...] = Field(default_factory=large_models)
    """Parts of model ids that count as large: used only behind a prompt router."""
    embedding_dimensions_max: int = Field(default=512, ge=64, le=4096)
    """Most dimensions of an embedding whose model offers a choice."""
    chunk_overlap_percent_max: int = Field(default=20, ge=1, le=99)
    """Largest overlap of neighbouring chunks, in percent of a chunk."""
    data_capture_percent_max: int = Field(default=20, ge=0, le=100)
    """Largest share of endpoint requests that are captured, in percent."""
    agent_idle_seconds_max: int = Field(default=600, ge=60, le=5400)
    """Longest idle session of a Bedrock agent, in seconds."""
    agent_runtime_idle_seconds_max: int = Field(default=900, ge=60, le=28800)
    """Longest idle session of an AgentCore runtime, in seconds."""
    agent_memory_days_max: int = Field(default=90, ge=3, le=365)
    """Longest life of events in an AgentCore memory, in days."""
    studio_idle_minutes_max: int = Field(default=120, ge=60, le=525_600)
    """Longest idle time of a SageMaker Studio application, in minutes."""
