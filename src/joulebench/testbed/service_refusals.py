"""Why a testbed does not take a trial."""

from __future__ import annotations

from joulebench.errors import UsageError
from joulebench.testbed.service_trial import ServedTrial


class Busy(UsageError):
    """A trial that is not taken now, though it may be later."""


class Conflict(UsageError):
    """A trial that contradicts one that is known."""


class NoRoom(UsageError):
    """No trial is taken: the disk is full, or the testbed is being stopped."""


def known_attempt(known: ServedTrial | None, asked: ServedTrial) -> ServedTrial | None:
    """Give the trial that is known where it is the one asked for; ``None`` if that is a new one.

    Args:
        known: Last attempt of the trial; ``None`` if there is none. Its lease is renewed.
        asked: What was asked for.

    Raises:
        Conflict: That attempt has another plan, or a later one is known.
        Busy: An earlier attempt has not ended.
    """
    if known is None or (known.attempt < asked.attempt and known.ended):
        return None
    run = f"run {asked.run_id}"
    if known.attempt > asked.attempt:
        raise Conflict(
            f"{run}: attempt {known.attempt} is known, {asked.attempt} was asked for; ask for a "
            "later one"
        )
    if known.attempt < asked.attempt:
        raise Busy(f"{run}: attempt {known.attempt} has not ended; cancel it, or wait")
    if known.digest != asked.digest:
        raise Conflict(
            f"{run}: attempt {asked.attempt} was asked for with another plan; ask for a later "
            "attempt"
        )
    known.lease_s = asked.lease_s
    known.renew()
    return known
