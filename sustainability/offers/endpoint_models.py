"""The models that may run on Inferentia2, and how many copies of one fit an instance."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import DeploymentError
from sustainability.facts.lookup import Facts, load_facts
from sustainability.facts.ranges import Estimate

CORES_PER_CHIP = 2


@dataclass(frozen=True, kw_only=True)
class InferenceModel:
    """A model compiled for Inferentia2 with static shapes; see ``data/inference_models.csv``."""

    name: str
    slots: int
    """Answers that one copy writes at a time: the static batch size."""
    sequence_length: int
    """Tokens of prompt and answer together."""
    chips: int
    """Inferentia2 chips of one copy."""
    host_memory_gib: float
    """What one copy needs of the instance's memory."""
    prefill: Estimate
    """Seconds to read one token of a prompt. Nothing else advances on that copy meanwhile."""
    decode: Estimate
    """Seconds between two tokens of an answer, whether one slot is busy or all are."""
    thinks: bool
    """Whether it thinks before it answers, unless its chat template is told not to."""

    @property
    def tensor_parallel(self) -> int:
        """NeuronCores that share the work of a copy."""
        return self.chips * CORES_PER_CHIP

    @classmethod
    def named(cls, name: str, facts: Facts) -> InferenceModel:
        """Return the model ``name`` of the catalogue.

        Raises
        ------
        DeploymentError
            If there is none of that name; lists those that there are.
        """
        names = sorted({key.split("/")[0] for key in load_facts("inference_models")})
        if name not in names:
            raise DeploymentError(
                f"inference.model: no {name!r} in sustainability/facts/data/inference_models.csv; "
                f"there are {', '.join(names)}"
            )

        def number(key: str, unit: str) -> Estimate:
            return facts(f"inference_models/{name}/{key}", unit)

        return cls(
            name=name,
            slots=int(number("slots", "requests").mid),
            sequence_length=int(number("sequence_length", "tokens").mid),
            chips=int(number("chips", "devices").mid),
            host_memory_gib=number("host_memory", "GiB").mid,
            prefill=number("prefill", "s/token"),
            decode=number("decode", "s/token"),
            thinks=number("thinks", "flag").mid == 1,
        )

    def copies_per_instance(
        self, instance_type: str, facts: Facts, *, inference_components: bool
    ) -> int:
        """Return how many copies an instance holds; zero if not one.

        Without inference components an instance runs one container, and so one copy.

        Raises
        ------
        FactError
            If the instance type's memory or chips have no row.
        """
        memory = facts(f"instances/{instance_type}/memory", "GiB").mid
        chips = facts(f"power/accelerators/{instance_type.removeprefix('ml.')}", "devices").mid
        copies = int(min(chips / self.chips, memory / self.host_memory_gib))
        return copies if inference_components else min(copies, 1)
