"""Meters that read one thing, compared over the runs of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.agreement import differences
from joulebench.channel import Channel
from joulebench.energy import Energy, weakest
from joulebench.meter_comparison import LEAST, MeterComparison, compare_energies
from joulebench.nesting import Pair, comparable
from joulebench.report.evidence import MEASURED, Evidence, Reading
from joulebench.report.numbers import ABSENT, Unit, best_unit, between, fixed, places
from joulebench.stats import BlandAltman, Estimate

_PERCENT = 100.0


@dataclass(frozen=True)
class Agreement:
    """Two meters of one machine over the runs that both read.

    Args:
        host: The machine.
        comparison: Their Bland-Altman analysis over the measured windows.
        method: The weakest method of both.
        scope: What they cover.
    """

    host: str
    comparison: MeterComparison
    method: str
    scope: str

    @property
    def label(self) -> str:
        """Which meters, in one line."""
        first, second = self.comparison.names
        return f"{first} less {second}"

    def to_dict(self) -> dict[str, Any]:
        """Give the agreement as a JSON-ready dict."""
        origin = {"host": self.host, "method": self.method, "scope": self.scope}
        return {**origin, **self.comparison.to_dict()}


def agreements(evidence: Evidence) -> list[Agreement]:
    """Compare every two meters of one machine that read one thing in three runs or more."""
    hosts = dict.fromkeys(each.run.host for each in evidence.readings)
    made = [
        _agreement(host, pair, [each for each in evidence.readings if each.run.host == host])
        for host in hosts
        for pair in _pairs(evidence, host)
    ]
    return [found for found in made if found is not None]


def _pairs(evidence: Evidence, host: str) -> list[Pair]:
    """Give the pairs of a machine; a channel whose facts changed between runs counts once."""
    channels: dict[str, Channel] = {}
    for each in evidence.readings:
        if each.run.host == host:
            channels.update({channel.name: channel for channel in each.run.channels})
    return comparable(list(channels.values()))


def _agreement(host: str, pair: Pair, readings: Sequence[Reading]) -> Agreement | None:
    found = [
        (each.run.run_id, difference)
        for each in readings
        for difference in differences(pair, _measured(each))
    ]
    if len(found) < LEAST:
        return None
    comparison = compare_energies(
        [difference.first for _, difference in found],
        [difference.second for _, difference in found],
        pair.names,
        [run_id for run_id, _ in found],
        one_sensor=pair.one_sensor,
    )
    method = weakest([channel.method for channel in pair.channels])
    return Agreement(host, comparison, method, pair.first[0].scope)


def _measured(each: Reading) -> dict[str, dict[str, Energy]]:
    return {
        channel: {MEASURED: Energy.from_dict(windows[MEASURED])}
        for channel, windows in each.run.energy.items()
        if MEASURED in windows
    }


def agreement_unit(found: Sequence[Agreement]) -> Unit:
    """Choose the unit of the differences."""
    sizes = [max(abs(a.comparison.joules.lower.value), abs(a.comparison.joules.upper.value))
             for a in found]  # fmt: skip
    return best_unit(sizes, "J")


def agreement_rows(found: Sequence[Agreement]) -> list[dict[str, Any]]:
    """Give one row a pair of meters, as printed text with a number to sort by."""
    unit = agreement_unit(found)
    return [_row(each, unit) for each in found]


def _row(each: Agreement, unit: Unit) -> dict[str, Any]:
    compared = each.comparison
    share = _PERCENT / compared.mean_j if compared.mean_j else 0.0
    slope = compared.joules.slope
    return {
        "host": each.host,
        "label": each.label,
        "runs": compared.n,
        "bias": between(compared.joules.bias, unit),
        "limits": _limits(compared.joules, unit.factor),
        "relative": _relative(compared.relative),
        "relative_limits": _limits(compared.relative, _PERCENT),
        "slope": ABSENT if slope is None else between(slope.scaled(_PERCENT)),
        "allowed": f"± {_two_digits(compared.allowed_j * share)}" if share else ABSENT,
        "outside": f"{compared.outside} of {compared.n}",
        "agree": compared.agree,
        "key": f"{compared.joules.bias.value:.6g}",
        "method": each.method,
        "scope": each.scope,
    }


def _relative(analysis: BlandAltman | None) -> str:
    return ABSENT if analysis is None else between(analysis.bias.scaled(_PERCENT))


def _limits(analysis: BlandAltman | None, factor: float) -> str:
    if analysis is None:
        return ABSENT
    ends = [end.scaled(factor) for end in (analysis.lower, analysis.upper)]
    decimals = places(analysis.sd * factor)
    return f"{fixed(ends[0].value, decimals)} to {fixed(ends[1].value, decimals)}"


def _two_digits(figure: float) -> str:
    return fixed(figure, places(figure))


def agreement_table(found: Sequence[Agreement]) -> list[dict[str, Any]]:
    """Give one row a pair of meters in SI units, unrounded, for the table on disk."""
    return [_plain(each) for each in found]


def _plain(each: Agreement) -> dict[str, Any]:
    compared = each.comparison
    row = {
        "host": each.host,
        "first": compared.names[0],
        "second": compared.names[1],
        "runs": compared.n,
        "method": each.method,
        "scope": each.scope,
        **_figures("difference_j", compared.joules),
        "expected_sd_j": compared.expected_sd_j,
        "expected_bias_j": compared.expected_bias_j,
        "allowed_j": compared.allowed_j,
        "beyond": compared.outside,
        "agree": compared.agree,
    }
    if compared.relative is not None:
        row |= _figures("relative_difference", compared.relative)
    if compared.joules.slope is not None:
        row |= _ends("slope", compared.joules.slope)
    return row


def _figures(name: str, analysis: BlandAltman) -> dict[str, float]:
    return {
        **_ends(name, analysis.bias),
        f"{name}_sd": analysis.sd,
        **_ends(f"{name}_lower_limit", analysis.lower),
        **_ends(f"{name}_upper_limit", analysis.upper),
    }


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
