"""Executions of SageMaker pipelines: started, run step by step, stopped, and gone on with.

Each job is started with the pipeline's role, which so needs what AWS asks of it: to create jobs,
to pass them their roles, to read the property files.
https://docs.aws.amazon.com/sagemaker/latest/dg/define-pipeline.html
"""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from ministack.core.responses import get_account_id, get_region

from local import clock, job_runs
from local import ministack_internals as internals
from local.cloudformation import RECORDS, Behaviour, Properties
from local.models.aws import ServiceError, check_request
from local.pipelines.definition import Definition, DefinitionError, Step, Values, at
from local.roles import require_trust, session_as

Request = dict[str, Any]

PIPELINE = "AWS::SageMaker::Pipeline"
EXECUTIONS: dict[str, Request] = {}
"""Each execution by its ARN: what DescribePipelineExecution answers, and under ``run`` the rest."""
_RUNS, _STOPPING, _STOPPED = "Executing", "Stopping", "Stopped"
_PAGE = 100
_JOBS = {"Training": "training", "Processing": "processing"}
_STEP_FAILED = "Step failure: One or multiple steps failed."
_lock = threading.Lock()


class _StepFailed(Exception):
    """Why a step failed."""


class _StepStopped(Exception):
    """The execution was stopped during a step."""


def behaviours() -> dict[str, Behaviour]:
    """Return what the resource type does beside its record: it refuses what nothing can run."""

    def check(physical_id: str, props: Properties) -> None:
        Definition.read(_body(props))

    return {PIPELINE: Behaviour(create=check, update=check)}


def operations() -> dict[str, Callable[[Request], Request]]:
    """Return a function from request to response for each operation."""
    internals.keep("local_pipeline_executions", lambda: EXECUTIONS, _restore)
    return {
        "DescribePipeline": _describe_pipeline,
        "DescribePipelineDefinitionForExecution": lambda request: {
            "PipelineDefinition": _execution(request)["run"]["definition"],
            "CreationTime": _execution(request)["CreationTime"],
        },
        "DescribePipelineExecution": lambda request: _public(_execution(request)),
        "ListPipelineExecutions": _list,
        "ListPipelineExecutionSteps": _list_steps,
        "ListPipelineParametersForExecution": lambda request: {
            "PipelineParameters": [
                {"Name": name, "Value": str(value)}
                for name, value in _execution(request)["run"]["parameters"].items()
            ]
        },
        "RetryPipelineExecution": _retry,
        "StartPipelineExecution": _start,
        "StopPipelineExecution": _stop,
    }


def _start(request: Request) -> Request:
    check_request("sagemaker", "StartPipelineExecution", request)
    name = request["PipelineName"].rsplit("/", 1)[-1]
    pipeline = _pipeline(name)
    token, asked = request["ClientRequestToken"], json.dumps(request, sort_keys=True)
    with _lock:
        for arn, execution in EXECUTIONS.items():
            if (execution["PipelineArn"], execution["run"]["token"]) == (_arn(name), token):
                if execution["run"]["asked"] != asked:
                    raise ServiceError(
                        "ConflictException",
                        "The ClientRequestToken was already used with other parameters.",
                    )
                return {"PipelineExecutionArn": arn}
        body, role = _body(pipeline), pipeline["RoleArn"]
        require_trust(role)
        given = {each["Name"]: each["Value"] for each in request.get("PipelineParameters", ())}
        values = Definition.read(body).values(given)
        arn, now = f"{_arn(name)}/execution/{uuid.uuid4().hex[:12]}", clock.now()
        display = request.get("PipelineExecutionDisplayName", f"execution-{int(now * 1000)}")
        EXECUTIONS[arn] = {
            "PipelineArn": _arn(name),
            "PipelineExecutionArn": arn,
            "PipelineExecutionDisplayName": display,
            "PipelineExecutionStatus": _RUNS,
            "CreationTime": now,
            "LastModifiedTime": now,
            "run": {
                "token": token,
                "asked": asked,
                "definition": body,
                "parameters": values,
                "role": role,
                "steps": [],
            },
        }
        if "PipelineExecutionDescription" in request:
            described = request["PipelineExecutionDescription"]
            EXECUTIONS[arn]["PipelineExecutionDescription"] = described
    _go_on(EXECUTIONS[arn])
    return {"PipelineExecutionArn": arn}


