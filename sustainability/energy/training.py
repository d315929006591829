"""The footprint of training: floating-point operations on accelerators of one's own."""

from __future__ import annotations

from sustainability.energy import power
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_PER_HOUR = 3600


def device_hours(flop: Estimate, instance_type: str, facts: Facts) -> Estimate:
    """Return the hours that one instance with one accelerator needs.

    A model that needs several of them takes as many hours together, so that energy and cost are
    the same.

    Parameters
    ----------
    flop
        Floating-point operations of the whole run.
    instance_type
        A type with rows ``peak`` and ``utilization`` in ``customization.csv``.
    facts
        The source of the numbers.
    """
    speed = facts(f"customization/{instance_type}/peak", "TFLOP/s") * facts(
        f"customization/{instance_type}/utilization", "share"
    )
    return flop * speed.inverse() * (1e-12 / _PER_HOUR)


def training(flop: Estimate, instance_type: str, site: Site) -> Impact:
    """Return the footprint of a training run on managed spot capacity, with its start."""
    computing = device_hours(flop, instance_type, site.facts)
    starting = site.facts("customization/start", "h")
    hours = computing + starting
    machine = power.accelerated(instance_type, site.facts)
    price = site.facts(f"prices/instance/{instance_type}", "USD/h")
    return site.impact(
        machine.busy.kwh(computing) + machine.idle.kwh(starting),
        embodied_g=machine.idle.embodied_g_per_h * hours,
        usd=price * hours * site.facts("prices/training/spot", "ratio"),
    )


def processing(hours: Estimate, instance_type: str, site: Site) -> Impact:
    """Return the footprint of ``hours`` of an instance without accelerators."""
    machine = power.instance(instance_type, site.facts)
    return site.impact(
        machine.kwh(hours),
        embodied_g=machine.embodied_g_per_h * hours,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h") * hours,
    )
