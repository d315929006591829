"""The footprint of your own instance per hour: idle, and what work adds."""

from __future__ import annotations

from sustainability.energy import power
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site


def instance_hour(instance_type: str, site: Site) -> Impact:
    """Return the footprint of an idle instance per hour."""
    machine = power.accelerated(instance_type, site.facts).idle
    return site.impact(
        machine.kwh(1),
        embodied_g=machine.embodied_g_per_h,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h"),
    )


def busy_hour(instance_type: str, site: Site) -> Impact:
    """Return what one hour with all accelerators busy adds to an idle instance."""
    return site.impact(power.accelerated(instance_type, site.facts).work_watts / 1000)
