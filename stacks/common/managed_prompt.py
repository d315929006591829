"""The prompt in Amazon Bedrock's prompt management, with a version that nobody can change."""

from __future__ import annotations

import re

from aws_cdk import Stack
from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_iam as iam
from constructs import Construct

from sustainability.deployment.prompts import Prompt, digest, sampling
from sustainability.deployment.schema import Deployment, Detail

_PLACE = re.compile(r"\{(\w+)\}")


class ManagedPrompt(Construct):
    """One prompt and version for each detail of an answer; another text is another version.

    Both are made of the file in ``prompts/``. Prompts and versions cost nothing.
    """

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, prompt: Prompt
    ) -> None:
        super().__init__(scope, id_)
        self.versions = {
            str(detail): self._version(detail, deployment, prompt) for detail in Detail
        }
        """ARN of the version by detail."""

    def grant_read(self, role: iam.IRole | None) -> None:
        """Let a role read these versions and nothing else."""
        assert role is not None
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["bedrock:GetPrompt"], resources=list(self.versions.values())
            )
        )

    def _version(self, detail: Detail, deployment: Deployment, prompt: Prompt) -> str:
        answers, variant = deployment.answers, bedrock.CfnPrompt.PromptVariantProperty
        inference = sampling(answers, prompt)
        length = prompt.metadata.get("length", {}).get(detail, "")
        kept = bedrock.CfnPrompt(
            self,
            detail.capitalize(),
            name=f"{deployment.name}-{answers.prompt}-{detail}",
            description=f"Answers of {deployment.name}, {detail}; made of prompts/",
            default_variant="answer",
            customer_encryption_key_arn=deployment.company.key,
            variants=[
                variant(
                    name="answer",
                    model_id=answers.generator,
                    template_type="CHAT",
                    template_configuration=bedrock.CfnPrompt.PromptTemplateConfigurationProperty(
                        chat=bedrock.CfnPrompt.ChatPromptTemplateConfigurationProperty(
                            system=[
                                bedrock.CfnPrompt.SystemContentBlockProperty(
                                    text=prompt.metadata["system"].replace("{length}", length)
                                )
                            ],
                            messages=[
                                bedrock.CfnPrompt.MessageProperty(
                                    role="user",
                                    content=[
                                        bedrock.CfnPrompt.ContentBlockProperty(
                                            text=_PLACE.sub(r"{{\1}}", prompt.content["template"])
                                        )
                                    ],
                                )
                            ],
                            input_variables=[
                                bedrock.CfnPrompt.PromptInputVariableProperty(name=name)
                                for name in prompt.content["input_variables"]
                            ],
                        )
                    ),
                    inference_configuration=bedrock.CfnPrompt.PromptInferenceConfigurationProperty(
                        text=bedrock.CfnPrompt.PromptModelInferenceConfigurationProperty(
                            max_tokens=answers.max_tokens,
                            temperature=inference["temperature"],
                            top_p=inference["top_p"],
                        )
                    ),
                    metadata=[
                        bedrock.CfnPrompt.PromptMetadataEntryProperty(
                            key="version", value=str(prompt.metadata["version"])
                        )
                    ],
                )
            ],
        )
        # A version is made anew when its description changes, and it is what the prompt is then.
        text = digest(Stack.of(self).resolve(kept.variants))[:12]
        made_of = f"{answers.prompt} {prompt.metadata['version']}, {text}"
        version = bedrock.CfnPromptVersion(
            self, f"{detail.capitalize()}Version", prompt_arn=kept.attr_arn, description=made_of
        )
        return version.attr_arn
