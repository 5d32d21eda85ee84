"""Power beside what the device draws when it has nothing to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from joulebench.audit.devices import run_devices
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table_energy_power import IDLE_SHARE
from joulebench.audit.trace_stretch import Stretch, stretches
from joulebench.energy import headline_channels
from joulebench.finding import Finding
from joulebench.flops.device_spec import DeviceSpec
from joulebench.run_row import MEASURED, duration_s

_IDLE_SHARE, _SURE = 0.9, 3.0
_NOTHING, _RESOLVED = 0.02, 0.1
_BESIDE_BUSY, _EVEN = 0.35, 0.05
_AT_LEAST = "the device draws at least:"
_IDLE = ("idle", "idle_after")


def power_below_idle(view: AuditRun) -> Iterator[Finding]:
    """Look for work that drew less power than the device does when it has nothing to do."""
    for part in stretches(view):
        if part.t_s.size < 2 or not part.is_reading:
            continue
        idle_w, whose = _idle_w(view, part)
        nothing = part.mean_w <= 0
        if not nothing and (idle_w is None or part.mean_w >= _IDLE_SHARE * idle_w):
            continue
        possible = "above 0 W" if idle_w is None else f"at least {idle_w:.4g} W"
        yield Finding(
            "power-below-idle",
            "error" if nothing or whose == _AT_LEAST else "warning",
            view.where(part.channel.name),
            f"the mean power while it worked is {part.mean_w:.4g} W, "
            + ("which no device draws" if nothing else f"less than {whose} {idle_w:.4g} W"),
            "check that the window is where the work was, that the clocks agree, and that the "
            "sensor is of the device that worked",
            seen=f"{part.mean_w:.4g} W",
            possible=possible,
        )


def _idle_w(view: AuditRun, part: Stretch) -> tuple[float | None, str]:
    """Give the idle power of a device, W: as this run measured it, else the least it can be."""
    powers = []
    for window in view.run.windows:
        energy = view.run.energy.get(part.channel.name, {}).get(window.name)
        if window.name in _IDLE and energy is not None:
            doubt_j = _SURE * float(energy["noise"])
            powers.append((float(energy["joules"]) - doubt_j) / window.duration_s)
    if powers:
        return min(powers), "when it was idle:"
    least = [_floor_w(device) for device in run_devices(view)]
    if part.channel.scope != "gpu board" or not least:
        return None, ""
    return min(least), _AT_LEAST


def _floor_w(device: DeviceSpec) -> float:
    """Give the least that a device draws, W: as published, else a share of its limit."""
    share_w = IDLE_SHARE * device.power_limit_w
    return min(device.idle_power_w, share_w) if device.idle_power_w else share_w


class _Above(NamedTuple):
    """Energy above idle with its standard error, and the whole, J."""

    joules: float
    noise_j: float
    whole_j: float


def work_not_seen(view: AuditRun) -> Iterator[Finding]:
    """Look for work that the meters do not see: as much power with it as without."""
    above = _above_idle(view)
    if above is None or above.whole_j <= 0:
        return
    share, doubt = above.joules / above.whole_j, 2 * above.noise_j / above.whole_j
    if share > _NOTHING or abs(share) > max(doubt, _NOTHING) or doubt > _RESOLVED:
        return
    yield Finding(
        "work-not-seen",
        "warning",
        view.where(),
        f"the work drew {above.joules:.3g} J ± {2 * above.noise_j:.2g} J more than idling, of "
        f"{above.whole_j:.4g} J: the sensors do not see it",
        "measure the machine and the device that do the work; what is read here would have been "
        "used without it",
        seen=f"{100 * share:.2g} % above idle",
        possible=f"above {100 * _NOTHING:g} %",
    )


def _above_idle(view: AuditRun) -> _Above | None:
    """Give what all channels together used above idle; ``None`` where the run does not say."""
    run = view.run
    names = [channel.name for channel in headline_channels(run.channels)]
    work_s = duration_s(run)
    idle_s = sum(duration_s(run, window) or 0.0 for window in _IDLE)
    if not names or not work_s or not idle_s or not any(run.work.values()):
        return None
    work = [run.energy.get(name, {}).get(MEASURED) for name in names]
    idle = [_idle_energies(view, name) for name in names]
    if not all(work) or not all(idle):
        return None
    whole = [energy for energy in work if energy is not None]
    parts = [energy for each in idle for energy in each]
    ratio = work_s / idle_s
    whole_j = math.fsum(float(energy["joules"]) for energy in whole)
    idle_j = ratio * math.fsum(float(energy["joules"]) for energy in parts)
    noises = [float(energy["noise"]) for energy in whole]
    noises += [ratio * float(energy["noise"]) for energy in parts]
    return _Above(whole_j - idle_j, math.hypot(*noises), whole_j)


def _idle_energies(view: AuditRun, name: str) -> list[dict[str, float]]:
    """Give the energies of a channel's idle windows; none where one of them is missing."""
    windows = {window.name for window in view.run.windows if window.name in _IDLE}
    found = [view.run.energy.get(name, {}).get(window) for window in windows]
    return [each for each in found if each is not None] if all(found) else []


def idle_devices_counted(view: AuditRun) -> Iterator[Finding]:
    """Look for boards that did nothing while another worked, and whose energy is in the sum.

    A board at work draws several times its idle power, and never evenly.
    """
    summed = {channel.name for channel in headline_channels(view.run.channels)}
    boards = [
        part
        for part in stretches(view)
        if part.channel.name in summed and part.channel.scope == "gpu board" and part.is_power
    ]
    windows = {part.window.name for part in boards}
    if len(boards) < 2 or len(windows) != 1 or any(part.t_s.size < 2 for part in boards):
        return
    busiest_w = max(part.mean_w for part in boards)
    idle = [part for part in boards if _is_idle(part, busiest_w)]
    if not idle:
        return
    idle_j = sum(part.joules for part in idle)
    whole_j = sum(part.joules for part in boards)
    names = ", ".join(part.channel.device for part in idle[:4]) + (", ..." if idle[4:] else "")
    yield Finding(
        "scope-mismatch",
        "warning",
        f"{view.where()}: idle boards",
        f"{len(idle)} of {len(boards)} boards ({names}) drew "
        f"{min(part.mean_w for part in idle):.3g} to {max(part.mean_w for part in idle):.3g} W all "
        f"the time, while one drew {busiest_w:.4g} W: {idle_j:.4g} J, "
        f"{100 * idle_j / whole_j:.2g} % of the sum, are of boards that did no work",
        "add up the boards that worked, or say that the whole machine is meant and how many of its "
        "boards were used",
        seen=f"{whole_j:.4g} J",
        possible=f"{whole_j - idle_j:.4g} J for the boards that worked",
    )


def _is_idle(part: Stretch, busiest_w: float) -> bool:
    spread_w = float(part.power_w.std())
    return part.mean_w < _BESIDE_BUSY * busiest_w and spread_w < _EVEN * part.mean_w


RULES = (
    Rule("scope-mismatch", "energy", run=idle_devices_counted),
    Rule("power-below-idle", "energy", run=power_below_idle),
    Rule("work-not-seen", "energy", run=work_not_seen),
)
"""Rules about how little power a device can draw."""
