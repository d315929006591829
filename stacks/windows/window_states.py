"""What happens in a window: the states of the machine that empties a mailbox, in JSONata."""

from __future__ import annotations

from typing import Any

from stacks.endpoints.mailbox import ANSWERS, QUESTIONS
from sustainability.offers.bedrock import BATCH_RECORDS_MIN

MANIFESTS = "manifests/"
"""Lists of the questions that a job takes: those that come later wait for the next one."""
_AT_A_TIME = 4
"""Calls to Bedrock at once: a window is not urgent, and others share the quota."""
_LISTED = 500
"""Questions of one listing. A state's output has 262,144 bytes at the most, and S3 writes up to 330
about an object: a full page of 1,000 ends the window."""
_LOOK_SECONDS = 300
"""Between two looks at a batch job, which takes minutes to hours."""
_SUFFIX = ".out"
"""What SageMaker and Bedrock append to the name of a question to name its answer."""
_PATIENTLY = [
    {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": 5,
        "BackoffRate": 2,
        "MaxAttempts": 4,
        "JitterStrategy": "FULL",
    }
]

States = dict[str, Any]


def transform_jobs(
    bucket: str,
    *,
    job_prefix: str,
    model_name: str,
    concurrency: int,
    instance_type: str,
    instances: int,
    volume_key: str | None = None,
) -> States:
    """Return the states that run transform jobs, of up to 500 questions each, until none waits.

    A job fails if it cannot answer one question, though it answers the others. Those are cleared,
    so that they are not answered again in the next window, and the execution fails, to be seen.
    """
    manifest_key = f"'{MANIFESTS}' & $job & '.json'"
    manifest = (
        f"$append([{{'prefix': $uri & '{QUESTIONS}'}}], "
        f"$map($keys, function($key) {{ $substringAfter($key, '{QUESTIONS}') }}))"
    )
    return {
        "StartAt": "List",
        "States": {
            "List": _list(bucket, also={"job": f"{{% '{job_prefix}' & $uuid() %}}"}),
            "Any": _choose({"$count($keys) > 0": "Select"}, otherwise="Done"),
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
                        **({"VolumeKmsKeyId": volume_key} if volume_key else {}),
                    },
                },
                next_="Check",
                catch="Sort",
            ),
            # Before all questions go, one answer must be where whoever asked will look for it.
            "Check": _task(
                "aws-sdk:s3:headObject",
                {"Bucket": bucket, "Key": f"{{% {_answer_of('$keys[0]')} %}}"},
                next_="Clear",
                catch="Failed",
            ),
            "Clear": _task(
                "aws-sdk:s3:deleteObjects",
                {
                    "Bucket": bucket,
                    "Delete": {"Objects": "{% [$keys.{'Key': $}] %}", "Quiet": True},
                },
                next_="List",
            ),
            "Sort": {
                "Type": "Map",
                "Items": "{% $keys %}",
                "MaxConcurrency": 10,
                "ItemProcessor": {
                    "StartAt": "Look",
                    "States": {
                        "Look": _task(
                            "aws-sdk:s3:headObject",
                            {"Bucket": bucket, "Key": f"{{% {_answer_of('$states.input')} %}}"},
                            next_="Take",
                            assign={"key": "{% $states.input %}"},
                            catch="Leave",
                        ),
                        "Take": _delete(bucket, "$key"),
                        "Leave": {"Type": "Succeed"},
                    },
                },
                "Next": "Failed",
            },
            "Failed": {
                "Type": "Fail",
                "Error": "Unanswered",
                "Cause": "The job left questions unanswered; the next window takes them again.",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def bedrock_jobs(bucket: str, *, job_prefix: str, model_id: str, role_arn: str) -> States:
    """Return the states that have Bedrock answer the questions that wait.

    In one batch job, if there are enough of them; else, or if Bedrock refuses the job, one by one.
    """
    # One expression: what Step Functions does not know of it yet fails here, not the deployment.
    job = (
        f"{{'JobName': '{job_prefix}' & $uuid(), 'ModelId': '{model_id}', "
        f"'ModelInvocationType': 'Converse', 'RoleArn': '{role_arn}', "
        "'InputDataConfig': {'S3InputDataConfig': "
        f"{{'S3InputFormat': 'JSONL', 'S3Uri': $uri & '{QUESTIONS}'}}}}, "
        f"'OutputDataConfig': {{'S3OutputDataConfig': {{'S3Uri': $uri & '{ANSWERS}'}}}}}}"
    )
    name = "$split($states.input.Key, '/')[-1]"
    question = f"'{QUESTIONS}' & $substringBefore({name}, '{_SUFFIX}')"
    return {
        "StartAt": "List",
        "States": {
            "List": _list(bucket),
            "Any": _choose(
                {f"$count($keys) >= {BATCH_RECORDS_MIN}": "Submit", "$count($keys) > 0": "Ask"},
                otherwise="Done",
            ),
            "Submit": _task(
                "aws-sdk:bedrock:createModelInvocationJob",
                f"{{% {job} %}}",
                next_="Wait",
                assign={
                    "arn": "{% $states.result.JobArn %}",
                    "job": "{% $split($states.result.JobArn, '/')[-1] %}",
                },
                catch="Ask",
            ),
            "Wait": {"Type": "Wait", "Seconds": _LOOK_SECONDS, "Next": "Look"},
            "Look": _task(
                "aws-sdk:bedrock:getModelInvocationJob",
                {"JobIdentifier": "{% $arn %}"},
                next_="Ended",
                assign={"status": "{% $states.result.Status %}"},
                retry=True,
            ),
            "Ended": _choose(
                {
                    "$status in ['Completed', 'PartiallyCompleted', 'Stopped', 'Expired']": (
                        "Collect"
                    ),
                    "$status = 'Failed'": "Ask",
                },
                otherwise="Wait",
            ),
            "Collect": _for_each(
                bucket,
                f"{{% '{ANSWERS}' & $job & '/' %}}",
                {
                    "StartAt": "Kind",
                    "States": {
                        "Kind": _choose(
                            {f"$contains($states.input.Key, '.jsonl{_SUFFIX}')": "Copy"},
                            otherwise="Leave",
                        ),
                        "Copy": _task(
                            "aws-sdk:s3:copyObject",
                            {
                                "Bucket": bucket,
                                "CopySource": f"{{% '{bucket}/' & $states.input.Key %}}",
                                "Key": f"{{% '{ANSWERS}' & {name} %}}",
                            },
                            next_="Take",
                            assign={"key": f"{{% {question} %}}"},
                            retry=True,
                        ),
                        "Take": _delete(bucket, "$key"),
                        "Leave": {"Type": "Succeed"},
                    },
                },
            ),
            "Ask": _for_each(bucket, QUESTIONS, _one_question(bucket, model_id)),
            "Done": {"Type": "Succeed"},
        },
    }


def _one_question(bucket: str, model_id: str) -> States:
    """Return the states that answer one question and keep the answer as a batch job would.

    What Step Functions calls ``Messages`` and ``Text`` is ``messages`` and ``text`` in a record.
    """
    request = (
        f"{{'ModelId': '{model_id}', "
        "'System': [$question.system.{'Text': text}], "
        "'Messages': [$question.messages.{'Role': role, 'Content': [content.{'Text': text}]}], "
        "'InferenceConfig': {'MaxTokens': $question.inferenceConfig.maxTokens, "
        "'Temperature': $question.inferenceConfig.temperature, "
        "'TopP': $question.inferenceConfig.topP}, "
        "'AdditionalModelRequestFields': $question.additionalModelRequestFields}"
    )
    record = (
        "{'modelOutput': {"
        "'output': {'message': {'content': "
        "[$states.result.Output.Message.Content.{'text': Text}]}}, "
        "'stopReason': $states.result.StopReason, "
        "'usage': {'inputTokens': $states.result.Usage.InputTokens, "
        "'outputTokens': $states.result.Usage.OutputTokens}}}"
    )
    return {
        "StartAt": "Read",
        "States": {
            "Read": _task(
                "aws-sdk:s3:getObject",
                {"Bucket": bucket, "Key": "{% $states.input.Key %}"},
                next_="Converse",
                assign={
                    "key": "{% $states.input.Key %}",
                    "question": "{% $parse($states.result.Body).modelInput %}",
                },
            ),
            "Converse": _task(
                "aws-sdk:bedrockruntime:converse",
                f"{{% {request} %}}",
                next_="Keep",
                assign={"answer": f"{{% {record} %}}"},
                retry=True,
            ),
            "Keep": _task(
                "aws-sdk:s3:putObject",
                {
                    "Bucket": bucket,
                    "Key": f"{{% {_answer_of('$key')} %}}",
                    "Body": "{% $answer %}",
                },
                next_="Take",
            ),
            "Take": _delete(bucket, "$key"),
        },
    }


def _answer_of(question: str) -> str:
    return f"'{ANSWERS}' & $substringAfter({question}, '{QUESTIONS}') & '{_SUFFIX}'"


def _list(bucket: str, also: dict[str, str] | None = None) -> States:
    return _task(
        "aws-sdk:s3:listObjectsV2",
        {"Bucket": bucket, "Prefix": QUESTIONS, "MaxKeys": _LISTED},
        next_="Any",
        assign={
            "keys": "{% [$states.result.Contents.Key] %}",
            "uri": f"s3://{bucket}/",
            **(also or {}),
        },
    )


def _delete(bucket: str, key: str) -> States:
    return _task("aws-sdk:s3:deleteObject", {"Bucket": bucket, "Key": f"{{% {key} %}}"})


def _choose(cases: dict[str, str], *, otherwise: str) -> States:
    return {
        "Type": "Choice",
        "Choices": [
            {"Condition": f"{{% {condition} %}}", "Next": next_}
            for condition, next_ in cases.items()
        ],
        "Default": otherwise,
    }


def _for_each(bucket: str, prefix: str, states: States) -> States:
    """Return a map over all objects below a prefix, in executions of their own."""
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Arguments": {"Bucket": bucket, "Prefix": prefix},
        },
        "MaxConcurrency": _AT_A_TIME,
        # One bad question must not keep the others waiting; many are an outage.
        "ToleratedFailurePercentage": 10,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            **states,
        },
        "End": True,
    }


def _task(
    integration: str,
    arguments: dict[str, Any] | str,
    *,
    next_: str | None = None,
    assign: dict[str, str] | None = None,
    catch: str | None = None,
    retry: bool = False,
) -> States:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{integration}",
        "Arguments": arguments,
        **({"Assign": assign} if assign else {}),
        **({"Retry": _PATIENTLY} if retry else {}),
        **({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": catch}]} if catch else {}),
        **({"Next": next_} if next_ else {"End": True}),
    }
