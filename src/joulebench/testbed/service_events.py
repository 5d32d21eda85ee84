"""What happens to a trial as server-sent events, and the wait for its next change."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from joulebench.testbed.service_settings import HEARTBEAT_S
from joulebench.testbed.service_trial import ServedTrial
from joulebench.testbed.service_watch import Event

Gone = Callable[[], Awaitable[bool]]
Closing = Callable[[], bool]

_SHORTEST_S = 0.05


async def events(
    trial: ServedTrial, last_id: str, gone: Gone, closing: Closing
) -> AsyncIterator[bytes]:
    """Give the events of a trial until it has ended, its lease renewed while somebody listens.

    Args:
        trial: Whose.
        last_id: Of the last event that the listener has; empty for none.
        gone: Says whether the listener has gone away.
        closing: Says whether the service is being stopped.
    """
    watch = trial.watch
    number = watch.number_of(last_id)
    if number is None or number > watch.number:
        number = watch.number
        yield _written("state", trial.public(), Event(number, "state", {}).id)
        if trial.ended:
            return
    while True:
        for event in watch.since(number):
            number = event.number
            trial.renew()
            yield _written(event.kind, event.data, event.id)
        if number == watch.number and (trial.ended or closing()):
            return
        if not await watch.changed(number, _slice_s(trial)):
            yield b": still here\n\n"
        if await gone():
            return
        trial.renew()


def _written(kind: str, data: object, event_id: str) -> bytes:
    return f"id: {event_id}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _slice_s(trial: ServedTrial) -> float:
    """Give a wait that is short beside the lease, s."""
    return max(_SHORTEST_S, min(HEARTBEAT_S, trial.lease_s / 3))


async def wait_for_change(
    trial: ServedTrial, wait_s: float, seen: str, gone: Gone, closing: Closing
) -> None:
    """Wait until a trial's state or phase changes, or time is up; its lease is renewed meanwhile.

    Args:
        trial: Whose.
        wait_s: Longest wait, s.
        seen: The state that the asker knows; there is no wait where it is another. Empty for the
            present one.
        gone: Says whether the asker has gone away.
        closing: Says whether the service is being stopped.
    """
    stop_s = time.monotonic() + wait_s
    before = (seen or trial.state, trial.phase)
    while (trial.state, trial.phase) == before and not (trial.ended or closing()):
        left_s = stop_s - time.monotonic()
        if left_s <= 0 or await gone():
            return
        trial.renew()
        await trial.watch.changed(trial.watch.number, min(left_s, _slice_s(trial)))
        await asyncio.sleep(0)
