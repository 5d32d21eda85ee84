"""The thread that asks slow sources, the stamps it gives, and the clock of a server."""

from __future__ import annotations

import gc
import math
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from joulebench.channel import Channel
from joulebench.errors import SensorLost, UsageError
from joulebench.meters.http_json import Access, secret
from joulebench.meters.moments import MomentMeter, Moments, Pace, aged
from joulebench.meters.polled import NoAnswer, Poller, Row
from joulebench.meters.prometheus_server import ServerClock, duration_s

POWER = Channel("node:power", "W", stamp_s=0.03)
ENERGY = Channel("node:energy", "J", stamp_s=0.03)


def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.005)


def test_asks_at_a_steady_pace_and_gives_each_row_once() -> None:
    asked: list[float] = []

    def ask() -> list[Row]:
        asked.append(time.monotonic())
        return [(asked[-1], [1.0])]

    poller = Poller(ask, "it", period_s=0.05, lost_after_s=1.0, first=[(0.0, [7.0])])
    _until(lambda: len(asked) >= 8)
    assert poller.close(1.0)
    rows = poller.rows()
    assert [stamp_s for stamp_s, _ in rows] == [0.0, *asked]
    assert poller.rows() == []
    assert 0.04 < (asked[-1] - asked[0]) / (len(asked) - 1) < 0.4
    assert poller.facts() == {"requests": len(asked), "failed": 0}


def test_a_request_that_takes_long_skips_deadlines_and_holds_nothing_up() -> None:
    asked: list[float] = []

    def ask() -> list[Row]:
        asked.append(time.monotonic())
        time.sleep(0.25)
        return [(asked[-1], [1.0])]

    poller = Poller(ask, "it", period_s=0.1, lost_after_s=1.0)
    _until(lambda: len(asked) >= 3)
    before_s = time.monotonic()
    poller.rows()
    assert time.monotonic() - before_s < 0.2
    assert poller.close(1.0)
    assert all(late - early > 0.26 for early, late in pairwise(asked))


def test_failures_are_absent_rows_and_then_a_loss() -> None:
    working = threading.Event()
    working.set()

    def ask() -> list[Row]:
        if not working.is_set():
            raise NoAnswer("it fell silent")
        return [(time.monotonic(), [5.0])]

    poller = Poller(ask, "the thing", period_s=0.02, lost_after_s=0.2, absent=[math.nan])
    time.sleep(0.1)
    working.clear()
    rows: list[Row] = []
    with pytest.raises(
        SensorLost, match=r"the thing gave no reading for 0 s: it fell silent; mend"
    ):
        _take_all(poller, rows)
    values = [row[0] for _, row in rows]
    assert values[0] == 5.0
    assert math.isnan(values[-1])
    assert not poller.answering
    assert poller.close(0.5)
    facts = poller.facts()
    assert facts["first_error"] == "it fell silent"
    assert facts["failed"] >= 3


def _take_all(poller: Poller, rows: list[Row]) -> None:
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        rows += poller.rows()
        time.sleep(0.005)


def test_a_source_that_comes_back_is_followed_on() -> None:
    turns = iter([True, False, False, True, True])

    def ask() -> list[Row]:
        if not next(turns, True):
            raise NoAnswer("gone")
        return [(time.monotonic(), [5.0])]

    poller = Poller(ask, "it", period_s=0.02, lost_after_s=0.5, absent=[math.nan])
    _until(lambda: poller.facts()["requests"] >= 8)
    assert poller.answering
    assert poller.close(0.5)
    kinds = [math.isfinite(values[0]) for _, values in poller.rows()]
    assert kinds[:5] == [True, False, False, True, True]


def test_whatever_breaks_is_an_answer_that_did_not_come() -> None:
    def ask() -> list[Row]:
        raise ZeroDivisionError

    poller = Poller(ask, "it", period_s=0.02, lost_after_s=0.1)
    _until(lambda: poller.facts()["failed"] >= 2)
    assert poller.facts()["first_error"] == "ZeroDivisionError"
    assert poller.close(0.5)


def test_closing_does_not_wait_for_a_request_that_never_ends() -> None:
    never = threading.Event()

    def ask() -> list[Row]:
        never.wait(5.0)
        return []

    poller = Poller(ask, "it", period_s=0.02, lost_after_s=0.1)
    before_s = time.monotonic()
    assert not poller.close(0.1)
    assert time.monotonic() - before_s < 0.5
    never.set()
    assert poller.close(1.0)


def test_what_requests_leave_behind_is_collected_where_nobody_else_does() -> None:
    """The recorder switches the collector off."""
    gc.collect()
    gc.disable()
    try:
        poller = Poller(_leave_a_cycle, "it", period_s=1e-4, lost_after_s=9.0)
        _until(lambda: poller.facts()["requests"] >= 600)
        assert poller.close(1.0)
        left = sum(type(thing) is _Cycle for thing in gc.get_objects())
        assert left < 300
    finally:
        gc.enable()


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


def _leave_a_cycle() -> list[Row]:
    _Cycle()
    return []


