"""What a tool says of its own trace, held against that trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_stated import (
    asked_step_s,
    only_stretch,
    stated_duration_s,
    stated_energy_j,
)
from joulebench.audit.trace_stretch import Stretch
from joulebench.finding import Finding

_AGREES, _DIFFERS = 0.005, 0.02


def stale_summary(view: AuditRun) -> Iterator[Finding]:
    """Look for an energy or a number of samples that the trace beside it contradicts."""
    part = only_stretch(view)
    if part is None:
        return
    yield from _energy(view, part)
    yield from _samples(view, part)


def _energy(view: AuditRun, part: Stretch) -> Iterator[Finding]:
    stated = stated_energy_j(view)
    if stated is None or not part.is_power or part.joules <= 0:
        return
    off = stated / part.joules - 1
    ways = _ways(view, part)
    if abs(off) <= _DIFFERS or any(abs(stated / way - 1) <= _AGREES for way in ways.values()):
        return
    yield Finding(
        "stale-summary",
        "error",
        view.where(part.channel.name),
        f"the source states {stated:.6g} J for the run, its trace integrates to "
        f"{part.joules:.6g} J ({100 * off:+.2g} %), and no plain way to add the trace up gives it",
        "do not use the stated energy: it may belong to another run, another window or another "
        "number of requests",
        seen=f"{stated:.6g} J",
        possible=f"{part.joules:.6g} J",
    )


def _ways(view: AuditRun, part: Stretch) -> Mapping[str, float]:
    """Give what plain ways of adding up a trace make of it, J."""
    trace = part.trace
    whole = Stretch(trace, part.window, *trace.power())
    mean_w = float(part.power_w.mean())
    ways = {
        "the whole trace": whole.joules,
        "readings times a step": float(whole.power_w.sum()) * whole.cadence_s,
        "the mean times the window": mean_w * part.window.duration_s,
    }
    asked_s = asked_step_s(view.run)
    if asked_s is not None:
        ways["readings times the step that was asked for"] = float(part.power_w.sum()) * asked_s
    stated_s = stated_duration_s(view)
    if stated_s is not None:
        ways["the mean times the stated time"] = mean_w * stated_s
    return {name: joules for name, joules in ways.items() if joules > 0}


def _samples(view: AuditRun, part: Stretch) -> Iterator[Finding]:
    stated = view.run.facts.get("stated_samples")
    held = len(part.trace)
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return
    left_out = sum(f.rule in ("non-finite", "repeated-timestamp") for f in view.run.findings)
    if stated == held or left_out:
        return
    yield Finding(
        "stale-summary",
        "warning",
        view.where("number of samples"),
        f"the source states {stated:g} samples, its trace holds {held}",
        "see whether summary and trace are of the same run, and whether the trace is whole",
        seen=f"{held} samples",
        possible=f"{stated:g} samples",
    )


RULES = (Rule("stale-summary", "energy", run=stale_summary),)
"""Rules about summaries."""
