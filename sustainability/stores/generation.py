"""A generation of the index: what made it, and by that its name.

Whatever is different in another index is in here: the kind of store, the model that embeds, and
what the store makes the index from (fields, analyzer, dimensions, replicas). So a changed
deployment that needs another index asks for another generation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sustainability.deployment.schema import Deployment, Knowledge
from sustainability.errors import UserError

SERVING = "serving"
"""The context by which a synth is told which generation answers now."""
METADATA = "Generations"
"""Where a template of the RAG stack says which generations it has, the newest first."""


@dataclass(frozen=True)
class Generation:
    """An index, as it is or will be deployed.

    Parameters
    ----------
    knowledge
        The section of the deployment file; its store is a kind, not ``auto``.
    shape
        What the store makes the index from.
    """

    knowledge: Knowledge
    shape: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Eight hexadecimal digits."""
        embedding = self.knowledge.embedding.model
        made_from = json.dumps([self.knowledge.store, embedding, self.shape], sort_keys=True)
        return hashlib.sha256(made_from.encode()).hexdigest()[:8]

    def name(self, deployment: Deployment) -> str:
        """Return the name of the index."""
        # With the deployment, for there can be one server for several, as in the embedded AWS.
        return f"{deployment.name}-documents-{self.id}"

    def described(self) -> str:
        """Return it as JSON, for :meth:`parse`."""
        knowledge = self.knowledge.model_dump(mode="json")
        return json.dumps({"id": self.id, "knowledge": knowledge, "shape": dict(self.shape)})

    @classmethod
    def parse(cls, text: str) -> Generation:
        """Read what :meth:`described` returned, be it of an earlier version of this project.

        Raises
        ------
        UserError
            If this version cannot make the same index.
        """
        described = json.loads(text)
        try:
            knowledge = Knowledge.model_validate(described["knowledge"])
            generation = cls(knowledge, described["shape"])
        except (KeyError, ValidationError) as error:
            raise UserError(f"this version cannot read what made the index: {error}") from error
        if generation.id != described.get("id"):
            raise UserError("this version would make another index of the same description")
        return generation
