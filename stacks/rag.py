"""The RAG stack: documents arrive in an S3 bucket, questions arrive through an HTTP API."""

from __future__ import annotations

import json
from typing import TypeVar

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IConstruct

from cfn_sustainability.settings import Profile
from stacks.common.acknowledgements import acknowledge
from stacks.common.bedrock_permissions import grant_invoke
from stacks.common.managed_prompt import ManagedPrompt
from stacks.common.own_key import OwnKey
from stacks.functions.private_network import PrivateNetwork
from stacks.functions.python_function import PythonFunction
from stacks.stores.kinds import build_indexes
from sustainability.deployment.accepted import LONGEST_ANSWER_S
from sustainability.deployment.function_sizes import (
    ANSWER_MEMORY_MIB,
    ANSWER_TIMEOUT_S,
    INGEST_MEMORY_MIB,
)
from sustainability.deployment.prompts import sampling
from sustainability.deployment.schema import BedrockUse, Deployment
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.footprint.statement import answer_coefficients
from sustainability.plan.concurrency import request_rate
from sustainability.plan.private_endpoints import interface_endpoints
from sustainability.plan.prompts import chosen_prompt
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.watching import Watching
from sustainability.stores.generation import METADATA, Generation

_INGEST_TIMEOUT = cdk.Duration.minutes(5)
_TRIES = 100
"""Tries of a message; with the pauses of `lambdas/rag/backoff.py` they last for about 12 hours."""
_ACCESS_LOG_FORMAT = json.dumps(
    {
        name: f"$context.{name}"
        for name in ("requestId", "requestTime", "routeKey", "status", "responseLatency")
    }
)
"""Fields of the access log: enough to follow a request, without the caller or its address."""
_ELSEWHERE = {
    *("generator", "prompt", "prompt_management", "cache", "concurrency", "small_first"),
}
"""Settings of an answer that have a variable of their own, or none."""
_Resource = TypeVar("_Resource", bound=cdk.CfnResource)


