"""What an instance of one's own takes, by the hour: for being on, and for working."""

from __future__ import annotations

from sustainability.energy import power
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site


def instance_hour(instance_type: str, site: Site) -> Impact:
    """Return what an instance takes for being on."""
    machine = power.accelerated(instance_type, site.facts).idle
    return site.impact(
        machine.kwh(1),
        embodied_g=machine.embodied_g_per_h,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h"),
    )


def busy_hour(instance_type: str, site: Site) -> Impact:
    """Return what an hour with all accelerators busy takes on top of being on."""
    return site.impact(power.accelerated(instance_type, site.facts).work_watts / 1000)
