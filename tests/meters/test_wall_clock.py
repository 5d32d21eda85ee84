"""Stamps of the wall clock in monotonic time, through steps of the wall clock."""

from __future__ import annotations

import pytest

from joulebench.meters.wall_clock import WallClock

BORN_S = 1_700_000_000.0


class Clocks:
    """Two clocks, of which one can be set."""

    def __init__(self) -> None:
        self.monotonic = 500_000_000_000
        self.offset = int(BORN_S * 1e9)
        self.jitter = 0

    def wall_ns(self) -> int:
        return self.monotonic + self.offset

    def monotonic_ns(self) -> int:
        self.monotonic += self.jitter
        return self.monotonic

    def wait(self, seconds: float) -> int:
        """Let time pass, and give the stamp of then, ms."""
        self.monotonic += round(seconds * 1e9)
        return self.wall_ns() // 1_000_000

    def set(self, by_s: float) -> None:
        self.offset += round(by_s * 1e9)

    @property
    def now_s(self) -> float:
        return self.monotonic * 1e-9


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_a_stamp_is_placed_to_the_millisecond(clocks: Clocks) -> None:
    clock = WallClock(clocks.wall_ns, clocks.monotonic_ns)
    stamp_ms = clocks.wait(12.3456)
    clock.look()
    assert clock.monotonic_s(stamp_ms, 0.0) == pytest.approx(512.345, abs=1e-6)
    assert clock.monotonic_s(stamp_ms, 513.0) is None
    assert clock.steps() == []


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 0.9, -0.9])
def test_stamps_before_and_after_a_step(clocks: Clocks, by_s: float) -> None:
    clock = WallClock(clocks.wall_ns, clocks.monotonic_ns)
    before_ms, before_s = clocks.wait(5.0), clocks.now_s
    clock.look()
    clocks.wait(0.05)
    clocks.set(by_s)
    clocks.wait(0.05)
    clock.look()
    assert clock.monotonic_s(before_ms, 0.0) == pytest.approx(before_s, abs=1e-3)
    after_ms, after_s = clocks.wait(1.0), clocks.now_s
    clock.look()
    assert clock.monotonic_s(after_ms, before_s) == pytest.approx(after_s, abs=1e-3)
    [step] = clock.steps()
    assert step["by_s"] == by_s
    assert step["before_t_s"] == pytest.approx(505.1, abs=1e-3)


def test_a_stamp_that_either_clock_may_have_given_is_left_out(clocks: Clocks) -> None:
    clock = WallClock(clocks.wall_ns, clocks.monotonic_ns)
    clock.look()
    clocks.wait(0.2)
    clocks.set(0.05)
    stamp_ms = clocks.wait(0.2)
    clocks.wait(0.2)
    clock.look()
    assert clock.monotonic_s(stamp_ms, 0.0) is None


def test_a_stamp_that_no_clock_can_have_given_is_left_out(clocks: Clocks) -> None:
    clock = WallClock(clocks.wall_ns, clocks.monotonic_ns)
    clocks.wait(1.0)
    clocks.set(100.0)
    clocks.wait(1.0)
    clock.look()
    assert clock.monotonic_s(round((BORN_S + 550) * 1e3), 0.0) is None


def test_noise_of_reading_two_clocks_is_no_step(clocks: Clocks) -> None:
    clock = WallClock(clocks.wall_ns, clocks.monotonic_ns)
    for jitter in (100_000, 5_000_000, 0, 900_000):
        clocks.jitter = jitter
        clocks.wait(0.1)
        clock.look()
    clocks.jitter = 0
    clocks.set(0.0005)
    clock.look()
    assert clock.steps() == []


def test_clocks_of_this_machine_run_together() -> None:
    clock = WallClock()
    for _ in range(100):
        clock.look()
    assert clock.steps() == []
