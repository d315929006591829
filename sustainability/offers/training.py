"""Where AWS offers silicon for training, and which models Amazon Bedrock distils."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from sustainability.facts.lookup import DATA
from sustainability.offers.region_services import instance_regions

SILICON = ("ml.trn1.2xlarge", "ml.g6.xlarge", "ml.g5.xlarge")
"""Instance types with one accelerator on which the pipeline can tune."""


@dataclass(frozen=True)
class Pair:
    """A teacher and a student of Amazon Bedrock Model Distillation."""

    teacher: str
    student: str
    region: str


def regions_with(instance_type: str) -> tuple[str, ...]:
    """Return the Regions that have ``instance_type``.

    From the instance types of Amazon EC2, because no list of those of training jobs can be read
    offline. An account also needs a quota for training on them.
    """
    return instance_regions(instance_type.removeprefix("ml."))


@cache
def distillation_pairs() -> tuple[Pair, ...]:
    """Return the pairs that Amazon Bedrock distils, with the Region of the job."""
    with (DATA / "distillation_pairs.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Pair(row["teacher"], row["student"], row["region"]) for row in csv.DictReader(lines)
        )
