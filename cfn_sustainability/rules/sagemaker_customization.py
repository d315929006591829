"""Tuning of models inside Step Functions definitions and SageMaker pipelines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules.sagemaker_training import (
    MACHINE,
    PIPELINE,
    TRAINING,
    TUNING,
    job_fault,
    job_value,
    jobs,
)
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_METHODS = ("method", "peft-method", "peft_method", "peft_type")
_NOT_ON_TRAINIUM = ("prefix", "prompt", "p-tuning", "p_tuning", "ia3", "adalora")
_MUCH_CLEANER = 2


@cache
def _grids() -> dict[str, dict[str, float]]:
    """Return gCO2e per kWh of computing in each Region that has a family of instance types."""
    found: dict[str, dict[str, float]] = {}
    table = files("cfn_sustainability") / "data" / "training_regions.csv"
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        found.setdefault(row["family"], {})[row["region"]] = float(row["gco2e_per_kwh"])
    return found


def _pipeline(steps: str) -> str:
    return f"""
P:
  Type: AWS::SageMaker::Pipeline
  Properties: {{PipelineDefinition: {{PipelineDefinitionBody: '{{"Steps": [{steps}]}}'}}}}
"""


def _job(more: str, instance: str = "ml.trn1.2xlarge") -> str:
    return _pipeline(
        '{"Name": "Tune", "Type": "Training", "Arguments": {"AlgorithmSpecification": {}, '
        f'"ResourceConfig": {{"InstanceType": "{instance}"}}, {more}}}}}'
    )


def _search(config: str) -> str:
    return _pipeline(
        '{"Name": "Search", "Type": "Tuning", "Arguments": '
        f'{{"HyperParameterTuningJobConfig": {config}}}}}'
    )


_NONE = _pipeline("")


@rule(
    "TrainiumTunesWithLora",
    MACHINE,
    PIPELINE,
    severity=Severity.ERROR,
    practices=("GENSUS01-BP02", "MLSUS05-BP02"),
    what="Parameter-efficient tuning on Trainium uses LoRA.",
    why="The library for Trainium takes no other method: the job starts, costs and fails.",
    fix="Set the method to lora, or tune on a GPU.",
    evidence="Documentation of optimum-neuron 0.4.5: its PEFT models have LoRA alone",
    note="Judged by the hyperparameters method, peft_method and peft_type.",
    cases=Cases(
        compliant=_job('"HyperParameters": {"method": "lora"}'),
        non_compliant=_job('"HyperParameters": {"method": "prefix"}'),
        not_applicable=_NONE,
        edges=(
            (
                Outcome.COMPLIANT,
                _job('"HyperParameters": {"method": "prefix"}', "ml.g5.xlarge"),
            ),
            (
                Outcome.UNKNOWN,
                _job('"HyperParameters": {"method": {"Get": "Parameters.Method"}}'),
            ),
        ),
    ),
)
def _trainium_tunes_with_lora(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    found = list(jobs(resource, TRAINING))
    applies_if(bool(found))
    for path, step, job in found:
        if not str(job_value(job, "ResourceConfig", "InstanceType") or "").startswith("ml.trn"):
            continue
        for name in _METHODS:
            method = str(job_value(job, "HyperParameters", name) or "").lower()
            if method in _NOT_ON_TRAINIUM:
                yield job_fault(resource, path, step, f"by {method} on Trainium", "lora")


@rule(
    "TuningStopsEarly",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("MLSUS04-BP04",),
    what="A hyperparameter search stops the runs that cannot win.",
    why="Most runs of a search are behind after a few passes, and run to their end for nothing.",
    fix="Set HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType to Auto.",
    evidence="Machine Learning Lens: Use efficient model tuning methods",
    note="Hyperband stops runs by itself.",
    cases=Cases(
        compliant=_search('{"Strategy": "Bayesian", "TrainingJobEarlyStoppingType": "Auto"}'),
        non_compliant=_search('{"Strategy": "Bayesian"}'),
        not_applicable=_NONE,
        edges=(
            (Outcome.COMPLIANT, _search('{"Strategy": "Hyperband"}')),
            (Outcome.UNKNOWN, _search('{"Strategy": {"Get": "Parameters.Strategy"}}')),
        ),
    ),
)
def _tuning_stops_early(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    found = list(jobs(resource, TUNING))
    applies_if(bool(found))
    key = "HyperParameterTuningJobConfig"
    for path, step, job in found:
        if job_value(job, key, "Strategy") == "Hyperband":
            continue
        if job_value(job, key, "TrainingJobEarlyStoppingType") != "Auto":
            yield job_fault(
                resource, path, step, "to the end of every run",
                f"{key}.TrainingJobEarlyStoppingType: Auto",
            )  # fmt: skip


def _registered(compression: str, output: str) -> str:
    return _pipeline(
        '{"Name": "Compile", "Type": "Training", "Arguments": {"AlgorithmSpecification": {}, '
        f'"ResourceConfig": {{}}, "OutputDataConfig": {{"S3OutputPath": "s3://b"{output}}}}}}}, '
        '{"Name": "Register", "Type": "RegisterModel", "Arguments": {"InferenceSpecification": '
        '{"Containers": [{"ModelDataSource": {"S3DataSource": {"CompressionType": '
        f'"{compression}", "S3Uri": '
        '{"Get": "Steps.Compile.ModelArtifacts.S3ModelArtifacts"}}}}]}}}'
    )


@rule(
    "ArtifactsStayUncompressed",
    PIPELINE,
    severity=Severity.ERROR,
    practices=("SUS04-BP07",),
    what="What an endpoint reads uncompressed is written uncompressed.",
    why="An archive has to be unpacked and stored a second time before the endpoint can read it.",
    fix="Set OutputDataConfig.CompressionType of the job to NONE.",
    evidence="Amazon SageMaker AI Developer Guide: deploying uncompressed models",
    note="Judged where a model package names the output of a step of the same pipeline.",
    cases=Cases(
        compliant=_registered("None", ', "CompressionType": "NONE"'),
        non_compliant=_registered("None", ""),
        not_applicable=_NONE,
        edges=(
            (Outcome.NOT_APPLICABLE, _registered("Gzip", "")),
            (
                Outcome.UNKNOWN,
                _registered("None", ', "CompressionType": {"Get": "Parameters.Compression"}'),
            ),
        ),
    ),
)
def _artifacts_stay_uncompressed(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    read = {
        _origin(source["S3Uri"])
        for _path, _name, source in jobs(resource, ("CompressionType", "S3Uri"))
        if source["CompressionType"] == "None"
    }
    written = [entry for entry in jobs(resource, TRAINING) if entry[1] in read]
    applies_if(bool(written))
    for path, step, job in written:
        if job_value(job, "OutputDataConfig", "CompressionType") != "NONE":
            yield job_fault(
                resource, path, step, "into an archive that the endpoint reads unpacked",
                "OutputDataConfig.CompressionType: NONE",
            )  # fmt: skip


def _origin(uri: Any) -> str:
    """Return the step whose output ``uri`` names, or an empty text."""
    named = str(uri.get("Get", "")) if isinstance(uri, dict) else ""
    parts = named.split(".")
    return parts[1] if parts[0] == "Steps" and len(parts) > 1 else ""


@rule(
    "TrainingInCleanRegion",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("MLSUS02-BP02", "SUS01-BP01"),
    what="Training runs where the grid is not much worse than elsewhere with the same silicon.",
    why="Training needs no user nearby, and the same job emits several times less elsewhere.",
    fix="Train in the Region that the finding names, next to a copy of the data.",
    evidence="Machine Learning Lens: Select sustainable Regions; Ember yearly electricity data",
    note="Judged within one geography (eu, us, ap), because data may have to stay there, and only "
    "if another Region emits less than half. allowed_regions limits the choice; with one allowed "
    "Region there is nothing to compare.",
    cases=Cases(
        compliant=_job('"A": {}', "ml.g4dn.xlarge"),
        non_compliant=_job('"A": {}', "ml.g5.xlarge"),
        not_applicable=_NONE,
        edges=((Outcome.UNKNOWN, _job('"A": {}', "${Type}")),),
    ),
)
def _training_in_clean_region(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    found = list(jobs(resource, TRAINING))
    region = resource.template.region
    applies_if(bool(found) and region is not None)
    for path, step, job in found:
        kind = str(job_value(job, "ResourceConfig", "InstanceType") or "")
        grids = _grids().get(kind.removeprefix("ml.").partition(".")[0], {})
        near = {
            name: grams
            for name, grams in grids.items()
            if name.partition("-")[0] == str(region).partition("-")[0]
            and (not settings.allowed_regions or name in settings.allowed_regions)
        }
        if region not in grids or not near:
            continue
        best = min(near, key=lambda name: near[name])
        if grids[region] > _MUCH_CLEANER * near[best]:
            yield job_fault(
                resource, path, step, f"in {region} at {grids[region]:.0f} gCO2e/kWh",
                f"{best} at {near[best]:.0f} gCO2e/kWh",
            )  # fmt: skip
