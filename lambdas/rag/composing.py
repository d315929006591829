"""From the text of a generator to an answer with citations and its footprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag import grounding, safe_text, unicode_text
from rag.answers import Answer, Draft
from rag.footprint import Footprint, Range, Usage
from rag.generation import BEDROCK, ENDPOINT, Generation
from rag.languages import message_language
from rag.prompt import NO_ANSWER, Prompt, cite
from rag.small_first import Attempt
from rag.stores.store import Passage
from rag.telemetry import logger, spread

_EXCERPT_CHARACTERS = 300
_NO_ENERGY = Range(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Composer:
    """What an answer is judged and priced by."""

    prompt: Prompt
    footprint: Footprint

    def compose(
        self,
        draft: Draft,
        generation: Generation | None,
        *,
        before: Sequence[Attempt] = (),
        requests: int = 1,
    ) -> Answer:
        """Return the answer and its footprint; without a generation, that there is no answer.

        The footprint contains what was said `before` by smaller generators, and not taken.

        The text of the generator is an answer only if its cited passages contain it.
        Otherwise the passages are returned alone. An answer that repeats the system prompt is
        withheld. Links, images and HTML stay only if the cited passages have them.
        """
        said = unicode_text.visible(generation.text) if generation else ""
        said = self.prompt.concluded(said)
        text, cited = cite(said, len(draft.citations))
        evidence = [draft.evidence[number - 1] for number in sorted(cited)]
        text = safe_text.without_markup(text, evidence)
        leaked = self.prompt.is_leaked_by(text)
        if leaked:
            logger.warning("answer withheld: it repeats the system prompt", id=draft.id)
        # Where a cited passage has the marker, the generator quotes it.
        marked = NO_ANSWER in text and not any(NO_ANSWER in each for each in evidence)
        refused = not text or leaked or marked or grounding.is_refusal(text)
        grounded = None if refused else grounding.grounded(text, draft.question, evidence)
        answered = grounded is not None and grounded >= grounding.LEAST
        messages = message_language(draft.question)
        not_answered = messages.nothing_found if refused else messages.not_shown
        return {
            "id": draft.id,
            "question": draft.question,
            "answer": text if answered else not_answered,
            "answered": answered,
            "grounded": None if grounded is None else round(grounded, 3),
            "citations": [
                {**citation, "cited": answered and citation["number"] in cited}
                for citation in (() if refused else draft.citations)
            ],
            "model": generation.model if generation else None,
            "served_by": generation.served_by if generation else None,
            "prompt_version": draft.prompt_version,
            "truncated": bool(generation and generation.truncated),
            "cached": False,
            "attempts": [attempt.as_json() for attempt in before],
            **self._cost(usage(draft, generation, before), requests),
            "saved_energy_wh": _NO_ENERGY.as_json(),
        }

    def reuse(self, answer: Answer, used: Usage) -> Answer:
        """Return an answer from the cache, with what finding it took: no generator's tokens."""
        cost = self._cost(used, requests=1)
        # An answer that an older release stored has its energy beside the rest.
        spent, now = answer.get("added", answer)["energy_wh"], cost["added"]["energy_wh"]
        saved = {bound: float(f"{max(0, spent[bound] - now[bound]):.6g}") for bound in spent}
        return answer | cost | {"cached": True, "saved_energy_wh": saved}

    def energy_metrics(self, used: Usage) -> dict[str, float]:
        """Return what one request adds, as metrics."""
        added = self.footprint.added(used)
        return {**spread("EnergyWh", added.energy_wh), **spread("CarbonGrams", added.carbon_g)}

    def _cost(self, used: Usage, requests: int) -> dict[str, Any]:
        added = self.footprint.added(used, requests=requests)
        return {
            "usage": {
                "input_tokens": used.input_tokens + used.small_input_tokens,
                "output_tokens": used.output_tokens + used.small_output_tokens,
                "embedding_tokens": used.embedding_tokens,
            },
            "added": added.as_json(),
            "share": self.footprint.share,
        }


def usage(draft: Draft, generation: Generation | None, before: Sequence[Attempt] = ()) -> Usage:
    """Return the tokens of an answer, with those of the smaller generators `before` it."""
    every = [attempt.generation for attempt in before] + ([generation] if generation else [])
    small = [each for each in every if each.is_small]
    large = [each for each in every if not each.is_small]
    return Usage(
        input_tokens=sum(each.input_tokens for each in large),
        output_tokens=sum(each.output_tokens for each in large),
        small_input_tokens=sum(each.input_tokens for each in small),
        small_output_tokens=sum(each.output_tokens for each in small),
        embedding_tokens=draft.embedding_tokens,
        searches=1,
        awake_s=draft.awake_s,
        endpoint_awake_s=generation.awake_s if generation else 0,
        by_endpoint=bool(generation and generation.served_by == ENDPOINT),
    )


def metrics(answer: Answer, used: Usage, *, by_small: bool = False) -> dict[str, float]:
    """Return what there is to count of an answer that was just composed.

    Of an answer `by_small`, a smaller generator, the tokens of the generator are not counted as
    none: their samples are the questions that reached it.
    """
    tokens = {"InputTokens": used.input_tokens, "OutputTokens": used.output_tokens}
    return {
        **({} if by_small else tokens),
        "Abstentions": int(not answer["answered"]),
        **({} if answer["grounded"] is None else {"Grounded": answer["grounded"]}),
        "OutputTruncated": int(answer["truncated"]),
        "EndpointAnswers": int(answer["served_by"] == ENDPOINT and not by_small),
        "BedrockAnswers": int(answer["served_by"] == BEDROCK and not by_small),
    }


def citation(number: int, passage: Passage) -> dict[str, Any]:
    """Return a passage as it is cited."""
    return {
        "number": number,
        "document": passage.document,
        "title": unicode_text.visible(passage.title),
        "section": unicode_text.visible(passage.section),
        "excerpt": unicode_text.visible(passage.text)[:_EXCERPT_CHARACTERS],
    }
