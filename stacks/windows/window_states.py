"""The states of the Step Functions state machine that empties a mailbox, in JSONata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stacks.endpoints.mailbox import ANSWERS, HANDED, QUESTIONS
from sustainability.offers.bedrock import BATCH_RECORDS_MIN
from sustainability.plan.serving_plan import Batch

_CALLS_AT_A_TIME = 4
"""Concurrent calls to Bedrock. A window is not urgent, and others share the quota."""
_FILES_AT_A_TIME = 40
"""Objects of the mailbox that are handled concurrently."""
_LISTED = 500
"""Questions in one listing. A state's output can have 262,144 bytes, and S3 lists an object with up
to 330 bytes: a full page of 1,000 would fail the window."""
_SUFFIX = ".out"
"""The suffix that SageMaker and Bedrock add to a question's name to name its answer."""
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


def endpoint_queue(bucket: str, *, endpoint: str, variant: str, queued_s: int) -> States:
    """Return the states in which an asynchronous endpoint answers the waiting questions.

    Each question goes into the endpoint's queue, with a note about where its answer will be. Auto
    Scaling starts the instances. Each answer is copied to where the caller looks for it; then the
    instances stop.

    If a window ends early, through an error or for lack of time, the next window continues:
    questions stay until they are answered, and notes until their answer is copied.
    """
    return {
        "StartAt": "Open",
        "States": {
            "Open": {
                "Type": "Pass",
                "Assign": {
                    "handed": False,
                    "ends": f"{{% $millis() + {1000 * queued_s} %}}",
                },
                "Next": "Collect",
            },
            "Collect": _for_each(
                bucket,
                HANDED,
                _one_note(bucket),
                at_a_time=_FILES_AT_A_TIME,
                next_="Waiting",
            ),
            "Waiting": _list(bucket, HANDED, next_="Again"),
            "Again": _choose(
                {
                    "$not($handed)": "List",
                    "$count($keys) > 0 and $millis() < $ends": "Wait",
                },
                otherwise="Close",
            ),
            "List": _list(bucket, QUESTIONS, next_="Any"),
            "Any": _choose({"$count($keys) > 0": "HandOver"}, otherwise="Done"),
            "HandOver": _for_each(
                bucket,
                QUESTIONS,
                _one_request(bucket, endpoint, queued_s),
                at_a_time=_FILES_AT_A_TIME,
                next_="Wait",
            ),
            "Wait": {
                "Type": "Wait",
                "Seconds": Batch.LOOK_S,
                "Assign": {"handed": True},
                "Next": "Collect",
            },
            # Auto Scaling would need 15 minutes to see that the queue is empty.
            "Close": _task(
                "aws-sdk:sagemaker:updateEndpointWeightsAndCapacities",
                {
                    "EndpointName": endpoint,
                    "DesiredWeightsAndCapacities": [
                        {"VariantName": variant, "DesiredInstanceCount": 0}
                    ],
                },
                next_="Whole",
                catch="Whole",
            ),
            "Whole": _choose({"$count($keys) = 0": "Done"}, otherwise="Late"),
            "Late": {
                "Type": "Fail",
                "Error": "Unanswered",
                "Cause": "The window left questions unanswered; the next window tries them again.",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def _one_request(bucket: str, endpoint: str, queued_s: int) -> States:
    """Return the states that queue one question, and note where its answer will be."""
    places = {
        place: f"$substringAfter($states.result.{location}, '{bucket}/')"
        for place, location in (("answer", "OutputLocation"), ("failure", "FailureLocation"))
    }
    return {
        "StartAt": "Invoke",
        "States": {
            "Invoke": _task(
                "aws-sdk:sagemakerruntime:invokeEndpointAsync",
                {
                    "EndpointName": endpoint,
                    "ContentType": "application/json",
                    "InputLocation": f"{{% 's3://{bucket}/' & $states.input.Key %}}",
                    "RequestTTLSeconds": queued_s,
                },
                next_="Note",
                assign={
                    "key": "{% $states.input.Key %}",
                    **{name: f"{{% {place} %}}" for name, place in places.items()},
                },
                retry=True,
            ),
            "Note": _task(
                "aws-sdk:s3:putObject",
                {
                    "Bucket": bucket,
                    "Key": f"{{% '{HANDED}' & $substringAfter($key, '{QUESTIONS}') %}}",
                    "Body": "{% {'answer': $answer, 'failure': $failure} %}",
                },
            ),
        },
    }


def _one_note(bucket: str) -> States:
    """Return the states that copy one answer to where the caller looks, if there is one.

    A failure that SageMaker reports is copied as well: the caller reads that it is no answer, and
    may ask again.
    """
    question = f"'{QUESTIONS}' & $substringAfter($note, '{HANDED}')"

    def look(place: str, *, otherwise: str) -> States:
        return _task(
            "aws-sdk:s3:headObject",
            {"Bucket": bucket, "Key": f"{{% {place} %}}"},
            next_="Bring",
            assign={"found": f"{{% {place} %}}"},
            catch=otherwise,
        )

    return {
        "StartAt": "Read",
        "States": {
            "Read": _task(
                "aws-sdk:s3:getObject",
                {"Bucket": bucket, "Key": "{% $states.input.Key %}"},
                next_="Look",
                assign={
                    "note": "{% $states.input.Key %}",
                    "places": "{% $parse($states.result.Body) %}",
                },
            ),
            "Look": look("$places.answer", otherwise="LookForFailure"),
            "LookForFailure": look("$places.failure", otherwise="Leave"),
            "Bring": _task(
                "aws-sdk:s3:copyObject",
                {
                    "Bucket": bucket,
                    "CopySource": f"{{% '{bucket}/' & $found %}}",
                    "Key": f"{{% {_answer_of(question)} %}}",
                },
                next_="Take",
                retry=True,
            ),
            "Take": _delete(bucket, question, next_="Cross"),
            "Cross": _delete(bucket, "$note"),
            "Leave": {"Type": "Succeed"},
        },
    }


def bedrock_jobs(bucket: str, *, job_prefix: str, model_id: str, role_arn: str) -> States:
    """Return the states in which Bedrock answers the waiting questions.

    Enough questions go into one batch job. Fewer are asked one by one, as are all questions if
    Bedrock refuses the job.
    """
    # One expression: a field that Step Functions does not know fails here, not at deployment.
    job = (
        f"{{'JobName': '{job_prefix}' & $uuid(), 'ModelId': '{model_id}', "
        f"'ModelInvocationType': 'Converse', 'RoleArn': '{role_arn}', "
        "'InputDataConfig': {'S3InputDataConfig': "
        f"{{'S3InputFormat': 'JSONL', 'S3Uri': 's3://{bucket}/{QUESTIONS}'}}}}, "
        f"'OutputDataConfig': {{'S3OutputDataConfig': {{'S3Uri': 's3://{bucket}/{ANSWERS}'}}}}}}"
    )
    name = "$split($states.input.Key, '/')[-1]"
    question = f"'{QUESTIONS}' & $substringBefore({name}, '{_SUFFIX}')"
    return {
        "StartAt": "List",
        "States": {
            "List": _list(bucket, QUESTIONS, next_="Any"),
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
            "Wait": {"Type": "Wait", "Seconds": Batch.LOOK_S, "Next": "Look"},
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
    """Return the states that answer one question and store the answer as a batch job does.

    Step Functions writes ``Messages`` and ``Text``; a batch record has ``messages`` and ``text``.
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
                # A question that the model cannot read would fail again: report it to the caller.
                catch="Refused",
                caught=["BedrockRuntime.ModelErrorException", "BedrockRuntime.ValidationException"],
            ),
            "Refused": {
                "Type": "Pass",
                "Assign": {"answer": {"error": "The model refuses this question."}},
                "Next": "Keep",
            },
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


def _list(bucket: str, prefix: str, *, next_: str) -> States:
    return _task(
        "aws-sdk:s3:listObjectsV2",
        {"Bucket": bucket, "Prefix": prefix, "MaxKeys": _LISTED},
        next_=next_,
        assign={"keys": "{% [$states.result.Contents.Key] %}"},
    )


def _delete(bucket: str, key: str, *, next_: str | None = None) -> States:
    arguments = {"Bucket": bucket, "Key": f"{{% {key} %}}"}
    return _task("aws-sdk:s3:deleteObject", arguments, next_=next_)


def _choose(cases: dict[str, str], *, otherwise: str) -> States:
    return {
        "Type": "Choice",
        "Choices": [
            {"Condition": f"{{% {condition} %}}", "Next": next_}
            for condition, next_ in cases.items()
        ],
        "Default": otherwise,
    }


def _for_each(
    bucket: str,
    prefix: str,
    states: States,
    *,
    at_a_time: int = _CALLS_AT_A_TIME,
    next_: str | None = None,
) -> States:
    """Return a distributed map over all objects below a prefix."""
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Arguments": {"Bucket": bucket, "Prefix": prefix},
        },
        "MaxConcurrency": at_a_time,
        # One bad question must not delay the others; many failures are an outage.
        "ToleratedFailurePercentage": 10,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            **states,
        },
        **_then(next_),
    }


def _task(
    integration: str,
    arguments: dict[str, Any] | str,
    *,
    next_: str | None = None,
    assign: dict[str, str] | None = None,
    catch: str | None = None,
    caught: Sequence[str] = ("States.ALL",),
    retry: bool = False,
) -> States:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{integration}",
        "Arguments": arguments,
        **({"Assign": assign} if assign else {}),
        **({"Retry": _PATIENTLY} if retry else {}),
        **({"Catch": [{"ErrorEquals": list(caught), "Next": catch}]} if catch else {}),
        **_then(next_),
    }


def _then(next_: str | None) -> States:
    return {"Next": next_} if next_ else {"End": True}
