"""What the rounds of the recorder benchmark say together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

AIM_SHARE = 0.002
AIM_OF_CODECARBON = 0.25
AIM_IDLE_S, AIM_BUSY_S = 0.5e-3, 5e-3

_HEAD = (
    "recorder",
    "reads",
    "CPU idle, % of a core",
    "µs a sample",
    "CPU busy, %",
    "late idle, p50 / p99 ms",
    "late busy, p50 / p99 ms",
    "memory, MB",
    "slowdown, % (interval)",
)


def summary(rounds: Sequence[dict[str, Any]], bare: dict[str, Any]) -> dict[str, Any]:
    """Give the median over rounds of each figure, and its interval.

    Args:
        rounds: Figures of each round, idle and busy.
        bare: Figures of a program without a recorder.
    """
    figures: dict[str, Any] = {}
    for state in ("idle", "busy"):
        found = [one[state] for one in rounds if one[state]]
        for name in ("cpu_share", "cpu_per_sample_s", "hertz", "lateness_p50_s", "lateness_p99_s"):
            figures[f"{state}_{name}"] = spread([one.get(name) for one in found])
    for name in ("resident_bytes", "proportional_bytes"):
        used = [one["busy"][name] - bare[name] for one in rounds]
        figures[name] = spread(used)
    figures["slowdown"] = spread([one["slowdown"] for one in rounds])
    return figures


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Give median and interval; ``None`` where there is no value.

    The interval is the one between order statistics that holds the median at 95 % whatever the
    distribution; there are too few values for it below six, and it is their range.
    """
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    skip = _skipped(len(known))
    return {"median": statistics.median(known), "low": known[skip], "high": known[-1 - skip]}


def _skipped(count: int) -> int:
    """Give how many values may be left out at each end."""
    below, skip = 0.5**count, 0
    while 2 * (below + math.comb(count, skip + 1) * 0.5**count) <= 0.05:
        skip += 1
        below += math.comb(count, skip) * 0.5**count
    return skip


def table(figures: dict[str, Any]) -> str:
    """Give everything as Markdown."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + " --- |" * len(_HEAD)]
    lines += [_row(one) for one in figures["contenders"]]
    interval = "95 % interval" if figures["rounds"] >= 6 else "range"
    load = figures["load"]
    lines += [
        "",
        f"Medians of {figures['rounds']} rounds; of the slowdown with its {interval}. Memory is "
        "the proportional set above that of an empty Python program. Before: "
        f"{load['before']}; after: {load['after']}.",
        "",
        *_aims({(one["name"], one["kind"]): one["summary"] for one in figures["contenders"]}),
    ]
    return "\n".join(lines)


def _row(contender: dict[str, Any]) -> str:
    found = contender["summary"]
    slow = found["slowdown"]
    cells = [
        contender["name"],
        contender["reads"],
        _shown(found["idle_cpu_share"], 100, 3),
        _shown(found["idle_cpu_per_sample_s"], 1e6, 0),
        _shown(found["busy_cpu_share"], 100, 3),
        _late(found, "idle"),
        _late(found, "busy"),
        _shown(found["proportional_bytes"], 1e-6, 1),
        f"{100 * slow['median']:.2f} ({100 * slow['low']:.2f} to {100 * slow['high']:.2f})",
    ]
    return "| " + " | ".join(cells) + " |"


def _late(found: dict[str, Any], state: str) -> str:
    half, most = found[f"{state}_lateness_p50_s"], found[f"{state}_lateness_p99_s"]
    return f"{_shown(half, 1e3, 2)} / {_shown(most, 1e3, 2)}" if half else "-"


def _shown(figure: dict[str, float] | None, scale: float, digits: int) -> str:
    return f"{scale * figure['median']:.{digits}f}" if figure else "-"


def _aims(found: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Hold the figures against the aims, as far as they were measured."""
    slow = found.get(("Joulebench, 10 Hz", "process"))
    fast = found.get(("Joulebench, 100 Hz", "process"))
    lines = _costs(slow, found) if slow else []
    for state, aim_s in (("idle", AIM_IDLE_S), ("busy", AIM_BUSY_S)):
        late = fast[f"{state}_lateness_p99_s"] if fast else None
        if late:
            what = f"100 Hz, p99 lateness {state}, ms"
            lines.append(_aim(what, 1e3 * late["median"], 1e3 * aim_s))
    return lines


def _costs(slow: dict[str, Any], found: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Hold the cost at 10 Hz against the aims: a share of a core, and CodeCarbon a sample."""
    share = slow["idle_cpu_share"]["median"]
    lines = [_aim("10 Hz, share of a core, %", 100 * share, 100 * AIM_SHARE)]
    for (name, kind), other in found.items():
        sample, whole = other["idle_cpu_per_sample_s"], other["idle_cpu_share"]
        if kind == "codecarbon" and sample:
            ratio = slow["idle_cpu_per_sample_s"]["median"] / sample["median"]
            line = _aim(f"10 Hz, a sample's cost to that of {name}", ratio, AIM_OF_CODECARBON)
            lines.append(f"{line} (all of its cost: {share / whole['median']:.3g})")
    return lines


def _aim(what: str, value: float, aim: float) -> str:
    return f"- {what}: {value:.3g}, aim {aim:g}: {'met' if value <= aim else 'missed'}"
