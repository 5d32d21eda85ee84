"""Speed, delay and energy of each cell at its load, the energy of the steady stretch alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.energy import Energy
from joulebench.record import Run
from joulebench.report.cells import energy_per, mean_energy
from joulebench.report.evidence import (
    MEASURED,
    Evidence,
    energy_of,
    groups_of_runs,
    printed_levels,
)
from joulebench.run_row import duration_s
from joulebench.stats import Estimate, mean_estimate

STEADY = "steady"
"""Name of the window in which a load was in its steady state."""

SIZES = {"batch": "batch_size", "closed": "concurrency", "open": "rate_per_s"}
"""Kind of load -> the setting that says how much of it there is."""

DELAYS = {
    "ttft": ("p50", "p95"),
    "itl": ("p50", "p99"),
    "latency": ("p50", "p95", "p99"),
}
"""Delays that the table has, with the percentiles of each."""

_WITH_STEADY = ("closed", "open")


@dataclass(frozen=True)
class UnderLoad:
    """One combination of levels, measured one way, at its load.

    Args:
        levels: Factor -> level.
        method: Weakest method among its channels; empty where no energy was measured.
        scope: What its joules cover; empty where no energy was measured.
        kind: How requests arrived, as in :class:`joulebench.work.Load`.
        size: Concurrency, mean arrivals a second or batch size; ``None`` where there is none.
        runs: Runs behind it.
        steady: Runs among them with a steady state.
        why: Why others have none, as the first of them says it; empty where none has to.
        overload: Runs in which requests came faster than they were answered.
        slo: Longest delays that count as good, s, by name; empty where none was set.
        below: Runs whose energy here is below the sensor's resolution.
        estimates: ``requests_per_s``, ``tokens_per_s``, ``goodput_per_s``, ``power_w``,
            ``per_token_j``, ``tokens_per_j`` and the :data:`DELAYS`; absent where not known.
    """

    levels: dict[str, str]
    method: str
    scope: str
    kind: str
    size: float | None
    runs: int
    steady: int
    why: str
    overload: int
    slo: dict[str, float]
    below: int
    estimates: dict[str, Estimate]

    @property
    def window(self) -> str:
        """The window that rates and energies are of."""
        return STEADY if self.settled else MEASURED

    @property
    def overlapping(self) -> bool:
        """Whether its requests overlap, so that there is a steady state to be looked for."""
        return self.kind in _WITH_STEADY

    @property
    def settled(self) -> bool:
        """Whether rates and energies are of the steady stretches of the runs that have one.

        Not where any of its runs was overloaded: the others were then spared it by chance, and to
        take these alone would be to choose by what came out.
        """
        return _is_settled(self.steady, self.runs, self.overload)

    @property
    def unsettled(self) -> bool:
        """Whether it should have a steady state and has none."""
        return self.overlapping and not self.settled

    @property
    def partly_steady(self) -> bool:
        """Whether rates and energies are of some of its runs, since others have no steady state."""
        return self.settled and self.steady < self.runs

    def to_dict(self) -> dict[str, Any]:
        """Give it as a JSON-ready dict."""
        names = ("levels", "method", "scope", "kind", "size", "runs", "steady", "overload",
                 "window", "slo")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            **{name: estimate.to_dict() for name, estimate in self.estimates.items()},
        }


def under_load(evidence: Evidence) -> list[UnderLoad]:
    """Estimate every cell whose requests were timed, in the order of the cells."""
    runs = [run for run in evidence.runs if run.status == "done" and serving(run)]
    return [_of_cell(group) for group in groups_of_runs(evidence, runs)]


def serving(run: Run) -> Mapping[str, Any]:
    """Give what a run recorded of its speed and delays; empty where it recorded nothing."""
    found = run.facts.get("serving")
    return found if isinstance(found, Mapping) else {}


def is_steady(run: Run) -> bool:
    """Say whether a run has a stretch in which its load was in its steady state."""
    return bool((serving(run).get("steady") or {}).get("found"))


def _of_cell(group: Sequence[Run]) -> UnderLoad:
    steady = [run for run in group if is_steady(run)]
    overload = sum(bool((serving(run).get("steady") or {}).get("overload")) for run in group)
    settled = steady if _is_settled(len(steady), len(group), overload) else []
    first = group[0]
    load = first.facts.get("load") or {}
    kind = str(load.get("kind", "sequential"))
    energies = _energies(settled or group, STEADY if settled else MEASURED)
    origin = next(((e.method, e.scope) for _, e in energies), ("", ""))
    rest = [run for run in group if not is_steady(run)] if kind in _WITH_STEADY else []
    found = {
        **_rates(settled or group, bool(settled)),
        "goodput_per_s": _mean([serving(run).get("goodput_per_s") for run in group]),
        **_delays(group),
        **_of_energy(energies, bool(settled)),
    }
    return UnderLoad(
        levels=printed_levels(first),
        method=origin[0],
        scope=origin[1],
        kind=kind,
        size=_size(kind, load),
        runs=len(group),
        steady=len(steady),
        why=next((str(why) for run in rest if (why := _why(run))), ""),
        overload=overload,
        slo={name: float(most) for name, most in (serving(first).get("slo") or {}).items()},
        below=sum(energy.below_resolution for _, energy in energies),
        estimates={name: estimate for name, estimate in found.items() if estimate is not None},
    )


def _why(run: Run) -> str:
    return str((serving(run).get("steady") or {}).get("why") or "")


def _size(kind: str, load: Mapping[str, Any]) -> float | None:
    """Give how much load there is; what is usual is not in a record."""
    if kind not in SIZES or load.get("arrivals") == "trace":
        return None
    size = load.get(SIZES[kind], None if kind == "open" else 1)
    return None if size is None else float(size)


def _is_settled(steady: int, runs: int, overload: int) -> bool:
    return 2 * steady >= runs and not overload


def _rates(runs: Sequence[Run], settled: bool) -> dict[str, Estimate | None]:
    """Estimate the rates, of the steady stretches where these count."""
    facts = [serving(run) for run in runs]
    if not settled:
        return {
            "requests_per_s": _mean([each.get("requests_per_s") for each in facts]),
            "tokens_per_s": _mean([each.get("tokens_out_per_s") for each in facts]),
        }
    return {
        "requests_per_s": _mean([_rate(each, "requests") for each in facts]),
        "tokens_per_s": _mean([_rate(each, "tokens_out") for each in facts]),
    }


def _rate(facts: Mapping[str, Any], counted: str) -> float | None:
    steady = facts["steady"]
    length_s = float(steady["stop_s"]) - float(steady["start_s"])
    return steady[counted] / length_s if length_s > 0 and counted in steady else None


def _delays(runs: Sequence[Run]) -> dict[str, Estimate | None]:
    facts = [serving(run) for run in runs]
    return {
        f"{name}_{part}_s": _mean([(each.get(f"{name}_s") or {}).get(part) for each in facts])
        for name, parts in DELAYS.items()
        for part in parts
    }


def _mean(values: Sequence[float | None]) -> Estimate | None:
    known = [float(value) for value in values if value is not None]
    return mean_estimate(known) if known else None


def _energies(runs: Sequence[Run], window: str) -> list[tuple[Run, Energy]]:
    found = [(run, energy_of(run, window)) for run in runs]
    return [(run, energy) for run, energy in found if energy is not None]


def _of_energy(energies: Sequence[tuple[Run, Energy]], steady: bool) -> dict[str, Estimate | None]:
    window = STEADY if steady else MEASURED
    timed = [energy / length for run, energy in energies if (length := duration_s(run, window))]
    counted = [(energy, tokens) for run, energy in energies if (tokens := _tokens(run, steady))]
    per_token = energy_per([energy for energy, _ in counted], [tokens for _, tokens in counted])
    return {
        "power_w": mean_energy(timed),
        "per_token_j": per_token,
        "tokens_per_j": None if per_token is None else inverse(per_token),
    }


def _tokens(run: Run, steady: bool) -> float | None:
    """Give the tokens of a run's window; not whole where answers lie across its edges."""
    if steady:
        return (serving(run)["steady"] or {}).get("tokens_out") or None
    return run.work.get("tokens_out") or None


def inverse(estimate: Estimate) -> Estimate | None:
    """Give one over an estimate, its ends exchanged; ``None`` where it is not above 0.

    The upper end is infinite where the estimate's interval reaches zero.
    """
    if not estimate.value > 0:
        return None
    scale = 1 / estimate.value**2
    ends = 1 / estimate.high, 1 / estimate.low if estimate.low > 0 else math.inf
    if math.isnan(estimate.low):
        ends = math.nan, math.nan
    return Estimate(
        1 / estimate.value,
        *ends,
        estimate.n,
        estimate.noise * scale,
        estimate.bias * scale,
        estimate.dof,
        estimate.level,
        f"one over: {estimate.method}",
        estimate.noise_half * scale,
    )
