"""Amazon Bedrock knowledge bases: embeddings, stores and data sources."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_KNOWLEDGE_BASE = "AWS::Bedrock::KnowledgeBase"
_VECTOR = "KnowledgeBaseConfiguration.VectorKnowledgeBaseConfiguration"
_EMBEDDING = f"{_VECTOR}.EmbeddingModelConfiguration.BedrockEmbeddingModelConfiguration"
_CHOOSES_DIMENSIONS = (
    "titan-embed-text-v2",
    "titan-embed-image",
    "embed-v4",
    "nova-2-multimodal-embed",
)


def _knowledge_base(model: str, embedding: str = "{}") -> str:
    return f"""
K:
  Type: AWS::Bedrock::KnowledgeBase
  Properties:
    KnowledgeBaseConfiguration:
      Type: VECTOR
      VectorKnowledgeBaseConfiguration:
        EmbeddingModelArn: !Sub "arn:aws:bedrock:${{AWS::Region}}::foundation-model/{model}"
        EmbeddingModelConfiguration: {{BedrockEmbeddingModelConfiguration: {embedding}}}
"""


def _source(ingestion: str) -> str:
    return f"""
D: {{Type: AWS::Bedrock::DataSource, Properties: {{VectorIngestionConfiguration: {ingestion}}}}}
"""


@rule(
    "EmbeddingDimensionsLean",
    _KNOWLEDGE_BASE,
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01", "GENCOST04-BP01", "GENPERF04-BP02"),
    what="Vectors have no more dimensions than the search needs.",
    why="Storage, memory and the work of each search grow with the dimensions; the default is "
    "the most.",
    fix="Set Dimensions to 256 or 512, or raise embedding_dimensions_max after measuring recall.",
    evidence="Generative AI Lens: Optimize data processing and storage to minimize energy "
    "consumption",
    note="Other models have a fixed number.",
    cases=Cases(
        compliant=_knowledge_base("amazon.titan-embed-text-v2:0", "{Dimensions: 256}"),
        non_compliant=_knowledge_base("amazon.titan-embed-text-v2:0"),
        not_applicable=_knowledge_base("cohere.embed-english-v3"),
        edges=(
            (
                Outcome.COMPLIANT,
                _knowledge_base("amazon.titan-embed-text-v2:0", "{Dimensions: 512}"),
            ),
            (
                Outcome.NON_COMPLIANT,
                _knowledge_base("amazon.titan-embed-text-v2:0", "{Dimensions: 1024}"),
            ),
            (
                Outcome.UNKNOWN,
                _knowledge_base("amazon.titan-embed-text-v2:0", "{Dimensions: !ImportValue d}"),
            ),
        ),
    ),
)
def _embedding_dimensions(base: Resource, settings: RuleSettings) -> Iterator[Fault]:
    model = base.fragment(f"{_VECTOR}.EmbeddingModelArn")
    applies_if(any(name in model for name in _CHOOSES_DIMENSIONS))
    most = settings.embedding_dimensions_max
    if base.number(f"{_EMBEDDING}.Dimensions", 1024) > most:
        yield base.fault(f"{_EMBEDDING}.Dimensions", f"at most {most}")


@rule(
    "EmbeddingBinary",
    _KNOWLEDGE_BASE,
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01",),
    what="Vectors of a model that offers it are stored as bits.",
    why="One bit for each dimension instead of 32 makes index and search about 32 times smaller.",
    fix="Set EmbeddingDataType to BINARY after measuring recall on your documents.",
    evidence="Amazon Bedrock User Guide, supported embedding models and vector types",
    note="Bits are for OpenSearch; other stores take floats.",
    cases=Cases(
        compliant=_knowledge_base("amazon.titan-embed-text-v2:0", "{EmbeddingDataType: BINARY}"),
        non_compliant=_knowledge_base(
            "amazon.titan-embed-text-v2:0", "{EmbeddingDataType: FLOAT32}"
        ),
        not_applicable=_knowledge_base("amazon.titan-embed-text-v1"),
        edges=(
            (
                Outcome.NOT_APPLICABLE,
                _knowledge_base("amazon.titan-embed-text-v2:0")
                + "    StorageConfiguration: {Type: S3_VECTORS}\n",
            ),
        ),
    ),
)
def _embedding_binary(base: Resource, _: RuleSettings) -> Iterator[Fault]:
    model = base.fragment(f"{_VECTOR}.EmbeddingModelArn")
    applies_if(any(name in model for name in ("titan-embed-text-v2", "cohere.embed")))
    applies_if(
        base.text("StorageConfiguration.Type", "OPENSEARCH_SERVERLESS").startswith("OPENSEARCH")
    )
    if base.text(f"{_EMBEDDING}.EmbeddingDataType") != "BINARY":
        yield base.fault(f"{_EMBEDDING}.EmbeddingDataType", "BINARY")


@rule(
    "KnowledgeBaseStoreSleeps",
    _KNOWLEDGE_BASE,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01",),
    what="A knowledge base keeps its vectors in a store that costs nothing between requests.",
    why="A classic OpenSearch Serverless collection keeps its capacity units running around "
    "the clock.",
    fix="Use S3_VECTORS, or a collection in a group of generation NEXTGEN.",
    evidence="Amazon OpenSearch Service Developer Guide, scale to zero; Generative AI Lens",
    note="OpenSearchServerlessSleeps judges the collection group itself.",
    cases=Cases(
        compliant="""
            K:
              Type: AWS::Bedrock::KnowledgeBase
              Properties: {StorageConfiguration: {Type: S3_VECTORS}}
            """,
        non_compliant="""
            K:
              Type: AWS::Bedrock::KnowledgeBase
              Properties:
                StorageConfiguration:
                  Type: OPENSEARCH_SERVERLESS
                  OpensearchServerlessConfiguration: {CollectionArn: !GetAtt V.Arn}
            V: {Type: AWS::OpenSearchServerless::Collection, Properties: {Name: vectors}}
            """,
        not_applicable="""
            K:
              Type: AWS::Bedrock::KnowledgeBase
              Properties:
                StorageConfiguration:
                  Type: OPENSEARCH_SERVERLESS
                  OpensearchServerlessConfiguration: {CollectionArn: !ImportValue vectors}
            """,
        edges=(
            (
                Outcome.COMPLIANT,
                """
                K:
                  Type: AWS::Bedrock::KnowledgeBase
                  Properties:
                    StorageConfiguration:
                      Type: OPENSEARCH_SERVERLESS
                      OpensearchServerlessConfiguration: {CollectionArn: !GetAtt V.Arn}
                V:
                  Type: AWS::OpenSearchServerless::Collection
                  Properties: {Name: vectors, CollectionGroupName: sleepers}
                """,
            ),
        ),
    ),
)
def _knowledge_base_store_sleeps(base: Resource, _: RuleSettings) -> Iterator[Fault]:
    if base.text("StorageConfiguration.Type") == "OPENSEARCH_SERVERLESS":
        path = "StorageConfiguration.OpensearchServerlessConfiguration"
        collection = base.target(path, "AWS::OpenSearchServerless::Collection")
        applies_if(collection is not None)
        if collection is not None and not collection.has("CollectionGroupName"):
            yield base.fault(
                "StorageConfiguration.Type",
                "S3_VECTORS or NEXTGEN",
                found="is a classic collection",
            )


@rule(
    "DocumentsParsedPlainly",
    "AWS::Bedrock::DataSource",
    severity=Severity.WARNING,
    practices=("GENSUS03-BP01", "GENSUS02-BP01"),
    what="Documents are parsed without a foundation model.",
    why="A model that reads every page of every document uses far more than a parser; text "
    "needs none.",
    fix="Drop ParsingConfiguration where documents are text, or acknowledge it where layout "
    "matters.",
    evidence="Generative AI Lens: Leverage smaller models and optimized inference techniques",
    note="Other strategies choose by document.",
    cases=Cases(
        compliant=_source("{ChunkingConfiguration: {ChunkingStrategy: FIXED_SIZE}}"),
        non_compliant=_source(
            "{ParsingConfiguration: {ParsingStrategy: BEDROCK_FOUNDATION_MODEL}}"
        ),
        not_applicable="D: {Type: AWS::Bedrock::Guardrail}",
        edges=(
            (
                Outcome.COMPLIANT,
                _source("{ParsingConfiguration: {ParsingStrategy: SMART_PARSING}}"),
            ),
        ),
    ),
)
def _documents_parsed_plainly(source: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "VectorIngestionConfiguration.ParsingConfiguration.ParsingStrategy"
    if source.text(path) == "BEDROCK_FOUNDATION_MODEL":
        yield source.fault(path, "no parsing by a model")


@rule(
    "ChunksLean",
    "AWS::Bedrock::DataSource",
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01",),
    what="Documents are cut without a model, with little overlap.",
    why="Semantic chunking embeds every sentence first; overlap is embedded, stored and "
    "searched twice.",
    fix="Use FIXED_SIZE or HIERARCHICAL with an OverlapPercentage within "
    "chunk_overlap_percent_max.",
    evidence="Generative AI Lens: Optimize data processing and storage to minimize energy "
    "consumption",
    note="Without a choice the service cuts at about 300 tokens, without overlap.",
    cases=Cases(
        compliant=_source(
            "{ChunkingConfiguration: {ChunkingStrategy: FIXED_SIZE, "
            "FixedSizeChunkingConfiguration: {MaxTokens: 300, OverlapPercentage: 20}}}"
        ),
        non_compliant=_source("{ChunkingConfiguration: {ChunkingStrategy: SEMANTIC}}"),
        not_applicable="D: {Type: AWS::Bedrock::DataSource, Properties: {Name: docs}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _source(
                    "{ChunkingConfiguration: {ChunkingStrategy: FIXED_SIZE, "
                    "FixedSizeChunkingConfiguration: {MaxTokens: 300, OverlapPercentage: '21'}}}"
                ),
            ),
        ),
    ),
)
def _chunks_lean(source: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = "VectorIngestionConfiguration.ChunkingConfiguration"
    applies_if(source.has(path))
    if source.text(f"{path}.ChunkingStrategy") == "SEMANTIC":
        yield source.fault(f"{path}.ChunkingStrategy", "FIXED_SIZE or HIERARCHICAL")
    overlap = f"{path}.FixedSizeChunkingConfiguration.OverlapPercentage"
    most = settings.chunk_overlap_percent_max
    if source.number(overlap, 0) > most:
        yield source.fault(overlap, f"at most {most}")


@rule(
    "VectorsFollowSource",
    "AWS::Bedrock::DataSource",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS02-BP03"),
    what="Deleting a data source deletes its vectors.",
    why="Vectors without a source are stored and searched, and answer from documents that are "
    "gone.",
    fix="Set DataDeletionPolicy to DELETE.",
    evidence="Sustainability Pillar: Remove unneeded or redundant data",
    note="The default is DELETE.",
    cases=Cases(
        compliant="D: {Type: AWS::Bedrock::DataSource, Properties: {DataDeletionPolicy: DELETE}}",
        non_compliant="""
            D:
              Type: AWS::Bedrock::DataSource
              Properties: {DataDeletionPolicy: RETAIN}
            """,
        not_applicable="D: {Type: AWS::Bedrock::Guardrail}",
        edges=(
            (Outcome.COMPLIANT, "D: {Type: AWS::Bedrock::DataSource, Properties: {Name: docs}}"),
        ),
    ),
)
def _vectors_follow_source(source: Resource, _: RuleSettings) -> Iterator[Fault]:
    if source.text("DataDeletionPolicy") == "RETAIN":
        yield source.fault("DataDeletionPolicy", "DELETE")
