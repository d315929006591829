"""Lists what exists in the embedded AWS, so that a test can check that nothing is left."""

from __future__ import annotations

from local import ministack_internals as internals
from local.cloudformation import RECORDS

# Resource type, and where MiniStack stores its resources.
_STORES = {
    "AWS::ApiGatewayV2::Api": ("apigateway", "_apis"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "_alarms"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "_dashboards"),
    "AWS::CodeBuild::Project": ("codebuild", "_projects"),
    "AWS::DynamoDB::Table": ("dynamodb", "_tables"),
    "AWS::ECR::Repository": ("ecr", "_repositories"),
    "AWS::Events::Rule": ("eventbridge", "_rules"),
    "AWS::IAM::Role": ("iam", "_roles"),
    "AWS::Lambda::EventSourceMapping": ("lambda_svc", "_esms"),
    "AWS::Lambda::Function": ("lambda_svc", "_functions"),
    "AWS::Logs::LogGroup": ("cloudwatch_logs", "_log_groups"),
    "AWS::OpenSearchService::Domain": ("opensearch", "_domains"),
    "AWS::S3::Bucket": ("s3", "_buckets"),
    "AWS::Scheduler::Schedule": ("scheduler", "_schedules"),
    "AWS::SNS::Topic": ("sns", "_topics"),
    "AWS::SQS::Queue": ("sqs", "_queues"),
    "AWS::SSM::Parameter": ("ssm", "_parameters"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "_secrets"),
    "AWS::StepFunctions::StateMachine": ("stepfunctions", "_state_machines"),
}


def resources() -> list[dict[str, str | None]]:
    """Return every resource: its type, its id, and its stack, or None without a stack."""
    stacks = owners()
    found = [(record["type"], record["id"]) for record in RECORDS.values()]
    for type_name, (module_name, store_name) in _STORES.items():
        identifiers = internals.names_of(module_name, store_name)
        found += [(type_name, each.removeprefix("default|")) for each in identifiers]
    return [
        {"type": type_name, "id": identifier, "stack": stacks.get((type_name, identifier))}
        for type_name, identifier in sorted(found)
    ]


def owners() -> dict[tuple[str, str], str]:
    """Return the stack of each resource that has one, by type and physical id."""
    return {
        (resource["ResourceType"], str(resource["PhysicalResourceId"])): stack["StackName"]
        for stack in internals.stacks()
        if stack["StackStatus"] != "DELETE_COMPLETE"
        for resource in stack.get("_resources", {}).values()
    }
