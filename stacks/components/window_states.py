"""What happens in a window: the states of the machine that empties a mailbox, in JSONata."""

from __future__ import annotations

from typing import Any

from stacks.components.mailbox import ANSWERS, QUESTIONS

MANIFESTS = "manifests/"
"""Lists of the questions that a job takes: those that come later wait for the next one."""
_AT_A_TIME = 4
"""Calls to Bedrock at once: a window is not urgent, and others share the quota."""
_SUFFIX = ".out"
"""What SageMaker appends to a question's key to name its answer."""

States = dict[str, Any]


def transform_jobs(
    bucket: str,
    *,
    job_prefix: str,
    model_name: str,
    concurrency: int,
    instance_type: str,
    instances: int,
) -> States:
    """Return the states that run transform jobs, of up to 1000 questions each, until none waits."""
    manifest_key = f"'{MANIFESTS}' & $job & '.json'"
    manifest = (
        f"$append([{{'prefix': $uri & '{QUESTIONS}'}}], "
        f"$map($keys, function($key) {{ $substringAfter($key, '{QUESTIONS}') }}))"
    )
    return {
        "StartAt": "List",
        "States": {
            "List": _task(
                "aws-sdk:s3:listObjectsV2",
                {"Bucket": bucket, "Prefix": QUESTIONS},
                next_="Any",
                assign={
                    "keys": "{% [$states.result.Contents.Key] %}",
                    "uri": f"s3://{bucket}/",
                    "job": f"{{% '{job_prefix}' & $uuid() %}}",
                },
            ),
            "Any": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $count($keys) > 0 %}", "Next": "Select"}],
                "Default": "Done",
            },
            "Select": _task(
                "aws-sdk:s3:putObject",
                {
                    "Bucket": bucket,
                    "Key": f"{{% {manifest_key} %}}",
                    "Body": f"{{% {manifest} %}}",
                },
                next_="Answer",
            ),
            "Answer": _task(
                "sagemaker:createTransformJob.sync",
                {
                    "TransformJobName": "{% $job %}",
                    "ModelName": model_name,
                    "BatchStrategy": "SingleRecord",
                    "MaxConcurrentTransforms": concurrency,
                    "ModelClientConfig": {
                        "InvocationsTimeoutInSeconds": 600,
                        "InvocationsMaxRetries": 1,
                    },
                    "TransformInput": {
                        "ContentType": "application/json",
                        "DataSource": {
                            "S3DataSource": {
                                "S3DataType": "ManifestFile",
                                "S3Uri": f"{{% $uri & {manifest_key} %}}",
                            }
                        },
                    },
                    "TransformOutput": {"S3OutputPath": f"{{% $uri & '{ANSWERS}' %}}"},
                    "TransformResources": {
                        "InstanceType": instance_type,
                        "InstanceCount": instances,
                    },
                },
                next_="Clear",
            ),
            "Clear": _task(
                "aws-sdk:s3:deleteObjects",
                {
                    "Bucket": bucket,
                    "Delete": {"Objects": "{% [$keys.{'Key': $}] %}", "Quiet": True},
                },
                next_="List",
            ),
            "Done": {"Type": "Succeed"},
        },
    }


def bedrock_calls(bucket: str, model_id: str) -> States:
    """Return the states that have Bedrock answer each question that waits.

    Not a batch job of Bedrock: that wants a hundred questions at least.
    """
    question = f"'s3://{bucket}/' & $states.input.Key"
    answer = (
        f"'s3://{bucket}/{ANSWERS}' & $substringAfter($states.input.Key, '{QUESTIONS}')"
        f" & '{_SUFFIX}'"
    )
    ask = _task(
        "bedrock:invokeModel",
        {
            "ModelId": model_id,
            "Input": {"S3Uri": f"{{% {question} %}}"},
            "Output": {"S3Uri": f"{{% {answer} %}}"},
        },
        next_="Clear",
        assign={"key": "{% $states.input.Key %}"},
    )
    ask["Retry"] = [
        {
            "ErrorEquals": ["States.TaskFailed"],
            "IntervalSeconds": 5,
            "BackoffRate": 2,
            "MaxAttempts": 4,
            "JitterStrategy": "FULL",
        }
    ]
    clear = _task("aws-sdk:s3:deleteObject", {"Bucket": bucket, "Key": "{% $key %}"})
    return {
        "StartAt": "Answer",
        "States": {
            "Answer": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "Arguments": {"Bucket": bucket, "Prefix": QUESTIONS},
                },
                "MaxConcurrency": _AT_A_TIME,
                # One bad question must not keep the others waiting; many are an outage.
                "ToleratedFailurePercentage": 10,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    "StartAt": "Ask",
                    "States": {"Ask": ask, "Clear": clear},
                },
                "End": True,
            }
        },
    }


def _task(
    integration: str,
    arguments: dict[str, Any],
    *,
    next_: str | None = None,
    assign: dict[str, str] | None = None,
) -> States:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{integration}",
        "Arguments": arguments,
        **({"Assign": assign} if assign else {}),
        **({"Next": next_} if next_ else {"End": True}),
    }