def test_a_moment_is_stamped_in_the_middle_of_its_request() -> None:
    def read() -> list[float]:
        time.sleep(0.02)
        return [time.monotonic()]

    moments = Moments(read)
    rows = moments.open()
    assert len(rows) == 3
    for stamp_s, [done_s] in rows:
        assert 0.0 < done_s - stamp_s < 0.5
    assert moments.stamp_s >= 0.5 * 0.02 / math.sqrt(3)
    assert moments.facts()["round_trip_p50_s"] >= 0.02


def test_a_request_far_slower_than_at_the_start_gives_no_reading() -> None:
    delays_s = iter([0.0, 0.0, 0.0, 0.0, 0.3, 0.0])

    def read() -> Sequence[float]:
        time.sleep(next(delays_s))
        return [9.0]

    moments = Moments(read)
    moments.open()
    values = [moments()[0][1][0] for _ in range(3)]
    assert values[0] == values[2] == 9.0
    assert math.isnan(values[1])
    assert moments.facts()["too_slow_to_stamp"] == 1


def test_the_age_of_a_reading_sets_stamps_back_and_widens_them() -> None:
    power = aged(POWER, 1.0, 1.0)
    assert (power.period_s, power.delay_s) == (1.0, 0.5)
    assert power.stamp_s == pytest.approx(math.hypot(0.03, 1 / math.sqrt(12)))
    counter = aged(ENERGY, 1.0, 1.0)
    assert (counter.period_s, counter.delay_s, counter.stamp_s) == (1.0, 0.5, 0.03)
    held = aged(POWER, 30.0, 15.0)
    assert (held.period_s, held.delay_s, held.stamp_s) == (30.0, 0.0, 0.03)
    fresh = aged(POWER, 0.0, 1.0)
    assert (fresh.period_s, fresh.delay_s, fresh.stamp_s) == (0.0, 0.0, 0.03)


class _Meter(MomentMeter):
    def __init__(self, read: Callable[[], Sequence[float]], pace: Pace) -> None:
        self.follow([POWER, ENERGY], read, "the stand-in", pace)


def test_a_meter_of_moments_says_how_long_to_wait_for_a_windows_end() -> None:
    meter = _Meter(lambda: [1.0, 2.0], Pace(0.2, 0.5, 3.0, 1.0, 2.0))
    meter.close()
    assert meter.settle_s >= 0.2 + 1.0 + 2.0
    assert [channel.averaging_s for channel in meter.channels] == [2.0, 0.0]
    assert len(meter.rows()) >= 3
    assert meter.facts()["failed"] == 0


@pytest.mark.parametrize("bad", [(0.0, 1, 1, 1), (1, math.inf, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)])
def test_a_pace_that_is_none_is_refused(bad: tuple[float, float, float, float]) -> None:
    with pytest.raises(UsageError, match="must be finite and at least"):
        Pace(*bad)


def test_a_servers_clock_is_known_to_half_a_round_trip() -> None:
    now = [100.0]
    trips_s = iter([0.4, 0.02, 0.3, 0.02])

    def read() -> float:
        now[0] += next(trips_s)
        return now[0] + 5000.0  # read at the very end of the trip

    clock = ServerClock(read, lambda: now[0])
    clock.measure()
    assert abs(clock.offset_s - 5000.0) <= 0.2
    assert clock.doubt_s == pytest.approx(0.2005 / math.sqrt(3))
    clock.measure()
    best_s = clock.offset_s
    assert abs(best_s - 5000.0) <= 0.0105
    clock.measure()
    assert clock.offset_s == best_s  # a slower trip tells less
    assert clock.monotonic_s(5000.0 + 123.0) == pytest.approx(123.0, abs=0.0105)
    assert clock.steps == 0


def test_a_servers_clock_that_is_set_is_followed() -> None:
    now, ahead = [100.0], [5000.0]

    def read() -> float:
        now[0] += 0.01
        return now[0] + ahead[0]

    clock = ServerClock(read, lambda: now[0])
    clock.measure()
    ahead[0] += 3600.0
    clock.measure()
    assert clock.steps == 1
    assert clock.offset_s == pytest.approx(8600.0, abs=0.01)


def test_the_doubt_of_a_servers_clock_grows_until_it_is_read_again() -> None:
    now = [0.0]
    clock = ServerClock(lambda: now[0], lambda: now[0])
    clock.measure()
    narrow_s = clock.doubt_s
    now[0] = 1000.0
    clock.measure()
    assert clock.doubt_s == pytest.approx(narrow_s)  # read as well as before: no worse


def test_reads_durations_of_prometheus() -> None:
    assert duration_s("15s") == 15.0
    assert duration_s("1m30s") == 90.0
    assert duration_s("200ms") == pytest.approx(0.2)
    assert duration_s("1h") == 3600.0
    assert duration_s("15") is None
    assert duration_s("") is None


def test_secrets_come_from_variables_that_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_TOKEN", "abc")
    assert Access(token_env="STAND_IN_TOKEN").headers() == {"Authorization": "Bearer abc"}
    assert Access().headers() == {}
    assert Access().user() is None
    with pytest.raises(UsageError, match="NOT_SET_AT_ALL is not set"):
        secret("NOT_SET_AT_ALL")
