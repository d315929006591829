"""The versions of the prompt in ``prompts/``: which one answers, and what its recipe asks for."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sustainability.deployment.schema import Answers
from sustainability.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "prompts"
INPUTS = ("examples", "notes", "passages", "question")
"""What the answer function fills into a template."""


def digest(*parts: object) -> str:
    """Return 64 hex digits: a digest of values that JSON can represent."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Prompt:
    """A parsed prompt file. Any change of its content changes its fingerprint."""

    name: str
    content: Mapping[str, Any] = field(hash=False)

    @classmethod
    def read(cls, path: Path) -> Prompt:
        """Read a prompt file.

        Raises
        ------
        UserError
            If it cannot be read, or a key of ``prompts/answer.yaml`` is missing in it.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            content["template"].format(**dict.fromkeys(INPUTS, ""))
            version = content["metadata"]["version"]
            _ = content["metadata"]["system"]
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: {' '.join(str(error).split())}") from error
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: not a prompt file: {error}; it needs template, with {{passages}} and "
                "{question}, and metadata with version and system, as in prompts/answer.yaml"
            ) from error
        return cls(f"{path.stem} {version}", content)

    @classmethod
    def named(cls, name: str) -> Prompt:
        """Read a prompt of ``prompts/`` by its name.

        Raises
        ------
        UserError
            If there is none of this name; it lists those that there are.
        """
        path = FOLDER / f"{name}.yaml"
        if name not in names():
            raise UserError(
                f"prompt {name!r}: there is no prompts/{name}.yaml; there are {', '.join(names())}"
            )
        return cls.read(path)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits: a digest of template and metadata."""
        return digest(self.content["template"], self.content["metadata"])[:12]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is stated beside the template."""
        metadata: Mapping[str, Any] = self.content["metadata"]
        return metadata

    @property
    def inference(self) -> dict[str, Any]:
        """Temperature, top-p and top-k that the prompt was tried with; ``None`` is not sent."""
        stated = self.metadata.get("inference", {})
        return {key: stated.get(key) for key in ("temperature", "top_p", "top_k")}

    @property
    def samples(self) -> int:
        """How many answers are written, of which one is given."""
        return int(self.metadata.get("samples", 1))

    @property
    def calls(self) -> int:
        """Requests to the generator for one answer."""
        return self.samples + bool(self.metadata.get("notes"))

    @property
    def recipe(self) -> str:
        """The recipe in words: one or more of those that ``docs/prompts.md`` explains."""
        parts = {
            "few-shot": "examples" in self.metadata,
            "generated knowledge": "notes" in self.metadata,
            "steps": "conclusion" in self.metadata,
            "self-consistency": self.samples > 1,
        }
        return " + ".join(name for name, is_used in parts.items() if is_used) or "zero-shot"

    def limit(self, name: str) -> int:
        """Return a limit of the prompt in tokens; 0 where it states none."""
        limits = self.metadata.get("limits")
        return int(limits.get(name, 0)) if isinstance(limits, Mapping) else 0

    def fixed_text(self) -> str:
        """Return what each request reads beside examples, notes, passages and question."""
        parts = (text for text, *_ in string.Formatter().parse(self.content["template"]))
        return f"{self.metadata['system']}\n{''.join(parts)}"


def names() -> list[str]:
    """Return the names of all prompts."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def write(name: str, prompt: Prompt) -> Path:
    """Write a prompt to ``prompts/NAME.yaml``, as version 1; it is not written over another.

    Raises
    ------
    UserError
        If there is such a file with another text, or it cannot be written.
    """
    path = FOLDER / f"{name}.yaml"
    content = {**prompt.content, "metadata": {**prompt.metadata, "version": "1"}}
    if path.exists() and Prompt.read(path).content != content:
        raise UserError(f"{path}: there is another prompt of this name; choose another --write")
    try:
        path.write_text(
            yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100),
            encoding="utf-8",
        )
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    return path


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, which a person can edit."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def sampling(answers: Answers, prompt: Prompt) -> dict[str, Any]:
    """Return temperature, top-p and top-k: the deployment's, or else the prompt's."""
    return {
        key: stated if (stated := getattr(answers, key)) is not None else value
        for key, value in prompt.inference.items()
    }
