"""The models that can run on Inferentia2, and how many copies fit on an instance."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import DeploymentError
from sustainability.errors import choose
from sustainability.facts.lookup import Facts, load_facts
from sustainability.facts.ranges import Estimate

CORES_PER_CHIP = 2


def model_names() -> list[str]:
    """Return the models of ``sustainability/facts/data/inference_models.csv``."""
    return sorted({key.split("/")[0] for key in load_facts("inference_models")})


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
    weight_bits: int
    """Bits of one weight on the accelerator: its precision."""
    host_memory_gib: float
    """Host memory in GiB that one copy needs."""
    prefill: Estimate
    """Seconds to read one token of a prompt. The copy writes no answers during this time."""
    decode: Estimate
    """Seconds between two tokens of an answer, whether one slot is busy or all are."""
    thinks: bool
    """Whether it writes reasoning before its answer, unless the chat template turns this off."""

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
            If the catalogue does not contain it. Names the nearest, or all that it contains.
        """
        if name not in model_names():
            raise DeploymentError(
                f"inference.model: {name} is not a compiled model; {choose(name, model_names())}"
            )

        def number(key: str, unit: str) -> Estimate:
            return facts(f"inference_models/{name}/{key}", unit)

        return cls(
            name=name,
            slots=int(number("slots", "requests").mid),
            sequence_length=int(number("sequence_length", "tokens").mid),
            chips=int(number("chips", "devices").mid),
            weight_bits=int(number("weight_bits", "bits").mid),
            host_memory_gib=number("host_memory", "GiB").mid,
            prefill=number("prefill", "s/token"),
            decode=number("decode", "s/token"),
            thinks=number("thinks", "flag").mid == 1,
        )

    def copies_per_instance(
        self, instance_type: str, facts: Facts, *, inference_components: bool
    ) -> int:
        """Return how many copies fit on an instance; zero if none fits.

        Without inference components, an instance runs one container and therefore one copy.

        Raises
        ------
        FactError
            If memory or chips of the instance type have no row.
        """
        memory = facts(f"instances/{instance_type}/memory", "GiB").mid
        chips = facts(f"power/accelerators/{instance_type.removeprefix('ml.')}", "devices").mid
        copies = int(min(chips / self.chips, memory / self.host_memory_gib))
        return copies if inference_components else min(copies, 1)
