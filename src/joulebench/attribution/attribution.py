"""Which request had how much of a device's energy, when it served many at once.

The whole of a window is what its trace says; requests share it by their activity, and what nobody
was active for is kept apart, with its sign. The parts always add up to the whole. Formulas and
sources: ``docs/measurement.md``, Attribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.attribution.activity import Activity, Served, Weights
from joulebench.attribution.channel import ChannelShares
from joulebench.attribution.parts import Parts
from joulebench.attribution.stretches import IdlePower
from joulebench.channel import Window
from joulebench.energy import Energy, Trace, headline_channels, total
from joulebench.errors import UsageError, unknown

CONVENTIONS = ("gross", "marginal")
"""Whether the idle power is shared by the requests that are active, or kept apart all the time."""


@dataclass(frozen=True, slots=True)
class RequestEnergy:
    """What one request had of the device's energy.

    Args:
        request_id: Its name.
        prefill: Until its first token; ``None`` where that lasted no time or is not known.
        decode: From its first token to its last; ``None`` likewise.
        total: All of it.
    """

    request_id: str
    prefill: Energy | None
    decode: Energy | None
    total: Energy


class Attribution:
    """The energy of a window, shared out: :func:`attribute` makes it.

    Args:
        window: The whole.
        request_ids: Names of the requests, in their order.
        channels: The shares of each channel; at least one.
        convention: One of :data:`CONVENTIONS`.
        weights: How requests shared.
    """

    def __init__(
        self,
        window: Window,
        request_ids: Sequence[str],
        channels: Sequence[ChannelShares],
        convention: str,
        weights: Weights,
    ) -> None:
        self.window = window
        self.request_ids = list(request_ids)
        self.convention = convention
        self.weights = weights
        self._channels = list(channels)
        self._activity = channels[0].cells.activity

    def __len__(self) -> int:
        """Give the number of requests."""
        return len(self.request_ids)

    def __iter__(self) -> Iterator[RequestEnergy]:
        """Give the energy of each request, in the order in which they were given."""
        return (self.request(place) for place in range(len(self)))

    def request(self, place: int) -> RequestEnergy:
        """Give the energy of one request.

        Args:
            place: Its place in the order in which the requests were given.
        """
        whole = self.requests.energy(place)
        assert whole is not None  # every request has an energy, be it 0 J outside of the window
        name = self.request_ids[place]
        return RequestEnergy(name, self.prefill.energy(place), self.decode.energy(place), whole)

    @property
    def requests(self) -> Parts:
        """Energy of every request; arrays of shape (n,)."""
        return self._parts[2]

    @property
    def prefill(self) -> Parts:
        """Energy of every prefill; NaN where it lasted no time or is not known."""
        return self._parts[0]

    @property
    def decode(self) -> Parts:
        """Energy of every decode; NaN where it lasted no time or is not known."""
        return self._parts[1]

    @cached_property
    def whole(self) -> Energy:
        """Energy of the window: the sum of all parts."""
        return total([channel.whole for channel in self._channels])

    @cached_property
    def attributed(self) -> Energy:
        """Energy of all requests together."""
        return self.pooled(range(len(self)))

    @cached_property
    def idle(self) -> Energy | None:
        """The idle power while nobody was active, or, marginally, all the time.

        ``None`` where a channel's idle power is not known.
        """
        known = [channel.idle_energy for channel in self._channels]
        return None if None in known else total([energy for energy in known if energy is not None])

    @cached_property
    def unattributed(self) -> Energy:
        """Energy while nobody was active, above the idle power where that is known.

        It is negative where the device then drew less than its idle power: a sign that the idle
        power was taken too high.
        """
        return total([channel.unattributed for channel in self._channels])

    @property
    def idle_s(self) -> float:
        """How long nobody was active, s."""
        return self._channels[0].idle_s

    @property
    def cut(self) -> int:
        """How many requests reach beyond the window and have only what they used inside."""
        return self._activity.cut

    def pooled(self, places: Iterable[int]) -> Energy:
        """Give the energy of several requests together, for example of one user.

        Their errors have much in common: the sensor's all have one sign, and what one of them
        gets too little of, another often has too much of. The sum's uncertainty is therefore
        neither the sum nor the quadrature of theirs, and is worked out from the shares anew.

        Args:
            places: Their places in the order in which the requests were given.
        """
        chosen = np.fromiter(places, np.intp)
        return total([channel.pooled(chosen) for channel in self._channels])

    def to_dict(self) -> dict[str, Any]:
        """Give the shares of the whole as a small JSON-ready dict, without single requests."""
        shares = {"attributed": self.attributed, "unattributed": self.unattributed}
        if self.idle is not None:
            shares["idle"] = self.idle
        return {
            "window": self.window.name,
            "convention": self.convention,
            "weights": asdict(self.weights),
            "requests": len(self),
            "requests_cut": self.cut,
            "nobody_active_s": self.idle_s,
            "energy_j": self.whole.joules,
            "energy_prefill_j": self.prefill.sum_j(),
            "energy_decode_j": self.decode.sum_j(),
            **{f"energy_{name}_j": energy.joules for name, energy in shares.items()},
            **{
                f"energy_{name}_half_width_j": energy.half_width_95_j
                for name, energy in shares.items()
            },
        }

    @cached_property
    def _parts(self) -> tuple[Parts, Parts, Parts]:
        prefill, decode, requests = (
            Parts.summed(each) for each in zip(*(c.parts for c in self._channels), strict=True)
        )
        n = len(self)
        lasted = self._activity.length_s > 0
        split = ~self._activity.unsplit
        return (
            prefill.only(split & lasted[:n]),
            decode.only(split & lasted[n:]),
            requests,
        )


def attribute(
    traces: Trace | Iterable[Trace] | Mapping[str, Trace],
    window: Window,
    requests: Sequence[Served],
    *,
    idle: IdlePower | Window | Sequence[Window] | None = None,
    convention: str = "gross",
    weights: Weights | None = None,
    token_s: Sequence[npt.ArrayLike] | None = None,
    gaps: str = "refuse",
) -> Attribution:
    """Share the energy of a window between the requests that were active in it.

    While several are active, each has a share by its weight in a second; see
    :class:`~joulebench.attribution.activity.Weights`. A request is active from ``start_s``, when
    work on it began, not when it was queued, until ``stop_s``.

    Args:
        traces: One trace or several. Of these the ones that may be added are used, as everywhere.
        window: The whole that is shared; requests may reach beyond it.
        requests: Responses, or anything else that has their times and tokens, in any order.
        idle: Windows of the same traces in which the device served nobody, or, for one trace, its
            idle power. Without it, all energy while nobody is active is unattributed.
        convention: ``"gross"``: active requests share the idle power too, and ``idle`` is that
            of the time when nobody is active. ``"marginal"``: they share only what is above it,
            and ``idle`` is that of the whole window.
        weights: How they share; by tokens where they are not given.
        token_s: The times of each request's tokens, s, for engines that do not generate steadily.
        gaps: ``"refuse"`` holes in a trace or ``"bridge"`` them.

    Returns:
        The shares, which add up to the energy of the window.

    Raises:
        UsageError: Requests whose times are absent or unordered, an unknown convention, or a
            marginal one without idle power.
        EnergyError: A trace that gives no energy for a window.
    """
    if convention not in CONVENTIONS:
        raise unknown("attribution convention", convention, CONVENTIONS)
    if convention == "marginal" and idle is None:
        raise UsageError(
            "attribution 'marginal' needs the idle power: give idle=Window(...), a window of the "
            "traces in which the device served nobody, or idle=IdlePower(watts)"
        )
    chosen = _headline(traces)
    if isinstance(idle, IdlePower) and len(chosen) > 1:
        raise UsageError(
            f"one idle power cannot serve {len(chosen)} channels; give idle=Window(...), a window "
            "of the traces in which the devices served nobody"
        )
    weights = weights or Weights()
    activity = Activity.of(requests, window, weights, token_s)
    marginal = convention == "marginal"
    channels = [
        ChannelShares(
            trace, window, activity, _idle_power(trace, idle, gaps), marginal=marginal, gaps=gaps
        )
        for trace in chosen
    ]
    return Attribution(window, [r.request_id for r in requests], channels, convention, weights)


def _headline(traces: Trace | Iterable[Trace] | Mapping[str, Trace]) -> list[Trace]:
    """Choose the traces whose energies may be added."""
    if isinstance(traces, Trace):
        return [traces]
    listed = list(traces.values() if isinstance(traces, Mapping) else traces)
    if not listed:
        raise UsageError("no trace to attribute: give at least one")
    by_name = {trace.channel.name: trace for trace in listed}
    return [by_name[c.name] for c in headline_channels([trace.channel for trace in listed])]


def _idle_power(
    trace: Trace, idle: IdlePower | Window | Sequence[Window] | None, gaps: str
) -> IdlePower | None:
    if idle is None or isinstance(idle, IdlePower):
        return idle
    windows = [idle] if isinstance(idle, Window) else list(idle)
    return IdlePower.of(trace, windows, gaps=gaps)
