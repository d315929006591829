"""Answers of candidate models: through the deployed answer path, or from earlier trials."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.model_choice.golden import Question
from sustainability.decide.model_choice.history import History
from sustainability.decide.model_choice.scoring import Outcome
from sustainability.decide.model_choice.trial import circumstances, trial
from sustainability.deployment.prompts import digest
from sustainability.deployment.schema import Knowledge
from sustainability.operate.account import DocumentState


@dataclass(frozen=True, kw_only=True)
class AnswerPath:
    """The answer path of one deployment. ``environment`` is its answer function's."""

    environment: Mapping[str, str]
    region: str
    documents: str
    """Digest of the index's content."""
    answered_by: str
    history: Path
    progress: Callable[[str], None]

    def answers(self, candidate: Candidate, questions: Sequence[Question]) -> Iterator[Outcome]:
        """Yield the result of each question. Only questions without a stored result are asked.

        Raises
        ------
        UserError
            If a question gets no answer: the model or the store does not exist or is not permitted.
        """
        history = History(
            self.history,
            circumstances(self.environment, candidate, self.documents, self.answered_by),
        )
        with trial(self.environment, candidate, self.region, self.progress) as ask:
            for number, question in enumerate(questions, start=1):
                self.progress(f"{candidate.model}: question {number} of {len(questions)}")
                reply = history.find(question.question)
                if reply is None:
                    reply = ask(question.question)
                    history.keep(question.question, reply)
                yield outcome(question, reply)


def outcome(question: Question, reply: Mapping[str, Any]) -> Outcome:
    """Return the result of this question from a reply of ``rag.trial``."""
    answer = reply["answer"]
    return Outcome(
        question=question,
        answered=answer["answered"],
        text=answer["answer"],
        groundedness=answer["grounded"],
        input_tokens=answer["usage"]["input_tokens"],
        output_tokens=answer["usage"]["output_tokens"],
        generated=answer["model"] is not None,
    )


def answered_by(region: str) -> str:
    """Return the name of the local model that stands in for Bedrock's, or Amazon Bedrock."""
    if "AWS_ENDPOINT_URL" not in os.environ:
        return "Amazon Bedrock"
    import boto3
    from botocore.exceptions import ClientError

    # Each response of the embedded AWS names who gives it, a refusal too, and that takes no answer.
    bedrock = boto3.client("bedrock-runtime", region_name=region)
    try:
        reply = bedrock.invoke_model(modelId="amazon.nova-micro-v1:0", body=b"{}")
    except ClientError as refusal:
        reply = refusal.response
    name: str = reply["ResponseMetadata"]["HTTPHeaders"]["x-local-stand-in"]
    return name.partition(",")[0]


def documents_digest(documents: Iterable[DocumentState], knowledge: Knowledge) -> str:
    """Return a digest of the documents and of the chunking, the same in every account."""
    indexed = [
        [state.key, state.etag, state.chunks] for state in documents if state.status == "indexed"
    ]
    cut = [knowledge.chunk_tokens, knowledge.overlap_tokens]
    return digest(sorted(indexed), cut)[:12]
