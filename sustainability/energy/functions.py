"""The footprint of a Lambda function per second and per invocation."""

from __future__ import annotations

from sustainability.energy import power
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site

MIB_PER_GIB = 1024


def function_second(memory_mib: int, site: Site) -> Impact:
    """Return the footprint of one second of a running function with ``memory_mib`` MiB."""
    machine = power.function(memory_mib, site.facts)
    return site.impact(
        machine.kwh(1 / 3600),
        embodied_g=machine.embodied_g_per_h / 3600,
        usd=site.facts("prices/lambda/gb_second", "USD/GB-s") * (memory_mib / MIB_PER_GIB),
    )


def waiting_hour(memory_mib: int, site: Site) -> Impact:
    """Return the footprint of an hour with calls, for the memory that waits between them.

    AWS keeps the environment of a function for some minutes after a call, and charges nothing.
    """
    facts = site.facts
    held = facts("power/lambda/waiting", "share") * facts("power/lambda/backed", "share")
    memory = power.share(0, memory_mib / MIB_PER_GIB, facts) * held
    return site.impact(memory.kwh(1), embodied_g=memory.embodied_g_per_h)


def invocation(site: Site) -> Impact:
    """Return the footprint of one invocation, without its running time."""
    return site.impact(usd=site.facts("prices/lambda/request", "USD/million") / 1e6)
