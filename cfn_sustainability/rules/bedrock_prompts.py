"""Amazon Bedrock prompts, models and inference profiles."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK


def _prompt(variant: str) -> str:
    return f"P: {{Type: AWS::Bedrock::Prompt, Properties: {{Variants: [{variant}]}}}}"


@rule(
    "PromptLimitsAnswer",
    "AWS::Bedrock::Prompt",
    "AWS::Bedrock::PromptVersion",
    severity=Severity.WARNING,
    practices=("GENCOST03-BP02",),
    what="A prompt limits the length of its answer.",
    why="Each output token is a pass through the whole model; without a limit some answers "
    "never end.",
    fix="Set InferenceConfiguration.Text.MaxTokens to what an answer needs.",
    evidence="Generative AI Lens: Control model response length",
    note="Each variant is judged by itself.",
    cases=Cases(
        compliant=_prompt("{TemplateType: TEXT, InferenceConfiguration: {Text: {MaxTokens: 300}}}"),
        non_compliant=_prompt("{TemplateType: TEXT}"),
        not_applicable="P: {Type: AWS::Bedrock::PromptVersion, Properties: {PromptArn: a}}",
        edges=(
            (
                Outcome.COMPLIANT,
                _prompt("{TemplateType: TEXT, InferenceConfiguration: {Text: {MaxTokens: 2048}}}"),
            ),
            (
                Outcome.NON_COMPLIANT,
                _prompt("{TemplateType: TEXT, InferenceConfiguration: {Text: {MaxTokens: 2049}}}"),
            ),
            (
                Outcome.UNKNOWN,
                _prompt("{InferenceConfiguration: {Text: {MaxTokens: !ImportValue tokens}}}"),
            ),
        ),
    ),
)
def _prompt_limits_answer(prompt: Resource, settings: RuleSettings) -> Iterator[Fault]:
    variants = prompt.each("Variants")
    applies_if(bool(variants))
    path, most = "InferenceConfiguration.Text.MaxTokens", settings.prompt_output_tokens_max
    for variant in variants:
        tokens = variant.number(path)
        if tokens is None or tokens > most:
            yield variant.fault(path, f"at most {most}")


@rule(
    "PromptCachesPrefix",
    "AWS::Bedrock::Prompt",
    severity=Severity.WARNING,
    practices=("GENCOST03-BP03", "AGENTSUS02-BP02"),
    what="A long prompt template marks what the model may keep between calls.",
    why="Without a cache point the model computes the same instructions again for every question.",
    fix="Add TemplateConfiguration.Text.CachePoint, with what varies after it.",
    evidence="Amazon Bedrock User Guide, prompt caching; Generative AI Lens",
    note="Chat templates place their cache points in messages.",
    cases=Cases(
        compliant=_prompt(
            "{TemplateConfiguration: {Text: {Text: %s, CachePoint: {Type: default}}}}"
            % ("long " * 30)
        ),
        non_compliant=_prompt("{TemplateConfiguration: {Text: {Text: %s}}}" % ("long " * 30)),
        not_applicable=_prompt("{TemplateConfiguration: {Chat: {Messages: []}}}"),
        edges=(
            (Outcome.COMPLIANT, _prompt("{TemplateConfiguration: {Text: {Text: short}}}")),
            (
                Outcome.UNKNOWN,
                _prompt("{TemplateConfiguration: {Text: {Text: !ImportValue prompt}}}"),
            ),
        ),
        settings={"prompt_cache_characters_min": 100},
    ),
)
def _prompt_caches_prefix(prompt: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = "TemplateConfiguration.Text"
    variants = [variant for variant in prompt.each("Variants") if variant.has(f"{path}.Text")]
    applies_if(bool(variants))
    for variant in variants:
        if variant.has(f"{path}.CachePoint"):
            continue
        if len(variant.text(f"{path}.Text")) >= settings.prompt_cache_characters_min:
            yield variant.fault(f"{path}.CachePoint", "a cache point of type default")


@rule(
    "SmallModelFirst",
    "AWS::Bedrock::Prompt",
    "AWS::Bedrock::Agent",
    severity=Severity.WARNING,
    practices=("GENSUS03-BP01",),
    what="A large model answers only what a small one cannot.",
    why="Most questions are easy; a model of ten times the size uses about ten times the "
    "compute on each.",
    fix="Start with a small model, or put an AWS::Bedrock::IntelligentPromptRouter in front.",
    evidence="Generative AI Lens: Leverage smaller models and optimized inference techniques",
    note="The setting large_models lists which models count as large.",
    cases=Cases(
        compliant="""
            A:
              Type: AWS::Bedrock::Agent
              Properties: {FoundationModel: amazon.nova-lite-v1:0}
            """,
        non_compliant="""
            A:
              Type: AWS::Bedrock::Agent
              Properties: {FoundationModel: amazon.nova-premier-v1:0}
            """,
        not_applicable="A: {Type: AWS::Bedrock::Agent, Properties: {AgentName: helper}}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                R: {Type: AWS::Bedrock::IntelligentPromptRouter, Properties: {PromptRouterName: r}}
                P:
                  Type: AWS::Bedrock::Prompt
                  Properties: {Variants: [{ModelId: !GetAtt R.PromptRouterArn}]}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                P:
                  Type: AWS::Bedrock::Prompt
                  Properties:
                    Variants:
                      - ModelId: !Sub "arn:${AWS::Partition}:bedrock:::foundation-model/x-405b"
                """,
            ),
        ),
    ),
)
def _small_model_first(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    users: list[tuple[Properties, str]] = [(resource, "FoundationModel")]
    users += [(variant, "ModelId") for variant in resource.each("Variants")]
    chosen = [(user, path) for user, path in users if user.has(path)]
    applies_if(bool(chosen))
    for user, path in chosen:
        model = user.fragment(path).lower()
        if any(name in model for name in settings.large_models):
            yield user.fault(
                path, "a smaller model or a prompt router", found=f"is {model.replace(MARK, '*')}"
            )


@rule(
    "InferenceProfileTagged",
    "AWS::Bedrock::ApplicationInferenceProfile",
    severity=Severity.WARNING,
    practices=("MLSUS06-BP01", "AGENTSUS02-BP04"),
    what="An application inference profile carries tags.",
    why="It exists to tell which application used which tokens; without tags it tells nothing.",
    fix="Set Tags, such as the application and its team.",
    evidence="Amazon Bedrock User Guide, tracking usage with application inference profiles",
    note="RequiredTags judges which tags there are.",
    cases=Cases(
        compliant="""
            I:
              Type: AWS::Bedrock::ApplicationInferenceProfile
              Properties: {Tags: [{Key: application, Value: chat}]}
            """,
        non_compliant="""
            I:
              Type: AWS::Bedrock::ApplicationInferenceProfile
              Properties: {InferenceProfileName: chat}
            """,
        not_applicable="I: {Type: AWS::Bedrock::Guardrail}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "I: {Type: AWS::Bedrock::ApplicationInferenceProfile, Properties: {Tags: []}}",
            ),
        ),
    ),
)
def _inference_profile_tagged(profile: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not profile.each("Tags"):
        yield profile.fault("Tags", "at least one tag")
