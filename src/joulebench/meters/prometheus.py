"""Power and energy out of a Prometheus server: a cluster's own monitoring as a sensor.

By itself it reads what the DCGM exporter gives of this machine's GPUs; any other expression can be
asked for. Samples keep the stamp of their scrape, turned into monotonic time by the server's clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.http_json import Access
from joulebench.meters.meter import ABSENT
from joulebench.meters.moments import Pace, aged
from joulebench.meters.polled import NoAnswer, Poller, Row
from joulebench.meters.prometheus_feed import Feed, open_feed
from joulebench.meters.prometheus_series import (
    COLLECT_S,
    UPDATE_S,
    Key,
    Wanted,
    dcgm_wanted,
    device_names,
)
from joulebench.meters.prometheus_server import PrometheusServer, ServerClock
from joulebench.sensor_gains import NVML_GAIN

UNKNOWN_GAIN = 0.05 / math.sqrt(3)
"""±5 % as uniform, where the user says nothing of the sensor behind a query: a judgement."""

DCGM_AVERAGING_S = 1.0
"""The longest that NVML averages power over, s (arXiv 2312.02741)."""

_CLOCK_EVERY_S = 10.0
_TOLERANCE_S = 2e-3
"""Prometheus moves the stamps of scrapes by up to this, s (--scrape.timestamp-tolerance)."""


class PrometheusMeter:
    """Follows queries of a Prometheus server.

    Args:
        url: Address of the server, for example ``http://prometheus:9090``.
        query: An expression in PromQL whose series are power or counted energy; without it, the
            DCGM exporter's power and energy counter of each GPU of one host.
        host: Which host's GPUs, as their label ``Hostname`` has it; this machine's if it is among
            them, or the only one's.
        unit: Of the query: ``"W"`` for power, ``"J"`` for a cumulative counter.
        scale: What values are multiplied with to be in that unit: 0.001 for mJ, 3.6e6 for kWh.
        device: Name of the channels' device.
        scope: What the query's readings cover; a query needs it.
        gain: Relative standard uncertainty of the readings; :data:`UNKNOWN_GAIN` without it.
        method: ``"measured"``, ``"modelled"`` or ``"estimated"``.
        averaging_s: Stretch that the query averages over, s, for example that of a ``rate``.
        collect_s: How often the exporter reads its sensor, s; 0 where it does at each scrape.
            Without it 0 for a query; for DCGM its default of 30 s, or less where values change
            faster.
        scrape_s: Time between two samples, s, where the server does not tell it.
        poll_s: Time between two questions for new samples, s; half the scrape interval without it.
        timeout_s: Longest that one request may take, s.
        lost_after_s: How long there may be no new sample before the source counts as lost, s.
        user_env: Environment variable with the user's name.
        password_env: Environment variable with the password.
        token_env: Environment variable with a bearer token.
        verify: Check the server's certificate.
        ca_file: Certificates to trust instead of the system's.

    Raises:
        Unavailable: The server does not answer, or has nothing of what was asked for.
        UsageError: An option that cannot be used, or GPUs of several hosts.
    """

    on_request = True

    def __init__(  # noqa: PLR0913 - a database has that many settings, all of them named
        self,
        url: str,
        query: str | None = None,
        *,
        host: str | None = None,
        unit: str = "W",
        scale: float = 1.0,
        device: str | None = None,
        scope: str | None = None,
        gain: float | None = None,
        method: str = "measured",
        averaging_s: float = 0.0,
        collect_s: float | None = None,
        scrape_s: float | None = None,
        poll_s: float | None = None,
        timeout_s: float = 2.0,
        lost_after_s: float | None = None,
        user_env: str | None = None,
        password_env: str | None = None,
        token_env: str | None = None,
        verify: bool = True,
        ca_file: str | None = None,
    ) -> None:
        _refuse_what_does_not_fit(query, host, scope, (unit, scale, method, averaging_s))
        wanted = dcgm_wanted(NVML_GAIN if gain is None else gain)
        if query and scope:
            gain = UNKNOWN_GAIN if gain is None else gain
            kind = _kind(unit, gain, method, scope, averaging_s)
            wanted = [Wanted(query, "power" if unit == "W" else "energy", kind, scale)]
        # Only to refuse times that cannot be; those left out depend on the scrape interval.
        Pace(poll_s or 1.0, timeout_s, lost_after_s or 1.0, collect_s or 0.0, averaging_s)
        self._tail: list[Row] = []
        access = Access(user_env, password_env, token_env, verify, ca_file)
        self._server = PrometheusServer(url, access, timeout_s)
        self._timeout_s = timeout_s
        self._clock = ServerClock(self._server.time_s)
        try:
            self._clock.measure()
            self._feeds = self._opened(wanted, host, scrape_s)
            self._describe(device, collect_s)
            first = self._ask()
        except NoAnswer as error:
            self._server.close()
            raise Unavailable(f"{error}.", _REMEDY) from error
        except BaseException:
            self._server.close()
            raise
        poll_s = poll_s or min(max(0.5 * self._scrape_s, 0.1), 10.0)
        self.settle_s = self._scrape_s + self._age_s + poll_s + 0.1
        self._poller = Poller(
            self._ask,
            f"Prometheus at {self._server.url}",
            period_s=poll_s,
            lost_after_s=lost_after_s or max(30.0, 5 * (self._scrape_s + self._age_s)),
            first=first,
        )

    def rows(self) -> list[Row]:
        """Give the samples that came since the last call, at the time of their scrape.

        Raises:
            SensorLost: There has been no new sample for too long.
        """
        tail, self._tail = self._tail, []
        return self._poller.rows() + tail

    def close(self) -> None:
        """Fetch what is there and ask no more."""
        if self._poller.close(self._timeout_s + 0.5) and self._poller.answering:
            with suppress(NoAnswer):
                self._tail = self._ask()
        self._server.close()

    def facts(self) -> dict[str, Any]:
        """Give how the server was asked, and what it said of its pace and clock."""
        strangers = sum(len(feed.strangers) for feed in self._feeds)
        return {
            "url": self._server.url,
            "queries": [feed.wanted.query for feed in self._feeds],
            "raw_samples": all(feed.raw for feed in self._feeds),
            "scrape_s": self._scrape_s,
            "collect_s": self._age_s,
            "scrape_duration_s": max(feed.duration_s for feed in self._feeds),
            "clock_doubt_s": round(self._clock.doubt_s, 6),
            "clock_steps": self._clock.steps,
            **({"series_that_came_later": strangers} if strangers else {}),
            **self._poller.facts(),
        }

    def _opened(
        self, wanted: Sequence[Wanted], host: str | None, scrape_s: float | None
    ) -> list[Feed]:
        found = [open_feed(self._server, one, host, scrape_s) for one in wanted]
        feeds = [feed for feed in found if feed is not None]
        if feeds:
            return feeds
        queries = " nor ".join(repr(one.query) for one in wanted)
        jobs = ", ".join(self._server.jobs()) or "no job that it tells of"
        raise Unavailable(
            f"Prometheus at {self._server.url} has no series for {queries} now; it scrapes {jobs}.",
            "Check that the exporter runs and is scraped: its target must be up at "
            f"{self._server.url}/targets",
        )

    def _describe(self, device: str | None, collect_s: float | None) -> None:
        """Work out the channels: their names, their pace and the doubt of their stamps."""
        self._scrape_s = max(feed.scrape_s for feed in self._feeds)
        self._age_s = self._collect_s() if collect_s is None else collect_s
        self.channels: list[Channel] = []
        self.identities: dict[str, str] = {}
        self._places: dict[tuple[int, Key], int] = {}
        for number, feed in enumerate(self._feeds):
            names = device_names(
                feed.keys,
                list(feed.labels.values()),
                dcgm=feed.wanted.dcgm,
                device=device or feed.wanted.kind.device,
            )
            for key, name in zip(feed.keys, names, strict=True):
                self._places[number, key] = len(self.channels)
                self.channels.append(self._channel(feed, name))
                self.identities[name] = _identity(feed, key)
        self.notes = [self._said()]

    def _collect_s(self) -> float:
        """Give how often the exporter reads its sensor, s, as far as it can be told."""
        if not self._feeds[0].wanted.dcgm:
            return 0.0
        now_s = self._clock.unix_s()
        seen_s = [changes_s for feed in self._feeds if (changes_s := feed.changes_s(now_s))]
        return min([COLLECT_S, *seen_s])

    def _channel(self, feed: Feed, device: str) -> Channel:
        kind = replace(feed.wanted.kind, name=f"{device}:{feed.wanted.quantity}")
        stamp_s = math.hypot(self._clock.doubt_s, _TOLERANCE_S / math.sqrt(3))
        if feed.wanted.dcgm and kind.unit == "W":
            # What is averaged lies up to half of that stretch before the reading.
            stamp_s = math.hypot(stamp_s, 0.5 * DCGM_AVERAGING_S / math.sqrt(3))
        channel = aged(replace(kind, stamp_s=stamp_s), self._oldest_s(feed), feed.scrape_s)
        if channel.unit == "J":
            return channel
        return replace(channel, period_s=max(channel.period_s, feed.scrape_s))

    def _oldest_s(self, feed: Feed) -> float:
        """Give how old a reading may be at the end of its scrape, s."""
        # At the steps of a range query, the last scrape is up to one interval old.
        stepped_s = 0.0 if feed.raw else feed.scrape_s
        updated_s = UPDATE_S if feed.wanted.dcgm else 0.0
        return stepped_s + max(self._age_s, updated_s, feed.duration_s)

    def _said(self) -> str:
        note = f"one reading every {self._scrape_s:g} s, as Prometheus scrapes"
        return note + (f", each up to {self._age_s:g} s old" if self._age_s else "")

    def _ask(self) -> list[Row]:
        """Fetch the samples that are new, as rows."""
        if time.monotonic() - self._clock.measured_s > _CLOCK_EVERY_S:
            self._clock.measure()
        now_s = self._clock.unix_s()
        found: dict[float, list[float]] = {}
        for number, feed in enumerate(self._feeds):
            # A scrape is stamped where it begins; its readings are as old as that, or younger.
            late_s = feed.duration_s if feed.raw else 0.0
            for key, unix_s, value in feed.new(now_s, 5 * feed.scrape_s):
                row = found.setdefault(unix_s + late_s, [ABSENT] * len(self.channels))
                row[self._places[number, key]] = value
        return [(self._clock.monotonic_s(unix_s), found[unix_s]) for unix_s in sorted(found)]


_REMEDY = "Check the address, the query and the credentials: curl URL/api/v1/status/buildinfo"


def _refuse_what_does_not_fit(
    query: str | None,
    host: str | None,
    scope: str | None,
    meaning: tuple[str, float, str, float],
) -> None:
    if query and host:
        raise UsageError(
            "meter 'prometheus': host chooses among the GPUs of DCGM; put the machine into the "
            "query itself"
        )
    if query and not scope:
        raise UsageError(
            "meter 'prometheus': say what the query covers: scope='gpu board', 'cpu package', "
            "'node' or 'wall'"
        )
    if not query and meaning != ("W", 1.0, "measured", 0.0):
        raise UsageError(
            "meter 'prometheus': unit, scale, method and averaging_s belong to a query of your "
            "own; without one they are those of the DCGM exporter"
        )


def _kind(unit: str, gain: float, method: str, scope: str, averaging_s: float) -> Channel:
    try:
        return Channel(
            "node" if scope == "node" else "prometheus",
            unit,
            gain=gain,
            method=method,
            scope=scope,
            averaging_s=averaging_s,
        )
    except ValueError as error:
        raise UsageError(f"meter 'prometheus': {error}") from error


def _identity(feed: Feed, key: Key) -> str:
    labels = feed.labels[key]
    return labels.get("UUID") or labels.get("instance", "") or " ".join(key)
