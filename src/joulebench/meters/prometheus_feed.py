"""One query of a Prometheus server, followed: its series, their pace, their new samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from joulebench.errors import UsageError
from joulebench.meters.prometheus_series import Key, Labels, Wanted, narrowed, on_one_host
from joulebench.meters.prometheus_server import PrometheusServer, Series

LOOK_BACK_S = 600.0
"""How far back the pace of a series is looked for, s."""

USUAL_DURATION_S = 0.05
"""How long a scrape is taken to last, s, where the server does not tell: a judgement."""

_OVERLAP_SCRAPES = 3
_OVERLAP_S = 5.0
"""Samples are asked for again this far back: some stores get them late."""

Samples = list[tuple[float, float]]


class Feed:
    """The series that a query gives, and what of them was seen.

    Args:
        server: The server.
        wanted: The query, and what its values are.
        series: What it gives now; not empty.
        scrape_s: Time between two samples, s, where it was told.

    Raises:
        NoAnswer: The server does not answer.
        UsageError: Two jobs scrape one device, or the pace cannot be found.
    """

    def __init__(
        self,
        server: PrometheusServer,
        wanted: Wanted,
        series: Sequence[Series],
        scrape_s: float | None,
    ) -> None:
        self._server = server
        self.wanted = wanted
        self.raw = server.is_selector(wanted.query)
        self.labels: dict[Key, Labels] = {wanted.key(one.labels): one.labels for one in series}
        self._refuse_two_scrapes(series)
        self._newest_s: dict[Key, float] = {}
        self.strangers: set[Key] = set()
        self.scrape_s = scrape_s or self._pace_s(series[0].labels)
        self.duration_s = server.duration_s(series[0].labels) or USUAL_DURATION_S

    @property
    def keys(self) -> list[Key]:
        """The key of each series, in the order of its channels."""
        return list(self.labels)

    def changes_s(self, now_s: float) -> float | None:
        """Give the usual time between two changes of the values, s; ``None`` if they hardly did."""
        apart_s = []
        for samples in self._by_key(now_s - self._back_s, now_s).values():
            changed = [late[0] for early, late in pairwise(samples) if late[1] != early[1]]
            apart_s += [late - early for early, late in pairwise(changed)]
        return median(apart_s) if len(apart_s) >= 2 else None

    def new(self, now_s: float, back_s: float) -> Iterator[tuple[Key, float, float]]:
        """Give the samples that were not given before: key, Unix time, s, and value, scaled.

        Args:
            now_s: The server's time, Unix s.
            back_s: How far back to go for a series of which none was given, s.

        Raises:
            NoAnswer: The server does not answer.
        """
        newest_s = max(self._newest_s.values(), default=now_s - back_s)
        since_s = newest_s - _OVERLAP_SCRAPES * self.scrape_s - _OVERLAP_S
        for key, samples in self._by_key(max(since_s, now_s - LOOK_BACK_S), now_s).items():
            if key not in self.labels:
                self.strangers.add(key)
                continue
            for unix_s, value in samples:
                if unix_s > self._newest_s.get(key, now_s - back_s):
                    self._newest_s[key] = unix_s
                    yield key, unix_s, self.wanted.scale * value

    @property
    def _back_s(self) -> float:
        return min(40 * self.scrape_s, LOOK_BACK_S)

    def _by_key(self, since_s: float, now_s: float) -> dict[Key, Samples]:
        """Give the samples of each device, those of renamed series put together."""
        found: dict[Key, dict[float, float]] = {}
        for one in self._series(since_s, now_s):
            known = found.setdefault(self.wanted.key(one.labels), {})
            for unix_s, value in one.samples:
                if math.isfinite(value) and abs(value) < self.wanted.absent_from:
                    known.setdefault(unix_s, value)
        return {key: sorted(samples.items()) for key, samples in found.items()}

    def _series(self, since_s: float, now_s: float) -> list[Series]:
        if self.raw:
            return self._server.raw(self.wanted.query, max(now_s - since_s, 0.001))
        return self._server.stepped(self.wanted.query, since_s, now_s, self.scrape_s)

    def _pace_s(self, labels: Labels) -> float:
        told_s = self._server.scrape_s(labels)
        if told_s:
            return told_s
        apart_s = self._apart_s() if self.raw else []
        if not apart_s:
            raise UsageError(
                f"meter 'prometheus': {self._server.url} does not tell how often "
                f"{self.wanted.query!r} is scraped; say it with scrape_s=..."
            )
        return median(apart_s)

    def _apart_s(self) -> list[float]:
        series = self._server.raw(self.wanted.query, LOOK_BACK_S)
        stamps = [[unix_s for unix_s, _ in one.samples] for one in series]
        return [late - early for one in stamps for early, late in pairwise(one)]

    def _refuse_two_scrapes(self, series: Sequence[Series]) -> None:
        origins: dict[Key, set[str]] = {}
        for one in series:
            origin = f"job={one.labels.get('job')}, instance={one.labels.get('instance')}"
            origins.setdefault(self.wanted.key(one.labels), set()).add(origin)
        for key, found in origins.items():
            if len(found) > 1:
                raise UsageError(
                    f"meter 'prometheus': {' '.join(key)} is scraped more than once "
                    f"({'; '.join(sorted(found))}); choose one with a query that names its job"
                )


def open_feed(
    server: PrometheusServer, wanted: Wanted, host: str | None, scrape_s: float | None
) -> Feed | None:
    """Follow a query; ``None`` where it gives no series now.

    Raises:
        NoAnswer: The server does not answer, or the query is wrong.
        Unavailable: The machine asked for has no series.
        UsageError: Several machines have, or the pace cannot be found.
    """
    series = server.now(wanted.query)
    if not series:
        return None
    if wanted.dcgm:
        series, _ = on_one_host(series, host)
        wanted = replace(wanted, query=narrowed(wanted.query, series[0].labels))
    series.sort(key=lambda one: _natural(wanted.key(one.labels)))
    return Feed(server, wanted, series, scrape_s)


def _natural(key: Key) -> list[tuple[int, str]]:
    """Sort numbers by their size: gpu 2 before gpu 10."""
    return [(int(part) if part.isdigit() else -1, part) for part in key]
