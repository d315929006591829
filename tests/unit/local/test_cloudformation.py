from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core.responses import set_request_region
from ministack.services.cloudformation import _stacks, provisioners

from local import cloudformation, ministack_internals
from local.cloudformation import RECORDS, Behaviour, handlers
from local.inventory import resources

COLLECTION = "AWS::OpenSearchServerless::Collection"
GROUP = "AWS::OpenSearchServerless::CollectionGroup"
INDEX = "AWS::OpenSearchServerless::CollectionIndex"
MODEL = "AWS::SageMaker::Model"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
BUDGET = "AWS::Budgets::Budget"
ROLE = "arn:aws:iam::000000000000:role/serving"
CAPACITY = {
    "ResourceId": "inference-component/copies",
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    "MinCapacity": 0,
    "MaxCapacity": 2,
}


@pytest.fixture(autouse=True)
def _region() -> Iterator[None]:
    set_request_region("eu-north-1")
    RECORDS.clear()
    yield
    RECORDS.clear()
    set_request_region(None)


def create(type_name: str, **props: Any) -> tuple[str, dict[str, Any]]:
    created: tuple[str, dict[str, Any]] = handlers(type_name)["create"]("Thing", props, "Stack")
    return created


def update(type_name: str, identifier: str, old: Any, new: Any) -> tuple[str, dict[str, Any]]:
    updated: tuple[str, dict[str, Any]]
    updated = handlers(type_name)["update"](identifier, old, new, "Stack", "Thing")
    return updated


@pytest.mark.parametrize(
    ("type_name", "props", "words"),
    [
        pytest.param(COLLECTION, {}, ["#: ", "'Name'", "required"], id="required"),
        pytest.param(
            TARGET, {**CAPACITY, "MaxCapacity": "many"}, ["#/MaxCapacity", "integer"], id="type"
        ),
        pytest.param(
            COLLECTION,
            {"Name": "chunks", "StandbyReplicas": "NO"},
            ["#/StandbyReplicas", "ENABLED", "DISABLED"],
            id="enum",
        ),
        pytest.param(
            COLLECTION, {"Name": "My Chunks"}, ["#/Name", "^[a-z][a-z0-9-]{2,63}$"], id="pattern"
        ),
        pytest.param(
            COLLECTION,
            {"Name": "chunks", "Standby": "ENABLED"},
            ["#/Standby", "Allowed: ", "StandbyReplicas"],
            id="unknown property",
        ),
        pytest.param(
            GROUP,
            {
                "Name": "group",
                "StandbyReplicas": "ENABLED",
                "CapacityLimits": {"MaxSearchCapacityInOcu": -1},
            },
            ["#/CapacityLimits/MaxSearchCapacityInOcu", "minimum of 1"],
            id="minimum",
        ),
        pytest.param(COLLECTION, {"Name": "a" * 65}, ["#/Name", "maximum length: 64"], id="length"),
        pytest.param(
            COLLECTION, {"Name": "chunks", "Arn": "arn:aws:x"}, ["#/Arn", "service"], id="read-only"
        ),
    ],
)
def test_a_violation_is_named_with_its_place_and_what_is_allowed(
    type_name: str, props: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match="resource Thing") as refusal:
        create(type_name, **props)

    assert [word for word in words if word not in str(refusal.value)] == []
    assert RECORDS == {}


def test_numbers_may_be_written_as_text_as_in_cloudformation() -> None:
    create(TARGET, **{**CAPACITY, "MinCapacity": "0"})


def test_a_type_that_the_region_lacks_names_the_regions_that_have_it() -> None:
    with pytest.raises(ValueError, match=r"does not exist in eu-north-1.*eu-west-1"):
        create(BUDGET, Budget={"BudgetType": "COST", "TimeUnit": "MONTHLY"})


def test_ref_is_the_identifier_and_getatt_knows_the_read_only_properties() -> None:
    identifier, attributes = create(COLLECTION, Name="chunks")

    assert attributes["Id"] == identifier
    assert attributes["Arn"] == f"arn:aws:aoss:eu-north-1:000000000000:collection/{identifier}"


def test_arn_ends_in_the_name_where_the_service_draws_no_identifier() -> None:
    reference, attributes = create(MODEL, ModelName="small", ExecutionRoleArn=ROLE)

    assert reference == "arn:aws:sagemaker:eu-north-1:000000000000:model/small"
    assert attributes["ModelName"] == "small"


def test_a_name_left_out_is_made_from_stack_and_logical_id() -> None:
    _, attributes = create(MODEL, ExecutionRoleArn=ROLE)

    assert attributes["ModelName"].startswith("Stack-Thing-")


def test_ref_of_a_compound_identifier_joins_its_parts() -> None:
    reference, _ = create(TARGET, **CAPACITY)

    assert reference == (
        "inference-component/copies|sagemaker:inference-component:DesiredCopyCount|sagemaker"
    )


def test_ref_of_a_scaling_policy_is_its_arn_alone() -> None:
    reference, attributes = create(
        POLICY, PolicyName="out", PolicyType="StepScaling", ScalingTargetId="target"
    )

    assert reference == attributes["Arn"]
    assert "|" not in reference


def test_what_one_type_generates_satisfies_the_schema_of_another() -> None:
    variant = {
        "Name": "plain",
        "TemplateType": "TEXT",
        "TemplateConfiguration": {"Text": {"Text": "Answer."}},
    }
    prompt, _ = create("AWS::Bedrock::Prompt", Name="answer", Variants=[variant])

    version, _ = create("AWS::Bedrock::PromptVersion", PromptArn=prompt)

    assert version.startswith("arn:aws:bedrock:eu-north-1:000000000000:prompt/")


