"""Training and tuning jobs inside Step Functions definitions and SageMaker pipelines.

CloudFormation has no training job; its body stands, as text or as a mapping, in the definition of
what starts it. Parts of the text that only a deployment knows become unknown values in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import is_gpu
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK, Undecidable, Unknown

MACHINE = "AWS::StepFunctions::StateMachine"
PIPELINE = "AWS::SageMaker::Pipeline"
_DEFINITIONS = ("DefinitionString", "Definition", "PipelineDefinition.PipelineDefinitionBody")
TRAINING = ("AlgorithmSpecification", "ResourceConfig")
TUNING = ("HyperParameterTuningJobConfig",)
_FILLED_IN = (MARK, "{%", "${")


def _machine(job: str, task: str = "createTrainingJob") -> str:
    return f"""
S:
  Type: AWS::StepFunctions::StateMachine
  Properties:
    Definition:
      States:
        Train:
          Type: Task
          Resource: arn:aws:states:::sagemaker:{task}.sync
          Parameters: {job}
"""


def _pipeline(job: str) -> str:
    body = '{"Steps": [{"Name": "Train", "Type": "Training", "Arguments": ' + job + "}]}"
    return f"""
P:
  Type: AWS::SageMaker::Pipeline
  Properties: {{PipelineDefinition: {{PipelineDefinitionBody: !Sub '{body}'}}}}
"""


_SPOT = "EnableManagedSpotTraining: true"
_ON = "AlgorithmSpecification: {}, ResourceConfig: {InstanceType: ml.trn1.32xlarge}"
_NONE = "S: {Type: AWS::StepFunctions::StateMachine, Properties: {Definition: {States: {}}}}"


def _parsed(text: str) -> Any:
    """Parse a JSON text in which MARK stands for unknown stretches, quoted or not."""
    pieces, quoted = [], False
    for number, piece in enumerate(text.split(MARK)):
        if number:
            pieces.append(MARK if quoted else f'"{MARK}"')
        pieces.append(piece)
        quoted ^= piece.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1
    try:
        return json.loads("".join(pieces))
    except (ValueError, RecursionError):
        raise Undecidable from None


def jobs(resource: Resource, keys: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the property, the name of the step and the body of each job that has all ``keys``."""
    for path in _DEFINITIONS:
        value = resource.plain(path)
        if isinstance(value, str | Unknown):
            value = _parsed(value if isinstance(value, str) else value.text)
        waiting = [("", value)]
        while waiting:
            name, node = waiting.pop()
            if isinstance(node, list):
                waiting.extend((name, child) for child in node)
            elif isinstance(node, dict):
                name = str(node.get("Name", name))
                if all(key in node for key in keys):
                    yield path, name, node
                waiting.extend(
                    (name if key in ("Parameters", "Arguments", "Steps") else key, child)
                    for key, child in node.items()
                )


def job_value(job: dict[str, Any], *path: str) -> Any:
    """Return a value of a job body; one that the run or the deployment fills in is undecidable."""
    value: Any = job
    for key in path:
        if not isinstance(value, dict):
            raise Undecidable
        if f"{key}.$" in value:
            raise Undecidable
        value = value.get(key)
        if value is None:
            return None
        if isinstance(value, Unknown) or (
            isinstance(value, str) and any(part in value for part in _FILLED_IN)
        ):
            raise Undecidable
        if isinstance(value, dict) and len(value) == 1 and {"Get", "Std:Join"} & value.keys():
            raise Undecidable  # a pipeline's parameter or join
    return value


def job_fault(resource: Resource, path: str, step: str, found: str, wants: str) -> Fault:
    """Return the finding on the job of one step."""
    return resource.fault(path, wants, found=f"trains in {step or 'a step'} {found}")


def _training(resource: Resource) -> list[tuple[str, str, dict[str, Any]]]:
    found = list(jobs(resource, TRAINING))
    applies_if(bool(found))
    return found


