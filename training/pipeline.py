"""``python -m training.pipeline``: write the definition of the customization pipeline.

The SageMaker Python SDK builds it, with no network and no credentials. What a deployment decides
stands in the definition as ``${Name}``, which CloudFormation's ``Fn::Sub`` fills in; what a run
decides is a parameter of the pipeline. The file is committed, so that no synth needs the SDK.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("pipeline.json")

_SDK = {
    "AWS_DEFAULT_REGION": "us-east-1",  # the SDK asks for one while it is imported
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAGEMAKER_VALIDATE_ROLE": "false",
}
_NO_TELEMETRY = (
    "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
)

_RUN = "PYTHONPATH=$(echo {code}/*.zip) exec python3 -m {module}"
_SOME_ROLE = "arn:aws:iam::000000000000:role/replaced"
"""The SDK asks IAM for any role that is no ARN; the definition has one for each step."""
_LONGEST_S = 4 * 3600
_LONGEST_WAIT_S = 12 * 3600
"""With spot capacity: waiting and running together."""
_CACHED_FOR = "P30D"


def main() -> int:
    """Write the definition, or with ``--check`` say whether the committed one is current."""
    text = json.dumps(definition(), indent=2) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text() != text:
            print(f"{FILE.name} is not current; run: python -m training.pipeline", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text)
    return 0


def definition() -> dict[str, Any]:
    """Build the definition: prepare, tune, evaluate, gate, then compile and register, or fail."""
    os.environ.update(_SDK)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = Path(folder) / "config.yaml"
        settings.write_text(_NO_TELEMETRY)
        os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(settings)
        return _build()


def _build() -> dict[str, Any]:
    import boto3
    from sagemaker.core.processing import ProcessingInput, ProcessingOutput, Processor
    from sagemaker.core.shapes import ProcessingS3Input, ProcessingS3Output
    from sagemaker.core.shapes.shapes import CheckpointConfig
    from sagemaker.core.workflow.conditions import ConditionEquals
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import ParameterString
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import (
        CacheConfig,
        ProcessingStep,
        Step,
        StepTypeEnum,
        TrainingStep,
    )
    from sagemaker.train.configs import (
        Compute,
        InputData,
        Networking,
        OutputDataConfig,
        StoppingCondition,
    )
    from sagemaker.train.model_trainer import ModelTrainer

    session = PipelineSession(
        boto_session=boto3.Session(region_name="us-east-1"), default_bucket="${Bucket}"
    )
    isolated = Networking(enable_network_isolation=True)
    cached = CacheConfig(enable_caching=True, expire_after=_CACHED_FOR)

    # Everything that a run makes lies under the hash of its data, so that unchanged data finds the
    # steps of an earlier run in the cache.
    data_hash = ParameterString("DataHash")
    method = ParameterString("Method", default_value="lora")
    epochs = ParameterString("Epochs", default_value="3")
    learning_rate = ParameterString("LearningRate", default_value="0.0006")
    margin = ParameterString("Margin", default_value="0.02")
    reads = ParameterString("Reads", default_value="message")
    parent = ParameterString("Parent", default_value="none")

    def place(folder: str, *below: str, of: Any = data_hash) -> Join:
        return Join(on="/", values=[f"s3://${{Bucket}}/{folder}", of, *below])

    class Training(TrainingStep):  # type: ignore[misc]
        """A training job that runs a module of ours out of the zip file in its code channel."""

        def __init__(self, *, module: str, **arguments: Any) -> None:
            super().__init__(**arguments, cache_config=cached)
            self._command = _RUN.format(code="/opt/ml/input/data/code", module=module)

        @property
        def arguments(self) -> Mapping[str, Any]:
            request: dict[str, Any] = _without_nulls(super().arguments)
            request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["sh", "-c"]
            request["AlgorithmSpecification"]["ContainerArguments"] = [self._command]
            request["RoleArn"] = f"${{{self.name}Role}}"
            return request

    class Processing(ProcessingStep):  # type: ignore[misc]
        """A processing job with a role of its own, and no network."""

        @property
        def arguments(self) -> Mapping[str, Any]:
            return {
                **super().arguments,
                "RoleArn": f"${{{self.name}Role}}",
                "NetworkConfig": {"EnableNetworkIsolation": True},
            }

    class Register(Step):  # type: ignore[misc]
        """A model package, stated as it is: the SDK's own step calls S3 while it is built."""

        def __init__(self, request: Mapping[str, Any]) -> None:
            super().__init__("Register", None, None, StepTypeEnum.REGISTER_MODEL, None)
            self._request = request

        @property
        def arguments(self) -> Mapping[str, Any]:
            return self._request

        @property
        def properties(self) -> None:
            """Nothing follows this step."""

    def training(
        name: str,
        *,
        module: str,
        image: str,
        instance: str,
        channels: Mapping[str, Any],
        hyperparameters: Mapping[str, Any],
        spot: bool,
    ) -> Training:
        folder = name.lower()
        trainer = ModelTrainer(
            sagemaker_session=session,
            role=_SOME_ROLE,
            training_image=image,
            base_job_name=folder,
            networking=isolated,
            compute=Compute(
                instance_type=instance,
                instance_count=1,
                volume_size_in_gb=100,
                enable_managed_spot_training=spot,
            ),
            stopping_condition=StoppingCondition(
                max_runtime_in_seconds=_LONGEST_S,
                max_wait_time_in_seconds=_LONGEST_WAIT_S if spot else None,
            ),
            checkpoint_config=CheckpointConfig(
                s3_uri=place("checkpoints", folder), local_path="/opt/ml/checkpoints"
            )
            if spot
            else None,
            # An endpoint reads files, and no archive; so do the steps that follow.
            output_data_config=OutputDataConfig(
                s3_output_path=place(folder), compression_type="NONE"
            ),
            hyperparameters=dict(hyperparameters),
        )
        sources = {"code": "s3://${CodeBucket}/${CodeKey}", **channels}
        inputs = [InputData(channel_name=key, data_source=uri) for key, uri in sources.items()]
        return Training(module=module, name=name, step_args=trainer.train(input_data_config=inputs))

    def processing(
        name: str,
        *,
        module: str,
        arguments: Sequence[Any] = (),
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        property_files: Sequence[PropertyFile] = (),
        cache: CacheConfig | None = None,
    ) -> ProcessingStep:
        base = "/opt/ml/processing"
        command = _RUN.format(code=f"{base}/input/code", module=module) + ' "$@"'
        processor = Processor(
            sagemaker_session=session,
            role=_SOME_ROLE,
            image_uri="${CpuImage}",
            entrypoint=["sh", "-c", command, module],
            instance_count=1,
            instance_type="${CpuInstanceType}",
            volume_size_in_gb=30,
            max_runtime_in_seconds=3600,
        )
        sources = {"code": "s3://${CodeBucket}/${CodeKey}", **inputs}
        return Processing(
            name=name,
            step_args=processor.run(
                arguments=list(arguments) or None,
                inputs=[
                    ProcessingInput(
                        input_name=key,
                        s3_input=ProcessingS3Input(
                            s3_uri=uri,
                            local_path=f"{base}/input/{key}",
                            s3_data_type="S3Prefix",
                            s3_input_mode="File",
                        ),
                    )
                    for key, uri in sources.items()
                ],
                outputs=[
                    ProcessingOutput(
                        output_name=key,
                        s3_output=ProcessingS3Output(
                            s3_uri=uri,
                            local_path=f"{base}/output/{key}",
                            s3_upload_mode="EndOfJob",
                        ),
                    )
                    for key, uri in outputs.items()
                ],
            ),
            property_files=list(property_files),
            cache_config=cache,
        )

    prepare = processing(
        "Prepare",
        module="training.prepare",
        inputs={"examples": "s3://${Bucket}/examples/", "golden": "s3://${Bucket}/golden/"},
        outputs={key: place("prepare", key) for key in ("train", "test", "report")},
        cache=cached,
    )
    prepared = prepare.properties.ProcessingOutputConfig.Outputs

    tune = training(
        "Tune",
        module="training.train",
        image="${TuneImage}",
        instance="${TuneInstanceType}",
        channels={"model": "s3://${Bucket}/base/", "train": prepared["train"].S3Output.S3Uri},
        hyperparameters={
            "method": method,
            "epochs": epochs,
            "learning-rate": learning_rate,
            "reads": reads,
            "instance-watts": "${TuneInstanceWatts}",
        },
        spot=True,
    )
    evaluate = training(
        "Evaluate",
        module="training.evaluate",
        image="${TuneImage}",
        instance="${TuneInstanceType}",
        channels={
            "base": "s3://${Bucket}/base/",
            "model": tune.properties.ModelArtifacts.S3ModelArtifacts,
            "train": prepared["train"].S3Output.S3Uri,
            "test": prepared["test"].S3Output.S3Uri,
        },
        hyperparameters={"instance-watts": "${TuneInstanceWatts}"},
        spot=False,
    )
    # Each run has a verdict of its own: the margin may differ where the data does not.
    judged = place("gate", of=ExecutionVariables.PIPELINE_EXECUTION_ID)
    verdict = PropertyFile(name="Verdict", output_name="verdict", path="verdict.json")
    gate = processing(
        "Gate",
        module="training.gate",
        arguments=["--margin", margin, "--grams-per-kwh", "${GramsPerKwh}"],
        inputs={
            "scores": evaluate.properties.ModelArtifacts.S3ModelArtifacts,
            "tuned": tune.properties.ModelArtifacts.S3ModelArtifacts,
        },
        outputs={"verdict": judged},
        property_files=[verdict],
    )

    def found(path: str) -> JsonGet:
        return JsonGet(step_name="Gate", property_file=verdict, json_path=path)

    compile_once = training(
        "Compile",
        module="training.compile",
        image="${ServingImage}",
        instance="${CompileInstanceType}",
        channels={"model": tune.properties.ModelArtifacts.S3ModelArtifacts},
        hyperparameters={
            "batch-size": "${BatchSize}",
            "sequence-length": "${SequenceLength}",
            "tensor-parallel": "${TensorParallel}",
        },
        spot=False,
    )
    artifacts = {
        "S3Uri": compile_once.properties.ModelArtifacts.S3ModelArtifacts,
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    register = Register(
        {
            "ModelPackageGroupName": "${ModelPackageGroup}",
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [
                    {
                        "Image": "${ServingImage}",
                        "ModelDataSource": {"S3DataSource": artifacts},
                        "Environment": {"SM_ON_MODEL": "/opt/ml/model"},
                    }
                ],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
                "SupportedRealtimeInferenceInstanceTypes": ["${ServingInstanceType}"],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": Join(on="/", values=[judged, "verdict.json"]),
                    }
                }
            },
            "CustomerMetadataProperties": {
                "data_hash": data_hash,
                "method": method,
                "parent": parent,
                **{key: found(key) for key in ("score", "score_below", "energy_wh", "carbon_g")},
            },
        }
    )
    better = ConditionStep(
        name="Better",
        conditions=[ConditionEquals(left=found("passed"), right=True)],
        if_steps=[compile_once, register],
        else_steps=[FailStep(name="NotBetter", error_message=found("finding"))],
    )
    built = Pipeline(
        name="customization",
        parameters=[data_hash, method, epochs, learning_rate, reads, margin, parent],
        steps=[prepare, tune, evaluate, gate, better],
        pipeline_experiment_config=None,
        sagemaker_session=session,
    )
    result: dict[str, Any] = _without_nulls(json.loads(built.definition()))
    return result


def _without_nulls(value: Any) -> Any:
    """Drop members that the SDK leaves empty: the service takes no null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


if __name__ == "__main__":
    sys.exit(main())
