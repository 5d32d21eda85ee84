"""A Prometheus server's HTTP API: samples with their true stamps, its clock, its scrape intervals.

See https://prometheus.io/docs/prometheus/latest/querying/api/. A range selector asked for as an
instant query gives the samples as they were scraped; a range query gives values at its own steps.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from joulebench.meters.http_json import Access, JsonServer, accepted
from joulebench.meters.polled import NoAnswer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_UNIT_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536e3}

_ROUNDED_S = 5e-4
"""Stamps are in whole milliseconds."""

_DRIFT = 1e-4
"""How far two clocks may part, s a second: twice what an undisciplined quartz does."""


class Series(NamedTuple):
    """One time series: its labels, and its samples as Unix time, s, and value."""

    labels: dict[str, str]
    samples: list[tuple[float, float]]


class PrometheusServer:
    """Asks a Prometheus server, or one that speaks its API.

    Args:
        url: Its address, with the path prefix if there is one.
        access: Credentials and trust.
        timeout_s: Longest that one request may take, s.
    """

    def __init__(self, url: str, access: Access, timeout_s: float) -> None:
        self._web = JsonServer(url, access, timeout_s)
        self.url = self._web.url

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def now(self, expression: str) -> list[Series]:
        """Evaluate an expression now.

        Raises:
            NoAnswer: No answer, an expression that is wrong, or one that gives no time series.
        """
        data = self._data("query", query=expression)
        if data["resultType"] != "vector":
            raise NoAnswer(
                f"the query {expression!r} gives a {data['resultType']}, not one value for each "
                "time series; write a metric, or an expression of metrics without [range]"
            )
        return [Series(_labels(one), [_sample(one["value"])]) for one in data["result"]]

    def raw(self, selector: str, back_s: float) -> list[Series]:
        """Give the samples of the last seconds as they were scraped.

        Args:
            selector: A metric's name, with matchers or without.
            back_s: How far back, s.

        Raises:
            NoAnswer: No answer, or not a plain selector.
        """
        data = self._data("query", query=f"{selector}[{math.ceil(back_s * 1e3)}ms]")
        return [Series(_labels(one), _samples(one)) for one in data["result"]]

    def is_selector(self, expression: str) -> bool:
        """Say whether an expression, known to be valid, is a plain selector.

        Raises:
            NoAnswer: No answer.
        """
        answer = self._web.exchange(
            "GET", "/api/v1/query", params={"query": f"{expression}[1s]", "limit": "1"}
        )
        if answer.status == 400:
            return False
        document = accepted(answer, self.url).document
        return isinstance(document, dict) and document["data"]["resultType"] == "matrix"

    def stepped(
        self, expression: str, start_s: float, stop_s: float, step_s: float
    ) -> list[Series]:
        """Evaluate an expression at the multiples of a step, in Unix time, s.

        Raises:
            NoAnswer: No answer, or an expression that is wrong.
        """
        begin, end = math.ceil(start_s / step_s) * step_s, math.floor(stop_s / step_s) * step_s
        if end < begin:
            return []
        asked = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step_s:.3f}"}
        data = self._data("query_range", query=expression, **asked)
        return [Series(_labels(one), _samples(one)) for one in data["result"]]

    def time_s(self) -> float:
        """Give the server's clock: Unix time, s, to a millisecond.

        Raises:
            NoAnswer: No answer.
        """
        return float(self._data("query", query="time()")["result"][1])

    def scrape_s(self, labels: Mapping[str, str]) -> float | None:
        """Give the scrape interval of the target that a series comes from, s.

        ``None`` where the server does not tell: it may only store what others scrape.
        """
        wanted = {name: labels.get(name) for name in ("job", "instance")}
        try:
            targets = self._data("targets", state="active")["activeTargets"]
        except NoAnswer:
            return None
        for target in targets:
            own = target.get("labels", {})
            if {name: own.get(name) for name in wanted} == wanted:
                return duration_s(target.get("scrapeInterval", ""))
        return None

    def duration_s(self, labels: Mapping[str, str]) -> float | None:
        """Give how long scrapes of a series' target take, s: all but the slowest twentieth.

        ``None`` where the server does not tell.
        """
        target = ",".join(f'{name}="{labels.get(name, "")}"' for name in ("job", "instance"))
        asked = f"quantile_over_time(0.95, scrape_duration_seconds{{{target}}}[10m])"
        try:
            return max((one.samples[0][1] for one in self.now(asked)), default=None)
        except NoAnswer:
            return None

    def jobs(self) -> list[str]:
        """Name the jobs that the server scrapes; none where it does not tell."""
        try:
            return sorted({one.labels.get("job", "") for one in self.now("group by (job) (up)")})
        except NoAnswer:
            return []

    def _data(self, what: str, **params: str) -> Any:
        document = self._web.get(f"/api/v1/{what}", params)
        if not isinstance(document, dict) or document.get("status") != "success":
            raise NoAnswer(f"{self.url} answers, but not as Prometheus does")
        return document["data"]


class ServerClock:
    """Turns a server's Unix time into this machine's monotonic time.

    The server's clock is read between two looks at ours, so that its offset is known to half of the
    round trip. The narrowest such interval is kept, widened by the drift of clocks, until a later
    one contradicts it: then the server's clock was set.

    Args:
        read: Gives the server's Unix time, s.
        clock: Gives monotonic time, s.
    """

    def __init__(
        self, read: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._half_s = math.inf
        self.measured_s = -math.inf
        self.offset_s = 0.0
        self.steps = 0

    @property
    def doubt_s(self) -> float:
        """Standard uncertainty of the offset, s."""
        return self._half_s / math.sqrt(3)

    def measure(self) -> None:
        """Read the server's clock once.

        Raises:
            NoAnswer: It did not answer.
        """
        begin_s = self._clock()
        unix_s = self._read()
        end_s = self._clock()
        offset_s, half_s = unix_s - 0.5 * (begin_s + end_s), 0.5 * (end_s - begin_s) + _ROUNDED_S
        known = math.isfinite(self._half_s)
        kept_s = self._half_s + (_DRIFT * (end_s - self.measured_s) if known else 0.0)
        contradicted = known and abs(offset_s - self.offset_s) > half_s + kept_s
        self.steps += contradicted
        if contradicted or half_s <= kept_s:
            self.offset_s, self._half_s = offset_s, half_s
        else:
            self._half_s = kept_s
        self.measured_s = end_s

    def unix_s(self) -> float:
        """Give the server's time now, Unix s."""
        return self._clock() + self.offset_s

    def monotonic_s(self, unix_s: float) -> float:
        """Give the monotonic time, s, of a stamp of the server's."""
        return unix_s - self.offset_s


def duration_s(text: str) -> float | None:
    """Read a duration as Prometheus writes it, for example ``1m30s``; ``None`` where it is none."""
    parts = _DURATION.findall(text)
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != text:
        return None
    return math.fsum(float(number) * _UNIT_S[unit] for number, unit in parts)


def _labels(result: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in result["metric"].items() if name != "__name__"}


def _samples(result: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [_sample(pair) for pair in result.get("values", ())]


def _sample(pair: tuple[float, str]) -> tuple[float, float]:
    unix_s, text = pair
    return float(unix_s), float(text)