def test_an_update_in_place_keeps_identifier_and_attributes() -> None:
    old = {"Name": "chunks"}
    identifier, attributes = create(COLLECTION, **old)

    assert update(COLLECTION, identifier, old, {**old, "Description": "for questions"}) == (
        identifier,
        attributes,
    )
    assert resources()[0]["id"] == identifier


@pytest.mark.parametrize(
    ("type_name", "old", "new"),
    [
        ("AWS::Logs::LogGroup", {"LogGroupName": "a"}, {"LogGroupName": "b"}),
        ("AWS::DynamoDB::Table", {"TableName": "a"}, {"TableName": "a", "BillingMode": "X"}),
        ("AWS::Lambda::Permission", {"FunctionName": "f"}, {"FunctionName": "f", "Action": "x"}),
    ],
)
def test_a_new_name_a_changed_setting_and_a_name_of_the_services_own_are_not_refused(
    type_name: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert cloudformation.custom_named_replacement_error(type_name, old, new) is None


def test_an_update_is_checked_too() -> None:
    identifier, _ = create(COLLECTION, Name="chunks")

    with pytest.raises(ValueError, match="#/DeletionProtection"):
        update(COLLECTION, identifier, {"Name": "chunks"}, {"DeletionProtection": "MAYBE"})


@pytest.mark.parametrize(
    ("region", "type_name", "old", "new"),
    [
        pytest.param(
            "eu-north-1", COLLECTION, {"Name": "chunks"}, {"Name": "passages"}, id="top level"
        ),
        pytest.param(
            "eu-west-1",
            BUDGET,
            {"Budget": {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetName": "a"}},
            {"Budget": {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetName": "b"}},
            id="nested",
        ),
    ],
)
def test_a_changed_create_only_property_replaces_the_resource(
    region: str, type_name: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    set_request_region(region)
    before, _ = create(type_name, **old)

    after, _ = update(type_name, before, old, new)

    assert {entry["id"] for entry in resources()} == {before, after}
    handlers(type_name)["delete"](before, old)
    assert [entry["id"] for entry in resources()] == [after]


def test_a_replacement_that_keeps_a_unique_name_is_refused() -> None:
    old = {"Name": "chunks"}
    identifier, _ = create(COLLECTION, **old)

    for change in ({"StandbyReplicas": "DISABLED"}, {"Tags": [{"Key": "team", "Value": "b"}]}):
        with pytest.raises(ValueError, match="custom-named resource requires replacing"):
            update(COLLECTION, identifier, old, {**old, **change})


def test_two_resources_cannot_share_an_identifier() -> None:
    create(INDEX, Id="collection", IndexName="chunks")

    with pytest.raises(ValueError, match=r"'collection\|chunks' already exists"):
        create(INDEX, Id="collection", IndexName="chunks")


def test_a_behaviour_acts_and_adds_attributes() -> None:
    calls = []
    behaviour = Behaviour(
        attributes=lambda physical_id, props: {"CollectionEndpoint": "http://127.0.0.1:9200"},
        create=lambda physical_id, props: calls.append(("create", props["Name"])),
        update=lambda physical_id, props: calls.append(("update", props["Description"])),
        delete=lambda physical_id, props: calls.append(("delete", props["Name"])),
    )
    handler = handlers(COLLECTION, behaviour)
    old, new = {"Name": "chunks"}, {"Name": "chunks", "Description": "new"}

    identifier, attributes = handler["create"]("Thing", old, "Stack")
    handler["update"](identifier, old, new, "Stack", "Thing")
    handler["delete"](identifier, new)
    handler["delete"](identifier, new)

    assert attributes["CollectionEndpoint"] == "http://127.0.0.1:9200"
    assert calls == [("create", "chunks"), ("update", "new"), ("delete", "chunks")]
    assert RECORDS == {}


def test_a_failed_creation_leaves_nothing() -> None:
    def fail(physical_id: str, props: cloudformation.Properties) -> None:
        raise ValueError("no index")

    with pytest.raises(ValueError, match="no index"):
        handlers(COLLECTION, Behaviour(create=fail))["create"]("Thing", {"Name": "chunks"}, "S")

    assert resources() == []


def test_the_listing_names_the_stack_that_owns_a_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    identifier, _ = create(COLLECTION, Name="chunks")
    orphan, _ = create(COLLECTION, Name="forgotten")
    owned = {"Thing": {"ResourceType": COLLECTION, "PhysicalResourceId": identifier}}
    stack = {"StackName": "Stack", "StackStatus": "CREATE_COMPLETE", "_resources": owned}
    monkeypatch.setitem(_stacks._data, ("000000000000", "eu-north-1", "Stack"), stack)

    assert {entry["id"]: entry["stack"] for entry in resources()} == {
        identifier: "Stack",
        orphan: None,
    }


def test_registering_adds_types_of_all_regions_and_replaces_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = dict(provisioners._RESOURCE_HANDLERS)
    table = dict(known)
    monkeypatch.setattr(ministack_internals, "RESOURCE_HANDLERS", table)

    cloudformation.register({})

    assert table.keys() >= {COLLECTION, BUDGET}
    assert {name: table[name] for name in known} == known