def _retry(request: Request) -> Request:
    """Go on with an execution that failed or was stopped; steps that succeeded stay."""
    check_request("sagemaker", "RetryPipelineExecution", request)
    execution = _execution(request)
    with _lock:
        if execution["PipelineExecutionStatus"] not in ("Failed", _STOPPED):
            raise ValueError(
                "Only pipeline executions with status Failed or Stopped can be retried; this one "
                f"is {execution['PipelineExecutionStatus']}."
            )
        run = execution["run"]
        run["steps"] = [step for step in run["steps"] if step["StepStatus"] == "Succeeded"]
        execution.pop("FailureReason", None)
        execution["PipelineExecutionStatus"] = _RUNS
    _go_on(execution)
    return {"PipelineExecutionArn": execution["PipelineExecutionArn"]}


def _stop(request: Request) -> Request:
    check_request("sagemaker", "StopPipelineExecution", request)
    execution = _execution(request)
    with _lock:
        if execution["PipelineExecutionStatus"] not in (_RUNS, _STOPPING):
            raise ValueError(
                "Only pipeline executions with status Executing can be stopped; this one is "
                f"{execution['PipelineExecutionStatus']}."
            )
        execution["PipelineExecutionStatus"] = _STOPPING
        for step in execution["run"]["steps"]:
            if step["StepStatus"] == _RUNS and "job" in step:
                job_runs.stop(step["job"]["arn"])
    return {"PipelineExecutionArn": execution["PipelineExecutionArn"]}


def _go_on(execution: Request) -> None:
    """Run the steps that have not succeeded yet, in a thread of its own."""
    account, region = get_account_id(), get_region()

    def run() -> None:
        internals.act_as(account, region)
        status, reason = _Run(execution, region).run()
        with _lock:
            if reason:
                execution["FailureReason"] = reason
            execution["PipelineExecutionStatus"] = status
            execution["LastModifiedTime"] = clock.now()

    threading.Thread(target=run, daemon=True).start()