@rule(
    "TrainingUsesSpot",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP02",),
    what="A training job runs on spare capacity.",
    why="Managed spot training uses spare instances, which are on anyway.",
    fix="Set EnableManagedSpotTraining, CheckpointConfig and "
    "StoppingCondition.MaxWaitTimeInSeconds.",
    evidence="Generative AI Lens: Use efficient model customization services",
    note="Each job of a definition is judged by itself.",
    cases=Cases(
        compliant=_machine(f"{{{_ON}, {_SPOT}, CheckpointConfig: {{S3Uri: a}}}}"),
        non_compliant=_machine(f"{{{_ON}}}"),
        not_applicable=_NONE,
        edges=(
            (Outcome.UNKNOWN, _machine(f'{{{_ON}, EnableManagedSpotTraining.$: "$.spot"}}')),
            (
                Outcome.NON_COMPLIANT,
                _pipeline(
                    '{"AlgorithmSpecification": {}, "ResourceConfig": {}, "A": "${AWS::StackId}"}'
                ),
            ),
            (
                Outcome.UNKNOWN,
                _pipeline(
                    '{"AlgorithmSpecification": {}, "ResourceConfig": {}, '
                    '"EnableManagedSpotTraining": ${AWS::StackId}}'
                ),
            ),
        ),
    ),
)
def _training_uses_spot(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    for path, step, job in _training(resource):
        if not job_value(job, "EnableManagedSpotTraining"):
            yield job_fault(resource, path, step, "on demand", "EnableManagedSpotTraining: true")


@rule(
    "SpotTrainingCheckpoints",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP02",),
    what="A training job on spot capacity keeps checkpoints.",
    why="Without checkpoints, an interruption throws away all that was computed.",
    fix="Set CheckpointConfig.S3Uri, and resume from it in the training script.",
    evidence="Amazon SageMaker AI Developer Guide, managed spot training; Generative AI Lens",
    note="A job on demand is not interrupted. A job of a few minutes may as well start again.",
    cases=Cases(
        compliant=_machine(f"{{{_ON}, {_SPOT}, CheckpointConfig: {{S3Uri: a}}}}"),
        non_compliant=_machine(f"{{{_ON}, {_SPOT}}}"),
        not_applicable=_machine(f"{{{_ON}}}"),
        edges=(
            (Outcome.UNKNOWN, _machine(f'{{{_ON}, {_SPOT}, CheckpointConfig.$: "$.checkpoint"}}')),
            (
                Outcome.NON_COMPLIANT,
                _pipeline(
                    '{"AlgorithmSpecification": {}, "ResourceConfig": {}, '
                    '"EnableManagedSpotTraining": true}'
                ),
            ),
        ),
    ),
)
def _spot_training_checkpoints(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    spot = [
        entry for entry in _training(resource) if job_value(entry[2], "EnableManagedSpotTraining")
    ]
    applies_if(bool(spot))
    for path, step, job in spot:
        if not job_value(job, "CheckpointConfig"):
            yield job_fault(resource, path, step, "on spot without checkpoints", "CheckpointConfig")


@rule(
    "TrainingOnTrainium",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP02", "MLSUS05-BP02", "SUS05-BP04"),
    what="A training job on accelerators runs on Trainium, or says why not.",
    why="For models that compile for it, Trainium trains with less energy than GPUs.",
    fix="Train on ml.trn1 or ml.trn2, or give the reason in allowed_instances.",
    evidence="Machine Learning Lens: Use efficient silicon",
    saving="About 25 % less energy for BERT-Large from scratch on a cluster of the same size (AWS)",
    note="Small models train well on CPUs.",
    cases=Cases(
        compliant=_machine(f"{{{_ON}}}"),
        non_compliant=_machine(
            "{AlgorithmSpecification: {}, ResourceConfig: {InstanceType: ml.p4d.24xlarge}}"
        ),
        not_applicable=_NONE,
        edges=(
            (
                Outcome.COMPLIANT,
                _machine(
                    "{AlgorithmSpecification: {}, ResourceConfig: {InstanceType: ml.m7g.large}}"
                ),
            ),
            (
                Outcome.UNKNOWN,
                _pipeline(
                    '{"AlgorithmSpecification": {}, "ResourceConfig": '
                    '{"InstanceType": {"Get": "Parameters.InstanceType"}}}'
                ),
            ),
        ),
    ),
)
def _training_on_trainium(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    for path, step, job in _training(resource):
        name = str(job_value(job, "ResourceConfig", "InstanceType") or "")
        if is_gpu(name) and name not in settings.allowed_instances:
            yield job_fault(resource, path, step, f"on {name}", "ml.trn1 or ml.trn2")


@rule(
    "TrainingStops",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("MLSUS04-BP01", "GENSUS01-BP02"),
    what="A training job has a time after which it stops.",
    why="A job that hangs or does not converge otherwise runs on for a day.",
    fix="Set StoppingCondition.MaxRuntimeInSeconds to what a good run takes.",
    evidence="Machine Learning Lens: Define sustainable performance criteria",
    note="Without a limit of its own, a job ends after a day.",
    cases=Cases(
        compliant=_machine(f"{{{_ON}, StoppingCondition: {{MaxRuntimeInSeconds: 3600}}}}"),
        non_compliant=_machine(f"{{{_ON}}}"),
        not_applicable=_NONE,
        edges=(
            (
                Outcome.UNKNOWN,
                _machine(f'{{{_ON}, StoppingCondition: {{"MaxRuntimeInSeconds.$": "$.limit"}}}}'),
            ),
        ),
    ),
)
def _training_stops(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    for path, step, job in _training(resource):
        if not job_value(job, "StoppingCondition", "MaxRuntimeInSeconds"):
            yield job_fault(
                resource, path, step, "without a limit", "StoppingCondition.MaxRuntimeInSeconds"
            )


@rule(
    "TuningSearchesWell",
    MACHINE,
    PIPELINE,
    severity=Severity.WARNING,
    practices=("MLSUS04-BP04",),
    what="Hyperparameters are searched with Bayesian optimization or Hyperband.",
    why="Grid and random search train many models whose result earlier ones already told.",
    fix="Set HyperParameterTuningJobConfig.Strategy to Bayesian or Hyperband.",
    evidence="Machine Learning Lens: Use efficient model tuning methods",
    note="Some searches are too wide for anything but random.",
    cases=Cases(
        compliant=_machine(
            "{HyperParameterTuningJobConfig: {Strategy: Bayesian}}", "createHyperParameterTuningJob"
        ),
        non_compliant=_machine(
            "{HyperParameterTuningJobConfig: {Strategy: Grid}}", "createHyperParameterTuningJob"
        ),
        not_applicable=_NONE,
        edges=(
            (
                Outcome.UNKNOWN,
                _machine(
                    '{HyperParameterTuningJobConfig: {Strategy: "{% $states.input.strategy %}"}}',
                    "createHyperParameterTuningJob",
                ),
            ),
        ),
    ),
)
def _tuning_searches_well(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    searches = list(jobs(resource, TUNING))
    applies_if(bool(searches))
    for path, step, job in searches:
        strategy = job_value(job, "HyperParameterTuningJobConfig", "Strategy")
        if strategy in ("Grid", "Random"):
            found = f"tunes in {step or 'a step'} by {strategy} search"
            yield resource.fault(path, "Bayesian or Hyperband", found=found)


@rule(
    "RetrainingFollowsDrift",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    severity=Severity.WARNING,
    practices=("MLSUS06-BP02",),
    what="A model is trained again when its quality drops, not by the calendar.",
    why="Most scheduled trainings bring back the model that is there already.",
    fix="Start the pipeline from an alarm of Model Monitor instead of a ScheduleExpression.",
    evidence="Machine Learning Lens: Retrain only when necessary",
    note="Schedules of SageMaker pipelines are judged.",
    cases=Cases(
        compliant="""
            R: {Type: AWS::Events::Rule, Properties: {EventPattern: {}, Targets: [{Arn: !Ref P}]}}
            P: {Type: AWS::SageMaker::Pipeline}
            """,
        non_compliant="""
            R:
              Type: AWS::Events::Rule
              Properties: {ScheduleExpression: rate(7 days), Targets: [{Arn: !GetAtt P.Arn}]}
            P: {Type: AWS::SageMaker::Pipeline}
            """,
        not_applicable="""
            R: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(7 days)}}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                S:
                  Type: AWS::Scheduler::Schedule
                  Properties: {ScheduleExpression: rate(7 days), Target: {Arn: !GetAtt P.Arn}}
                P: {Type: AWS::SageMaker::Pipeline}
                """,
            ),
        ),
    ),
)
def _retraining_follows_drift(schedule: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "Targets" if schedule.type == "AWS::Events::Rule" else "Target"
    applies_if(schedule.target(path, "AWS::SageMaker::Pipeline") is not None)
    if schedule.has("ScheduleExpression"):
        yield schedule.fault("ScheduleExpression", "an event that tells of drift")
