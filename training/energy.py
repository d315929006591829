"""What a run used: measured where something measures, estimated where nothing does."""

from __future__ import annotations

import csv
import importlib.util
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NEURON = "/sys/devices/virtual/neuron_device"
_NEURON_POWER = "neuron*/stats/power/utilization"
_NEURON_PERIOD_S = 60


@dataclass(slots=True)
class Energy:
    """Energy of a run in Wh, None where nothing measured and nothing was stated, and its source."""

    wh: float | None = None
    source: str = "not measured"
    seconds: float = 0.0


@contextmanager
def measured(*, instance_watts: float = 0, neuron_watts: float = 0) -> Iterator[Energy]:
    """Yield what the block uses; it is complete when the block has ended.

    Parameters
    ----------
    instance_watts
        What the machine draws, as stated by whoever starts the job: an estimate, used where
        CodeCarbon is not installed.
    neuron_watts
        What one Trainium or Inferentia chip draws at full power. The driver reports a share of it.
    """
    energy = Energy()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tracker = _tracker(folder)
        neuron = _Neuron(neuron_watts) if neuron_watts and Path(_NEURON).is_dir() else None
        try:
            yield energy
        finally:
            energy.seconds = time.monotonic() - began
            chips = neuron.stop() if neuron else 0.0
            if tracker:
                tracker.stop()
                host = _energy_wh(Path(folder) / "emissions.csv")
                energy.wh = host + chips
                energy.source = "CodeCarbon" + (" and the Neuron driver" if neuron else "")
            elif instance_watts:
                energy.wh = instance_watts * energy.seconds / 3600
                energy.source = f"estimated: {instance_watts:g} W of the instance by the time"


def _tracker(folder: str) -> Any:
    if importlib.util.find_spec("codecarbon") is None:
        return None
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="SWE",  # carbon is not its business: it knows no Region
        tracking_mode="process",
        output_dir=folder,
        log_level="error",
        allow_multiple_runs=True,
    )
    tracker.start()
    return tracker


def _energy_wh(report: Path) -> float:
    with report.open() as file:
        return 1000 * sum(float(row["energy_consumed"]) for row in csv.DictReader(file))


class _Neuron:
    """Reads the power of the chips, each a share of its full power, once a minute."""

    def __init__(self, watts: float) -> None:
        self._watts = watts
        self._wh = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the energy of all chips so far, in Wh."""
        self._stopped.set()
        self._thread.join()
        return self._wh

    def _read(self) -> None:
        before = time.monotonic()
        while True:
            ended = self._stopped.wait(_NEURON_PERIOD_S)
            now = time.monotonic()
            for file in Path(_NEURON).glob(_NEURON_POWER):
                status, *_, average = file.read_text().split(",")
                if status == "POWER_STATUS_VALID":
                    self._wh += float(average) / 100 * self._watts * (now - before) / 3600
            before = now
            if ended:
                return
