"""The section ``company`` of a deployment file: what a company's AWS accounts ask for.

Nothing here is needed, and everything has a price: ``docs/company.md`` says which.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from sustainability.deployment.section import Section

_KMS_KEY = re.compile(
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/"
    r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/\S+")
_FOLDER = re.compile(r"[\w.-]+(/[\w.-]+)*/")


def _key(value: str) -> str:
    if not _KMS_KEY.fullmatch(value):
        raise ValueError(
            "this is not the ARN of a KMS key; write "
            "arn:aws:kms:REGION:ACCOUNT:key/ID, not an alias"
        )
    return value


def _principal(value: str) -> str:
    if not _PRINCIPAL.fullmatch(value):
        raise ValueError(
            "this is not the ARN of a role or user; write arn:aws:iam::ACCOUNT:role/NAME. For a "
            "permission set of IAM Identity Center, take the ARN of its role "
            "(AWSReservedSSO_...), as `aws iam list-roles` prints it"
        )
    return value


def _identifier(kind: str, called: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(rf"{kind}-[0-9a-f]{{8,17}}", value):
            raise ValueError(f"this is not the id of a {called}; write {kind}- and its hex digits")
        return value

    return AfterValidator(check)


def _issuer(value: str) -> str:
    if not re.fullmatch(r"https://[^\s/?#]+(/[^\s?#]*)?", value):
        raise ValueError(
            "an issuer is an https URL without query, exactly as the claim iss of your tokens"
        )
    return value


def _boundary(value: str) -> str:
    if not re.fullmatch(r"[\w+=,.@/-]{1,128}", value) or value.startswith("arn:"):
        raise ValueError("write the name of the managed policy, not its ARN")
    return value


def _qualifier(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,10}", value):
        raise ValueError("a qualifier has 1 to 10 lower-case letters and digits")
    return value


def _folders(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for folder in value:
        if not _FOLDER.fullmatch(folder):
            raise ValueError(
                f"{folder!r} is not a folder; write its path with a slash at the end, as handbook/"
            )
    return value


Principal = Annotated[str, AfterValidator(_principal)]


class SignIn(Section):
    """Your identity provider: the API accepts its tokens (JWT) in place of IAM signatures."""

    issuer: Annotated[str, AfterValidator(_issuer)]
    """The claim ``iss`` of the tokens. API Gateway reads the keys from its metadata."""
    audience: tuple[str, ...] = Field(min_length=1)
    """Accepted values of the claim ``aud``."""
    scopes: tuple[str, ...] = ()
    """A token needs one of these scopes. The default asks for none."""


class Network(Section):
    """Your VPC: the functions that see documents and questions run in it."""

    vpc: Annotated[str, _identifier("vpc", "VPC")]
    """Id of the VPC."""
    subnets: tuple[Annotated[str, _identifier("subnet", "subnet")], ...] = Field(min_length=1)
    """Private subnets, one for each Availability Zone."""
    route_tables: tuple[Annotated[str, _identifier("rtb", "route table")], ...] = ()
    """Route tables of the subnets: gateway endpoints for S3 and DynamoDB, which cost nothing."""
    endpoints: bool = True
    """Whether to make the endpoints. False, if your VPC has them or a way to the internet."""

    @model_validator(mode="after")
    def _routed(self) -> Self:
        if self.endpoints and not self.route_tables:
            raise ValueError(
                "endpoints: true needs route_tables, for the gateways to S3 and DynamoDB; or set "
                "endpoints: false if your VPC has a way to them"
            )
        return self


class Company(Section):
    """What a company's AWS accounts ask for. Everything is optional."""

    qualifier: Annotated[str, AfterValidator(_qualifier)] | None = None
    """Qualifier of your own CDK bootstrap. The default is the CDK's, ``hnb659fds``."""
    permissions_boundary: Annotated[str, AfterValidator(_boundary)] | None = None
    """Name of the managed policy that bounds each role."""
    key: Annotated[str, AfterValidator(_key)] | None = None
    """ARN of the KMS key that encrypts documents, index, answers, queues and logs."""
    network: Network | None = None
    sign_in: SignIn | None = None
    contributors: Annotated[dict[str, tuple[Principal, ...]], AfterValidator(_folders)] = Field({})
    """For each folder of the documents bucket: who may list, read, write and delete in it."""
    replicators: tuple[Principal, ...] = ()
    """Roles with which S3 replicates documents from other buckets into this one."""
