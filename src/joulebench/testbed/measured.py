"""What one window cost, with what is to be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.agreement import agreement_findings
from joulebench.channel import Channel, Window
from joulebench.energy import Energy, Trace, headline_channels, total
from joulebench.errors import EnergyError
from joulebench.finding import Finding
from joulebench.testbed.account import below_resolution
from joulebench.testbed.plausible import refuse_impossible
from joulebench.testbed.recorded import covering


class Measurement:
    """What one window cost.

    Args:
        window: The window, in monotonic s.
        channels: What was recorded.
        traces: Traces that reach over the window, by channel name.
        lost: Why a channel's meter was lost, by channel name.
        doubts: What stood in the way of the recording.
    """

    def __init__(
        self,
        window: Window,
        channels: Sequence[Channel],
        traces: Mapping[str, Trace],
        *,
        lost: Mapping[str, str] | None = None,
        doubts: Sequence[Finding] = (),
    ) -> None:
        self.window = window
        self.traces = dict(traces)
        self._lost = dict(lost or {})
        self._doubts = tuple(doubts)
        self.channels: dict[str, Energy] = {}
        self.refusals: dict[str, str] = {}
        self._headline = [channel.name for channel in headline_channels(covering(channels, traces))]
        for channel in channels:
            self._integrate(channel.name)

    def _integrate(self, name: str) -> None:
        if name not in self.traces:
            self._refuse(name, f"channel {name!r} gave fewer than two readings")
            return
        trace = self.traces[name]
        try:
            energy = trace.energy(self.window)
            refuse_impossible(trace, energy, [self.window])
        except EnergyError as error:
            self._refuse(name, str(error))
            return
        self.channels[name] = energy

    def _refuse(self, name: str, why: str) -> None:
        lost = self._lost.get(name)
        self.refusals[name] = f"{why}; its meter was lost: {lost}" if lost else why

    @property
    def name(self) -> str:
        """Name of the window."""
        return self.window.name

    @property
    def duration_s(self) -> float:
        """Length of the window, s."""
        return self.window.duration_s

    @property
    def headline(self) -> list[str]:
        """Names of the channels that are summed: no part with its whole, no alternatives."""
        return list(self._headline)

    @property
    def energy(self) -> Energy:
        """The sum of the headline channels.

        Raises:
            EnergyError: One of them has no energy for this window, so that a sum would lack it.
        """
        for name in self._headline:
            if name in self.refusals:
                raise EnergyError(self.refusals[name])
        return total([self.channels[name] for name in self._headline])

    @property
    def mean_power_w(self) -> float:
        """Mean power over the window, W."""
        return self.energy.joules / self.duration_s

    @property
    def findings(self) -> list[Finding]:
        """Checks that did not pass, of the recording and of all channels."""
        found = list(self._doubts)
        for name, energy in self.channels.items():
            found += energy.findings
            if energy.below_resolution:
                found.append(below_resolution(f"{name} {self.name}", energy))
        return list(dict.fromkeys([*found, *self._disagreements()]))

    def _disagreements(self) -> list[Finding]:
        channels = [self.traces[name].channel for name in self.channels]
        energies = {name: {self.name: energy} for name, energy in self.channels.items()}
        return agreement_findings(channels, energies, {self.name: self.duration_s})

    @property
    def below_resolution(self) -> bool:
        """Whether the window is shorter than a sensor of the sum resolves."""
        known = [self.channels[name] for name in self._headline if name in self.channels]
        return any(energy.below_resolution for energy in known)

    def to_dict(self) -> dict[str, Any]:
        """Give the measurement as a JSON-ready dict; what was refused has no energy."""
        record: dict[str, Any] = {
            "window": self.window.to_dict(),
            "duration_s": self.duration_s,
            "channels": {name: energy.to_dict() for name, energy in self.channels.items()},
            "headline": self.headline,
            "refused": self.refusals,
            "findings": [finding.to_dict() for finding in self.findings],
        }
        try:
            energy = self.energy
        except EnergyError:
            return record
        return {
            **record,
            "energy": energy.to_dict(),
            "mean_power_w": self.mean_power_w,
            "below_resolution": self.below_resolution,
        }

    def __str__(self) -> str:
        """Print name, energy and duration."""
        return f"{self.name}: {self.energy.described()} in {self.duration_s:.3f} s"
