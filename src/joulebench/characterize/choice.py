"""Which load changes what a meter reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from joulebench.characterize.followers import GpuLoad, ProcessorLoad
from joulebench.characterize.load import Load
from joulebench.characterize.simulated_load import ProfileLoad
from joulebench.meters.meter import Meter
from joulebench.meters.simulated import SimulatedMeter

LoadFor = Callable[[Meter], Load]
"""Gives the load that changes what a meter reads; raises Unavailable where there is none."""


def load_of(meter: Meter) -> Load:
    """Choose the load that changes what a meter reads.

    Raises:
        Unavailable: There is none for its channels, or what it needs is not installed.
    """
    if isinstance(meter, SimulatedMeter):
        return ProfileLoad(meter, time.monotonic)
    scopes = {channel.scope for channel in meter.channels}
    if any(scope.startswith("gpu") for scope in scopes):
        return GpuLoad(_cuda_names(meter))
    return ProcessorLoad()


def _cuda_names(meter: Meter) -> dict[str, str]:
    """Give how CUDA finds each GPU: by its UUID, or by its number."""
    identities: Mapping[str, str] = getattr(meter, "identities", {})
    gpus = [c.device for c in meter.channels if c.scope.startswith("gpu")]
    known = {gpu: identities.get(gpu, "") for gpu in gpus}
    return {
        gpu: uuid if uuid.startswith(("GPU-", "MIG-")) else "".join(filter(str.isdigit, gpu))
        for gpu, uuid in known.items()
    }