class RagStack(cdk.Stack):
    """Bucket, queue, ingest and answer functions, knowledge store, answer cache and HTTP API."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        serving: Generation | None = None,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            id_,
            env=env,
            description=f"Answers from your own documents ({deployment.name})",
        )
        self._deployment, self._plan = deployment, plan
        self._watching = Watching.of(deployment, plan)
        self._key = OwnKey(self, deployment)
        self._network = None
        if deployment.company.network is not None:
            self._network = PrivateNetwork(
                self,
                "Network",
                network=deployment.company.network,
                services=interface_endpoints(deployment, plan),
            )
        self._indexes = build_indexes(
            self,
            deployment=deployment,
            serving=serving,
            function=self._function,
            table=self._build_table,
        )
        self.store = self._indexes[0].store
        # A deployment after this one reads here what made the index that answers.
        self.template_options.metadata = {
            METADATA: [index.generation.described() for index in self._indexes]
        }
        self.answers = self._build_table("Answers", partition_key="id")
        self.dead_letters = self._build_queue("DeadLetters", retention=cdk.Duration.days(14))
        acknowledge(
            self.dead_letters,
            "Serverless-SQSRedrivePolicy",
            "This is where messages end that could not be processed.",
        )
        self.queue = self._build_queue(
            "IngestQueue",
            # The function hides its message itself, for a minute at a time, and for the pause
            # before the next try. This is how long a document waits whose function died before it
            # did so. AWS takes no less than the function's timeout, and advises six times as much.
            visibility_timeout=_INGEST_TIMEOUT,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=_TRIES
            ),
        )
        self.bucket = self._build_bucket()
        self.ingest = self._build_ingest()
        self.answer = self._build_answer()
        self.api = self._build_api()
        for index in self._indexes:
            self.ingest.node.add_dependency(index.index.resource)
        self._fill()
        for name, value in {
            "ApiUrl": self.api.api_endpoint,
            "BucketName": self.bucket.bucket_name,
            "DocumentsTable": self._indexes[0].table.table_name,
            "IngestQueueUrl": self.queue.queue_url,
            "DeadLettersUrl": self.dead_letters.queue_url,
        }.items():
            cdk.CfnOutput(self, name, value=value)

    @property
    def _removal(self) -> cdk.RemovalPolicy:
        production = self._deployment.profile is Profile.PRODUCTION
        if production:  # but not what a first deployment that failed has left
            return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
        return cdk.RemovalPolicy.DESTROY

    @property
    def _asks_bedrock(self) -> bool:
        """Whether the answer function may call Bedrock to generate an answer."""
        return (
            self._deployment.answers.generated
            and self._deployment.inference.bedrock is BedrockUse.ALLOWED
            and self._plan.mode not in (Mode.ASYNC, Mode.BATCH)
        )

    def _build_table(self, id_: str, *, partition_key: str) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            id_,
            partition_key=dynamodb.Attribute(
                name=partition_key, type=dynamodb.AttributeType.STRING
            ),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            encryption=self._key.of_table,
            encryption_key=self._key.key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            table,
            "AwsSolutions-DDB3",
            "What it holds can be made again from the documents; a continuous backup would not be "
            "restored.",
        )
        return table

    def _build_queue(
        self,
        id_: str,
        *,
        retention: cdk.Duration | None = None,
        visibility_timeout: cdk.Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            id_,
            encryption=self._key.of_queue,
            encryption_master_key=self._key.key,
            # The longest, so that the key is asked seldom.
            data_key_reuse=cdk.Duration.days(1) if self._key.key else None,
            enforce_ssl=True,
            retention_period=retention,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
            # Long polling: an empty queue is polled three times a minute, not continuously.
            receive_message_wait_time=cdk.Duration.seconds(20),
        )

    def _build_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "DocumentsBucket",
            versioned=True,
            encryption=self._key.of_bucket,
            encryption_key=self._key.key,
            bucket_key_enabled=True if self._key.key else None,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=self._removal,
            auto_delete_objects=self._removal is cdk.RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tier-and-tidy",
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                    expired_object_delete_marker=True,
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                            transition_after=cdk.Duration.days(30),
                        )
                    ],
                )
            ],
        )
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "Only the ingest function reads this bucket, and its own log names every document. "
            "Access logs would soon be larger than the documents.",
        )
        self._let_in(bucket)
        # The L1 property: the L2 method would add a custom resource and a function to set it.
        # The queue's policy must exist first, so it cannot name the bucket; it names the account.
        cfn_bucket = _resource(bucket, s3.CfnBucket)
        cfn_bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event=event, queue=self.queue.queue_arn)
                for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
            ]
        )
        permission = self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                resources=[self.queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        assert permission.policy_dependable is not None
        cfn_bucket.node.add_dependency(permission.policy_dependable)
        return bucket

    def _let_in(self, bucket: s3.Bucket) -> None:
        """Let others in who bring documents: teams, each in its folder, and S3 replication."""
        company = self._deployment.company
        for folder, arns in company.contributors.items():
            who = [iam.ArnPrincipal(arn) for arn in arns]
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                    principals=who,
                    resources=[bucket.arn_for_objects(f"{folder}*")],
                )
            )
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    principals=who,
                    resources=[bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{folder}*"}},
                )
            )
        if company.replicators:
            who = [iam.ArnPrincipal(arn) for arn in company.replicators]
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
                    principals=who,
                    resources=[bucket.arn_for_objects("*")],
                )
            )

    def _function(
        self,
        id_: str,
        *,
        handler: str,
        description: str,
        timeout: cdk.Duration,
        memory_mib: int,
        environment: dict[str, str],
        requirements: str = "requirements",
        reserved_concurrency: int | None = None,
    ) -> PythonFunction:
        service = id_.lower()
        function = PythonFunction(
            self,
            id_,
            deployment=self._deployment,
            package="rag",
            requirements=requirements,
            handler=handler,
            description=description,
            timeout=timeout,
            memory_mib=memory_mib,
            reserved_concurrency=reserved_concurrency,
            environment={
                "POWERTOOLS_SERVICE_NAME": service,
                "METRICS": " ".join(self._watching.functions.get(service, ())),
                **environment,
            },
        )
        self._key.grant(function.role)
        if self._network is not None:
            self._network.hold(function)
        return function

    def _shared_environment(self) -> dict[str, str]:
        return {
            "KNOWLEDGE": self.to_json_string([index.settings for index in self._indexes]),
        }

    def _build_ingest(self) -> PythonFunction:
        knowledge = self._deployment.knowledge
        function = self._function(
            "Ingest",
            handler="rag.ingest_handler.handler",
            requirements="requirements-ingest",
            description="Brings the index in line with a document that changed",
            timeout=_INGEST_TIMEOUT,
            memory_mib=INGEST_MEMORY_MIB,
            environment={
                **self._shared_environment(),
                "DOCUMENTS_BUCKET": self.bucket.bucket_name,
                "INGEST_QUEUE_URL": self.queue.queue_url,
                "DEAD_LETTER_QUEUE_URL": self.dead_letters.queue_url,
                "INGEST_SETTINGS": json.dumps(
                    {
                        "chunk_tokens": knowledge.chunk_tokens,
                        "overlap_tokens": knowledge.overlap_tokens,
                        "max_document_mb": knowledge.max_document_mb,
                        "embedding_concurrency": 8,
                    }
                ),
            },
        )
        function.add_event_source(
            event_sources.SqsEventSource(
                self.queue,
                batch_size=1,  # a slow document, or one that fails, holds no other
                report_batch_item_failures=True,
                max_concurrency=4,
            )
        )
        acknowledge(
            function,
            "Sustainability::Sustainability-EventSourceBatches",
            "A document takes seconds to minutes: a batch would save no start of the function.",
        )
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects("*")]
            )
        )
        # With it, a document that is gone is told from one that is forbidden.
        function.add_to_role_policy(
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])
        )
        bucket_id = self.get_logical_id(_resource(self.bucket, s3.CfnBucket))
        acknowledge(
            function.role,
            f"AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/*]",
            "Ingest reads every document of this bucket.",
        )
        acknowledge(
            function,
            "Serverless-LambdaEventSourceMappingDestination",
            "A queue as source has no such destination; its dead-letter queue does this.",
        )
        self.dead_letters.grant(function, "sqs:SendMessage")
        self.queue.grant(function, "sqs:SendMessage")
        actions = (f"dynamodb:{action}" for action in ("UpdateItem", "GetItem", "BatchGetItem"))
        self._let_use(function, *actions, write=True)
        return function

    def _let_use(self, function: PythonFunction, *actions: str, write: bool) -> None:
        """Let a function use every generation of the index, and what embeds for it."""
        for index in self._indexes:
            index.grant(function, *actions, write=write)
        for model in dict.fromkeys(i.generation.knowledge.embedding.model for i in self._indexes):
            grant_invoke(function.role, model)

    def _fill(self) -> None:
        """Have ingest look at every document when it would make something else of one."""
        knowledge = self._deployment.knowledge
        filling = cdk.CustomResource(
            self,
            "Filling",
            service_token=self.ingest.function_arn,
            resource_type="Custom::Filling",
            service_timeout=_INGEST_TIMEOUT,
            properties={
                "Generation": self._indexes[0].generation.id,
                "Chunks": [knowledge.chunk_tokens, knowledge.overlap_tokens],
                "Code": self.ingest.digest,
            },
        )
        filling.node.add_dependency(self.ingest)

    def _build_answer(self) -> lambda_.Function:
        answers = self._deployment.answers
        first = SmallFirst.of(self._deployment, Facts())
        smaller = {}
        if answers.small_first is not None and (first.fit is not None or first.model is not None):
            grounded = answers.small_first.grounded
            steps = {"fit": first.fit, "model": first.model, "grounded": grounded}
            smaller = {"SMALL_FIRST": json.dumps(steps)}
        prompt = chosen_prompt(self._deployment, self._plan)
        kept = None
        if answers.prompt_management:
            kept = ManagedPrompt(self, "Prompt", deployment=self._deployment, prompt=prompt)
        function = self._function(
            "Answer",
            handler="rag.answer_handler.handler",
            description="Answers a question from the documents, with citations",
            timeout=cdk.Duration.seconds(ANSWER_TIMEOUT_S),
            memory_mib=ANSWER_MEMORY_MIB,
            reserved_concurrency=self._plan.answer_concurrency,
            environment={
                **self._shared_environment(),
                "FOOTPRINT": json.dumps(
                    answer_coefficients(self._deployment, self._plan), separators=(",", ":")
                ),
                "GENERATOR_MODEL": answers.generator,
                **smaller,
                "ANSWERS_TABLE": self.answers.table_name,
                "PROMPT": self.to_json_string(kept.versions) if kept else answers.prompt,
                "ANSWER_SETTINGS": json.dumps(
                    {
                        **answers.model_dump(exclude=_ELSEWHERE),
                        **sampling(answers, prompt),
                        "cache_hours": answers.cache.total_seconds() / 3600,
                        "deadline_s": LONGEST_ANSWER_S,
                        "generation_s": self._plan.generation_s,
                    }
                ),
            },
        )
        self.answers.grant(
            function,
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        )
        self._let_use(function, "dynamodb:BatchGetItem", write=False)
        if self._asks_bedrock:
            grant_invoke(function.role, answers.generator)
        if first.model is not None:
            grant_invoke(function.role, first.model)
        if kept:
            kept.grant_read(function.role)
        return function

    @property
    def _scopes(self) -> list[str] | None:
        sign_in = self._deployment.company.sign_in
        return list(sign_in.scopes) if sign_in is not None and sign_in.scopes else None

    def _authorizer(self) -> apigateway.IHttpRouteAuthorizer:
        sign_in = self._deployment.company.sign_in
        if sign_in is None:
            return authorizers.HttpIamAuthorizer()
        return authorizers.HttpJwtAuthorizer(
            "SignIn", sign_in.issuer, jwt_audience=list(sign_in.audience)
        )

    def _build_api(self) -> apigateway.HttpApi:
        api = apigateway.HttpApi(
            self,
            "Api",
            description=f"Answers from documents ({self._deployment.name})",
            create_default_stage=False,
            default_authorizer=self._authorizer(),
            default_authorization_scopes=self._scopes,
        )
        integration = integrations.HttpLambdaIntegration("AnswerIntegration", self.answer)
        api.add_routes(
            path="/answers", methods=[apigateway.HttpMethod.POST], integration=integration
        )
        api.add_routes(
            path="/answers/{id}", methods=[apigateway.HttpMethod.GET], integration=integration
        )
        log_group = logs.LogGroup(
            self,
            "ApiLogs",
            retention=logs.RetentionDays.ONE_WEEK,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        rate = request_rate(self._deployment, self._plan.answer_concurrency)
        stage = api.add_stage(
            "DefaultStage",
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=rate, burst_limit=2 * rate),
        )
        _resource(
            stage, apigateway.CfnStage
        ).access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=_ACCESS_LOG_FORMAT
        )
        return api


def _resource(construct: IConstruct, kind: type[_Resource]) -> _Resource:
    resource = construct.node.default_child
    assert isinstance(resource, kind)
    return resource