class _Run:
    """A run of an execution, as the pipeline's role."""

    def __init__(self, execution: Request, region: str) -> None:
        self._execution, self._state = execution, execution["run"]
        self._definition = Definition.read(self._state["definition"])
        session = session_as(self._state["role"], region)
        self._sagemaker, self._s3 = session.client("sagemaker"), session.client("s3")
        self._descriptions: dict[str, Request] = {}
        arn = execution["PipelineExecutionArn"]
        self._id = arn.rsplit("/", 1)[-1]
        self._values = Values(
            self._state["parameters"],
            {
                "PipelineExecutionId": self._id,
                "PipelineExecutionArn": arn,
                "PipelineArn": execution["PipelineArn"],
                "PipelineName": execution["PipelineArn"].rsplit("/", 1)[-1],
            },
            self._described,
            self._read,
        )

    def run(self) -> tuple[str, str | None]:
        """Run the steps; return the execution's status, and why it failed."""
        done = {step["StepName"]: step for step in self._state["steps"]}
        for step in self._definition.steps:
            if step.name in done or not self._is_taken(step):
                continue
            if self._execution["PipelineExecutionStatus"] == _STOPPING:
                return _STOPPED, None
            kept = {
                "StepName": step.name,
                "StepStatus": _RUNS,
                "StartTime": clock.now(),
                "AttemptCount": 1,
            }
            self._state["steps"].append(kept)
            try:
                self._do(step, kept)
            except _StepStopped:
                kept |= {"StepStatus": _STOPPED, "EndTime": clock.now()}
                return _STOPPED, None
            except (BotoCoreError, ClientError, DefinitionError, _StepFailed) as error:
                kept |= {"StepStatus": "Failed", "EndTime": clock.now()}
                kept["FailureReason"] = f"ClientError: {error}"[:1024]
                return "Failed", _STEP_FAILED
            kept |= {"StepStatus": "Succeeded", "EndTime": clock.now()}
        return "Succeeded", None

    def _is_taken(self, step: Step) -> bool:
        """Return whether all that a step needs was run, and a condition led to it."""
        taken = {each["StepName"]: each for each in self._state["steps"]}
        if not step.needs <= taken.keys():
            return False
        if step.branch is None:
            return True
        condition, wanted = step.branch
        return bool(taken[condition]["Metadata"]["Condition"]["Outcome"] == str(wanted))

    def _do(self, step: Step, kept: Request) -> None:
        if step.kind == "Condition":
            outcome = all(self._values.holds(each) for each in step.arguments["Conditions"])
            kept["Metadata"] = {"Condition": {"Outcome": str(outcome)}}
            return
        arguments = self._values.fill(step.arguments)
        if step.kind == "Fail":
            message = str(arguments["ErrorMessage"])
            kept["Metadata"] = {"Fail": {"ErrorMessage": message}}
            raise _StepFailed(message)
        if step.kind == "RegisterModel":
            made = self._call("create_model_package", arguments)["ModelPackageArn"]
            kept["Metadata"] = {"RegisterModel": {"Arn": made}}
            return
        self._work(step, kept, arguments)

    def _work(self, step: Step, kept: Request, arguments: Request) -> None:
        """Run a job, or take the result of an earlier one with the same arguments."""
        kind = _JOBS[step.kind]
        title = kind.capitalize()
        text = json.dumps([step.kind, arguments], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        kept["key"] = key
        if (hit := self._cached(step, key)) is not None:
            execution, earlier = hit
            kept["job"] = earlier["job"]
            kept["CacheHitResult"] = {"SourcePipelineExecutionArn": execution}
            kept["Metadata"] = earlier["Metadata"]
            return
        name = f"pipelines-{self._id}-{step.name[:20]}-{uuid.uuid4().hex[:10]}"
        answer = self._call(f"create_{kind}_job", {f"{title}JobName": name, **arguments})
        arn = answer[f"{title}JobArn"]
        kept["job"] = {"kind": kind, "name": name, "arn": arn}
        kept["Metadata"] = {f"{title}Job": {"Arn": arn}}
        if self._execution["PipelineExecutionStatus"] == _STOPPING:
            job_runs.stop(arn)
        job_runs.wait(arn)
        ended = self._described(step.name)
        status = ended[f"{title}JobStatus"]
        if status == "Stopped" and self._execution["PipelineExecutionStatus"] == _STOPPING:
            raise _StepStopped
        if status != "Completed":
            raise _StepFailed(ended.get("FailureReason", f"the job was {status.lower()}"))

    def _cached(self, step: Step, key: str) -> tuple[str, Request] | None:
        """Return the newest result that may be used again, with the execution that made it."""
        if not step.cached_s:
            return None
        since = clock.now() - step.cached_s
        found = [
            (arn, each)
            for arn, execution in EXECUTIONS.items()
            if execution["PipelineArn"] == self._execution["PipelineArn"]
            for each in execution["run"]["steps"]
            if each.get("key") == key
            and each["StepStatus"] == "Succeeded"
            and "CacheHitResult" not in each
            and each["EndTime"] >= since
        ]
        return max(found, key=lambda item: float(item[1]["EndTime"]), default=None)

    def _call(self, operation: str, arguments: Request) -> Request:
        title = "".join(word.capitalize() for word in operation.split("_"))
        try:
            answer: Request = getattr(self._sagemaker, operation)(**arguments)
        except (ClientError, ParamValidationError) as error:
            raise _StepFailed(
                f"Failed to invoke sagemaker:{title}. Error Details: {error}"
            ) from error
        return answer

    def _described(self, step: str) -> Request:
        """Return the description of a step's job."""
        if step not in self._descriptions:
            jobs = {each["StepName"]: each.get("job") for each in self._state["steps"]}
            job = jobs.get(step)
            if job is None:
                raise DefinitionError(f"Steps.{step} has no job")
            argument = {f"{job['kind'].capitalize()}JobName": job["name"]}
            described = self._call(f"describe_{job['kind']}_job", argument)
            self._descriptions[step] = described
        return self._descriptions[step]

    def _read(self, step: str, file: str, path: str) -> Any:
        """Return what a property file holds at a path."""
        files = {each.name: each.files for each in self._definition.steps}
        if file not in files.get(step, {}):
            raise DefinitionError(f"Step {step} has no property file {file}")
        output, name = files[step][file]
        outputs = self._described(step)["ProcessingOutputConfig"]["Outputs"]
        places = {each["OutputName"]: each["S3Output"]["S3Uri"] for each in outputs}
        address = urlsplit(places[output])
        key = f"{address.path.strip('/')}/{name}"
        content = json.loads(self._s3.get_object(Bucket=address.netloc, Key=key)["Body"].read())
        return at(content, f".{path}")


def _describe_pipeline(request: Request) -> Request:
    name = request["PipelineName"].rsplit("/", 1)[-1]
    properties = _pipeline(name)
    return {
        "PipelineArn": _arn(name),
        "PipelineName": name,
        "PipelineStatus": "Active",
        "PipelineDefinition": _body(properties),
        "RoleArn": properties["RoleArn"],
    }


def _list(request: Request) -> Request:
    check_request("sagemaker", "ListPipelineExecutions", request)
    name = request["PipelineName"].rsplit("/", 1)[-1]
    _pipeline(name)
    found = [each for each in EXECUTIONS.values() if each["PipelineArn"] == _arn(name)]
    found.sort(
        key=lambda each: float(each["CreationTime"]),
        reverse=request.get("SortOrder", "Descending") == "Descending",
    )
    summaries = [_summary(each) for each in found]
    return paged(request, "PipelineExecutionSummaries", summaries)


def _list_steps(request: Request) -> Request:
    check_request("sagemaker", "ListPipelineExecutionSteps", request)
    steps = [
        {key: value for key, value in step.items() if key not in ("job", "key")}
        for step in _execution(request)["run"]["steps"]
    ]
    if request.get("SortOrder", "Descending") == "Descending":
        steps.reverse()
    return paged(request, "PipelineExecutionSteps", steps)


def paged(request: Request, member: str, items: list[Request]) -> Request:
    """Return one page of a list, and where the next one begins."""
    first = int(request.get("NextToken", "0"))
    last = first + request.get("MaxResults", _PAGE)
    more = {"NextToken": str(last)} if last < len(items) else {}
    return {member: items[first:last], **more}


def _summary(execution: Request) -> Request:
    shown = {
        "PipelineExecutionArn": execution["PipelineExecutionArn"],
        "StartTime": execution["CreationTime"],
        "PipelineExecutionStatus": execution["PipelineExecutionStatus"],
        "PipelineExecutionDisplayName": execution["PipelineExecutionDisplayName"],
    }
    if "FailureReason" in execution:
        shown["PipelineExecutionFailureReason"] = execution["FailureReason"]
    return shown


def _public(execution: Request) -> Request:
    return {key: value for key, value in execution.items() if key != "run"}


def _execution(request: Request) -> Request:
    arn = request["PipelineExecutionArn"]
    if arn not in EXECUTIONS:
        raise ServiceError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
    return EXECUTIONS[arn]


def _pipeline(name: str) -> Properties:
    for record in list(RECORDS.values()):
        if (record["type"], record["region"], record["id"]) == (PIPELINE, get_region(), name):
            properties: Properties = record["properties"]
            return properties
    raise ServiceError("ResourceNotFound", f"Pipeline '{_arn(name)}' does not exist.")


def _body(properties: Properties) -> str:
    given = properties["PipelineDefinition"]
    if "PipelineDefinitionBody" not in given:
        raise DefinitionError("The embedded AWS reads definitions that stand in the template.")
    return str(given["PipelineDefinitionBody"])


def _restore(kept: dict[str, Request]) -> None:
    """Take back the executions of an earlier run of the emulator, with which running ones ended."""
    for execution in kept.values():
        if execution["PipelineExecutionStatus"] in (_RUNS, _STOPPING):
            execution["PipelineExecutionStatus"] = _STOPPED
            for step in _running(execution):
                step["StepStatus"] = _STOPPED
    EXECUTIONS.update(kept)


def _running(execution: Request) -> Iterator[Request]:
    return (step for step in execution["run"]["steps"] if step["StepStatus"] == _RUNS)


def _arn(name: str) -> str:
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:pipeline/{name}"
