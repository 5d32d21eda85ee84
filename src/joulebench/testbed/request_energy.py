"""The energy of each request of a trial: its share of what the measured window cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from joulebench.attribution import Attribution, attribute
from joulebench.channel import Channel, Window
from joulebench.energy import Trace, headline_channels
from joulebench.errors import EnergyError, UsageError
from joulebench.work import Response

_IDLE = ("idle", "idle_after")


def share_out(
    channels: Sequence[Channel],
    traces: Mapping[str, Trace],
    windows: Sequence[Window],
    responses: Sequence[Response],
) -> Attribution | None:
    """Share the energy of the measured window between the responses.

    Args:
        channels: All that were recorded; the shares are of those that may be added.
        traces: By channel name.
        windows: Of the trial; the idle ones give the idle power.
        responses: In any order.

    Returns:
        ``None`` where there is nothing to share, or no energy of the whole: a part is not the
        whole. Why there is none, the accounts of the windows say.
    """
    measured = [window for window in windows if window.name == "measure"]
    headline = [channel.name for channel in headline_channels(channels)]
    if not responses or len(measured) != 1 or not headline or not set(headline) <= traces.keys():
        return None
    idle = [window for window in windows if window.name in _IDLE]
    chosen = [traces[name] for name in headline]
    try:
        shares = attribute(chosen, measured[0], responses, idle=idle or None, gaps="bridge")
    except (EnergyError, UsageError):
        return None
    return shares


def rows_of(shares: Attribution) -> list[dict[str, float]]:
    """Give what is written of each request: energies in J with half a 95 % interval.

    A phase that lasted no time, or whose end nobody noted, has no energy: absent is not zero.
    """
    parts = {"": shares.requests, "_prefill": shares.prefill, "_decode": shares.decode}
    columns = {
        f"energy{name}{what}_j": values
        for name, part in parts.items()
        for what, values in (
            ("", part.joules),
            ("_half_width", np.where(np.isnan(part.joules), np.nan, part.half_width_95_j)),
        )
    }
    return [
        {
            name: float(column[place])
            for name, column in columns.items()
            if column[place] == column[place]
        }
        for place in range(len(shares))
    ]
