"""Refusals, resolution, gaps and held readings, one case at a time."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.energy import Channel, Trace, Window
from joulebench.errors import CounterError, GapError, NotCoveredError

POWER = Channel("gpu0:power", "W")
COUNTER = Channel("cpu0:package", "J", wrap_j=1000.0)
T_S = np.arange(0, 10.05, 0.1)


def test_the_walk_of_one_datum() -> None:
    trace = Trace(
        Channel("gpu0", "W", gain=0.029, scope="gpu board"), T_S + 78, np.full(101, 329.65)
    )
    energy = trace.energy(Window("decode", 80.0, 86.0))
    assert energy.joules == pytest.approx(1977.9)
    assert energy.bias == pytest.approx(57.4, abs=0.1)
    assert energy.described() == "1980 J ± 110 J (measured, gpu board)"


@pytest.mark.parametrize(
    ("t_s", "v", "complaint"),
    [
        ([0.0, 1.0], [1.0], "one length"),
        ([0.0], [1.0], "at least 2"),
        ([0.0, 0.0], [1.0, 1.0], "strictly increasing"),
        ([1.0, 0.0], [1.0, 1.0], "strictly increasing"),
        ([0.0, 1.0], [1.0, np.nan], "reading 1 is nan"),
        ([0.0, np.inf], [1.0, 1.0], "finite"),
    ],
)
def test_a_trace_that_is_none_is_refused(t_s: list[float], v: list[float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Trace(POWER, t_s, v)


def test_a_gap_in_power_is_refused_or_carried() -> None:
    t_s = np.concatenate((np.arange(0, 3, 0.1), np.arange(6, 10, 0.1)))
    trace = Trace(POWER, t_s, np.where(t_s < 3, 100.0, 300.0))
    window = Window("measure", 1.0, 9.0)
    with pytest.raises(GapError, match=r"'measure'.*gpu0:power.*gap of 3\.100 s at 2\.900 s"):
        trace.energy(window)
    energy = trace.energy(window, gaps="bridge")
    assert [finding.rule for finding in energy.findings] == ["sampling-gap"]
    # Anything between all idle and all busy in the hole: 200 W x 3.1 s, uniform.
    assert energy.noise == pytest.approx(200 * 3.1 / np.sqrt(12), rel=0.05)
    truth_low, truth_high = 190 + 100 * 3.1 + 300 * 3, 190 + 300 * 3.1 + 300 * 3
    assert truth_low < energy.joules < truth_high


def test_a_gap_outside_the_window_does_not_matter() -> None:
    t_s = np.concatenate((np.arange(0, 3, 0.1), np.arange(6, 10, 0.1)))
    trace = Trace(POWER, t_s, np.full(t_s.size, 50.0))
    assert trace.energy(Window("m", 6.5, 9)).joules == pytest.approx(125)


def test_an_unknown_word_for_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="'refuse' or 'bridge'"):
        Trace(POWER, T_S, T_S).energy(Window("m", 1, 2), gaps="ignore")


def test_a_counter_bridges_a_gap_shorter_than_half_its_wrap_time() -> None:
    t_s = np.concatenate((np.arange(0, 3, 0.1), np.arange(7, 10, 0.1)))
    counter = (950 + 100 * t_s) % 1000
    assert Trace(COUNTER, t_s, counter).energy(Window("m", 1, 9)).joules == pytest.approx(800)


def test_a_counter_that_may_have_wrapped_unseen_is_refused() -> None:
    t_s = np.concatenate((np.arange(0, 3, 0.1), np.arange(14, 17, 0.1)))
    with pytest.raises(GapError, match="long enough for the counter to wrap unseen at 1000 J"):
        Trace(COUNTER, t_s, (950 + 100 * t_s) % 1000).energy(Window("m", 1, 16))


def test_a_counter_that_goes_backwards_is_refused() -> None:
    counter = 100 * T_S
    counter[50:] -= 120
    with pytest.raises(CounterError, match=r"backwards by 110 J at 5\.000 s"):
        Trace(COUNTER, T_S, counter).energy(Window("m", 1, 9))
    with pytest.raises(CounterError, match="no wrap is declared"):
        Trace(Channel("gpu0:energy", "J"), T_S, counter).energy(Window("m", 1, 9))


def test_a_counter_that_never_moves_is_refused() -> None:
    with pytest.raises(CounterError, match=r"never moved in 10\.000 s"):
        Trace(COUNTER, T_S, np.full(T_S.size, 5.0)).energy(Window("m", 1, 9))


def test_a_counter_at_rest_in_a_window_keeps_half_a_step() -> None:
    counter = np.where(T_S < 8, 10.0, 12.0)
    energy = Trace(COUNTER, T_S, counter).energy(Window("m", 1, 2))
    assert (energy.joules, energy.noise, energy.below_resolution) == (1.0, 0.5, True)


def test_many_short_windows_are_pooled_before_they_are_judged() -> None:
    channel = Channel("gpu0:power", "W", period_s=0.1)
    trace = Trace(channel, T_S, np.full(T_S.size, 200.0))
    windows = [Window("prefill", 1 + k * 0.5, 1.02 + k * 0.5) for k in range(10)]
    assert trace.energy(windows[0]).below_resolution
    pooled = trace.energy(windows)
    assert not pooled.below_resolution
    assert pooled.joules == pytest.approx(40)


def test_no_window_is_refused() -> None:
    with pytest.raises(ValueError, match="no window"):
        Trace(POWER, T_S, T_S).energy([])


def test_the_edges_doubt_is_in_the_noise() -> None:
    trace = Trace(POWER, T_S, np.full(T_S.size, 300.0))
    assert trace.energy(Window("m", 2, 8, edge_s=0.1)).noise == pytest.approx(30 * np.sqrt(2))


def test_offset_and_stamp_delay_are_biases() -> None:
    channel = Channel("gpu0:power", "W", offset=2.0, stamp_s=0.1)
    v = np.where(T_S < 5, 100.0, 300.0)
    energy = Trace(channel, T_S, v).energy(Window("m", 2, 8))
    assert energy.biases["offset gpu0:power"] == pytest.approx(12)
    assert energy.biases["stamp gpu0:power"] == pytest.approx(0.1 * 200)


def test_a_reading_held_between_updates_is_read_at_its_updates() -> None:
    """Polling at 10 ms what changes every 200 ms must not smear a step over a long constant."""
    polls_s = np.arange(0, 10, 0.01)
    updates_s = np.floor(polls_s / 0.2 + 1e-9) * 0.2
    held = np.where(updates_s < 5, 100.0, 300.0)
    channel = Channel("gpu0:power", "W", period_s=0.2)
    energy = Trace(channel, polls_s, held).energy(Window("m", 2, 9))
    assert energy.joules == pytest.approx(3 * 100 + 4 * 300, abs=200 * 0.11)
    assert energy.half_width_95_j > 200 * 0.05


def test_a_counter_polled_faster_than_it_updates_is_interpolated_between_updates() -> None:
    polls_s = np.arange(0.003, 10, 0.01)
    shown = 250 * np.floor(polls_s / 0.1) * 0.1
    channel = Channel("gpu0:energy", "J", period_s=0.1)
    energy = Trace(channel, polls_s, shown).energy(Window("m", 2.05, 8.02))
    assert energy.joules == pytest.approx(250 * 5.97, abs=250 * 0.006)
    assert abs(energy.joules - 250 * 5.97) < energy.half_width_95_j < 250 * 0.05


def test_a_window_must_end_after_it_starts() -> None:
    with pytest.raises(ValueError, match="not after start"):
        Window("m", 2, 2)


def test_what_the_trace_covers_is_said() -> None:
    with pytest.raises(NotCoveredError, match=r"covers 0\.000 s to 10\.000 s, ends 2\.000 s short"):
        Trace(POWER, T_S, T_S).energy(Window("m", 5, 12))


def test_power_for_a_plot_differences_a_counter() -> None:
    t_s, watts = Trace(COUNTER, T_S, 30 * T_S).power()
    assert t_s.size == watts.size == T_S.size - 1
    assert watts == pytest.approx(30)


def test_readings_closer_than_the_counters_update_show_no_peaks() -> None:
    t_s = np.sort(np.concatenate((T_S, [3.0001, 5.0003])))
    shown = 70 * np.floor(t_s / 0.01 + 1e-6) * 0.01
    shown[t_s == 5.0003] += 0.7
    trace = Trace(Channel("cpu:estimate", "J", period_s=0.01), t_s, shown)
    _, watts = trace.power()
    assert watts.max() < 85
