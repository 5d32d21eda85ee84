"""What must hold for every trace: hypothesis looks for one where it does not."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from joulebench.energy import Channel, Energy, Trace, Window, total

FloatArray = npt.NDArray[np.float64]

POWER = Channel("gpu0:power", "W", gain=0.03)
COUNTER = Channel("cpu0:package", "J", wrap_j=1000.0)


@st.composite
def times(draw: st.DrawFn, least: int = 4) -> FloatArray:
    """Stamps with the jitter of a real recorder but without gaps."""
    steps = draw(hnp.arrays(np.float64, st.integers(least, 60), elements=st.floats(0.05, 0.2)))
    return np.cumsum(steps)


@st.composite
def power_traces(draw: st.DrawFn) -> Trace:
    """A trace of any power."""
    t_s = draw(times())
    watts = draw(hnp.arrays(np.float64, t_s.size, elements=st.floats(0, 700)))
    return Trace(POWER, t_s, watts)


@st.composite
def counter_traces(draw: st.DrawFn) -> Trace:
    """A trace of a counter that may wrap more than once."""
    t_s = draw(times())
    steps = draw(hnp.arrays(np.float64, t_s.size, elements=st.floats(0.01, 90)))
    start = draw(st.floats(0, 999))
    return Trace(COUNTER, t_s, (start + np.cumsum(steps)) % 1000.0)


traces = st.one_of(power_traces(), counter_traces())
shares = st.lists(st.floats(0, 1), min_size=3, max_size=3, unique=True).map(sorted)


def _cut(trace: Trace, share: float) -> float:
    at_s = trace.t_s[0] + share * (trace.t_s[-1] - trace.t_s[0])
    return float(min(at_s, trace.t_s[-1]))  # rounding may go past the end


@given(traces, shares)
def test_adjoining_windows_add_up_to_the_whole(trace: Trace, cuts: list[float]) -> None:
    a, b, c = (_cut(trace, share) for share in cuts)
    assume(a < b < c)
    parts = [trace.energy(Window("m", a, b)), trace.energy(Window("m", b, c))]
    assume(not any(part.below_resolution and part.joules <= 0.5 for part in parts))
    whole = trace.energy(Window("m", a, c))
    assert total(parts).joules == pytest.approx(whole.joules, rel=1e-9, abs=1e-7)
    pooled = trace.energy([Window("m", a, b), Window("m", b, c)])
    assert pooled.joules == pytest.approx(whole.joules, rel=1e-9, abs=1e-7)


@given(traces, shares, st.floats(-1e4, 1e4))
def test_a_shift_in_time_changes_nothing(trace: Trace, cuts: list[float], shift: float) -> None:
    a, _, c = (_cut(trace, share) for share in cuts)
    assume(c - a > 1e-3)
    moved = Trace(trace.channel, trace.t_s + shift, trace.v)
    assume(moved.t_s[0] <= a + shift and c + shift <= moved.t_s[-1])
    here, there = trace.energy(Window("m", a, c)), moved.energy(Window("m", a + shift, c + shift))
    assert there.joules == pytest.approx(here.joules, rel=1e-6, abs=1e-5)


@given(power_traces(), st.data())
def test_splitting_an_interval_at_its_own_line_changes_nothing(
    trace: Trace, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(trace) - 2))
    middle_s = 0.5 * (trace.t_s[place] + trace.t_s[place + 1])
    middle_w = 0.5 * (trace.v[place] + trace.v[place + 1])
    finer = Trace(
        trace.channel,
        np.insert(trace.t_s, place + 1, middle_s),
        np.insert(trace.v, place + 1, middle_w),
    )
    window = Window("m", float(trace.t_s[0]), float(trace.t_s[-1]))
    assert finer.energy(window).joules == pytest.approx(trace.energy(window).joules, rel=1e-9)


@given(times(), st.floats(0, 700), st.floats(-5, 5), shares)
def test_a_ramp_is_exact(t_s: FloatArray, watts: float, slope: float, cuts: list[float]) -> None:
    power = watts + slope * t_s
    assume(bool((power > 0.1).all()))
    trace = Trace(POWER, t_s, power)
    a, _, c = (_cut(trace, share) for share in cuts)
    assume(c - a > 1e-6)
    exact = watts * (c - a) + 0.5 * slope * (c**2 - a**2)
    assert trace.energy(Window("m", a, c)).joules == pytest.approx(exact, rel=1e-7)


@given(times(), st.floats(0.1, 700), shares)
def test_a_constant_is_exact_and_without_noise(
    t_s: FloatArray, watts: float, cuts: list[float]
) -> None:
    trace = Trace(POWER, t_s, np.full(t_s.size, watts))
    a, _, c = (_cut(trace, share) for share in cuts)
    assume(c - a > 0.5)
    energy = trace.energy(Window("m", a, c))
    assert energy.joules == pytest.approx(watts * (c - a), rel=1e-9)
    assert energy.noise == 0
    assert energy.biases == {"gain gpu0:power": pytest.approx(0.03 * energy.joules)}


@given(times(), st.floats(0.1, 90), st.floats(0, 999.9), shares)
def test_a_counter_of_constant_power_is_exact_wherever_it_wraps(
    t_s: FloatArray, watts: float, start: float, cuts: list[float]
) -> None:
    counter = (start + watts * t_s) % 1000.0
    # A remainder of a sum just below the modulus may round to the modulus itself.
    trace = Trace(COUNTER, t_s, np.where(counter >= 1000.0, 0.0, counter))
    a, _, c = (_cut(trace, share) for share in cuts)
    assume(c - a > 1e-3)
    energy = trace.energy(Window("m", a, c))
    assert energy.joules == pytest.approx(watts * (c - a), rel=1e-6, abs=1e-6)


@given(counter_traces(), shares)
def test_a_counter_gives_its_interpolated_difference(trace: Trace, cuts: list[float]) -> None:
    a, _, c = (_cut(trace, share) for share in cuts)
    assume(c - a > 1e-6)
    unwrapped = trace.v + 1000.0 * np.cumsum(np.append(0.0, np.diff(trace.v) < 0))
    expected = np.interp(c, trace.t_s, unwrapped) - np.interp(a, trace.t_s, unwrapped)
    assert trace.energy(Window("m", a, c)).joules == pytest.approx(expected, abs=1e-7)


energies = st.builds(
    Energy,
    st.floats(0.1, 1e6),
    st.floats(0, 1e4),
    st.dictionaries(st.sampled_from(["gain a", "gain b", "edge a"]), st.floats(0, 1e4)),
)


@given(energies, energies)
def test_biases_add_linearly_by_source_and_noise_in_quadrature(a: Energy, b: Energy) -> None:
    both = a + b
    assert both.joules == a.joules + b.joules
    assert both.noise == pytest.approx(math.hypot(a.noise, b.noise))
    for source in {*a.biases, *b.biases}:
        apart = a.biases.get(source, 0.0) + b.biases.get(source, 0.0)
        assert both.biases[source] == pytest.approx(apart)
    assert both.bias == pytest.approx(math.sqrt(sum(x**2 for x in both.biases.values())))
    assert both.bias <= a.bias + b.bias + 1e-6 * (a.bias + b.bias)


@given(power_traces(), shares, st.floats(0.01, 0.2))
def test_a_gain_cancels_in_a_ratio_of_one_meter(
    trace: Trace, cuts: list[float], gain: float
) -> None:
    a, b, c = (_cut(trace, share) for share in cuts)
    assume(min(b - a, c - b) > 0.01)
    trace = Trace(Channel("gpu0:power", "W", gain=gain), trace.t_s, trace.v + 1.0)
    first, second = trace.energy(Window("m", a, b)), trace.energy(Window("m", b, c))
    only_gain = [
        Energy(e.joules, 0.0, {"gain gpu0:power": gain * e.joules}) for e in (first, second)
    ]
    ratio = only_gain[0].ratio(only_gain[1])
    assert ratio.value == pytest.approx(first.joules / second.joules)
    assert ratio.bias == pytest.approx(0, abs=1e-9 * ratio.value)


@given(power_traces(), st.floats(0, 5), st.floats(0, 5))
def test_a_window_that_is_not_covered_is_refused(trace: Trace, before: float, after: float) -> None:
    assume(before + after > 1e-3)
    window = Window("decode", float(trace.t_s[0]) - before, float(trace.t_s[-1]) + after)
    with pytest.raises(ValueError, match=r"'decode'.*gpu0:power.*record from before"):
        trace.energy(window)


@given(traces, st.floats(0, 1), st.floats(1e-6, 0.04))
def test_a_window_shorter_than_the_sensor_resolves_is_never_zero(
    trace: Trace, share: float, length: float
) -> None:
    channel = Channel(
        trace.channel.name,
        trace.channel.unit,
        resolution=1.0,
        period_s=0.05,
        wrap_j=trace.channel.wrap_j,
    )
    trace = Trace(channel, trace.t_s, trace.v)
    start = _cut(trace, share)
    assume(start + length <= trace.t_s[-1])
    energy = trace.energy(Window("prefill", start, start + length))
    assert energy.below_resolution
    assert energy.joules > 0
    assert energy.noise >= 0.5 * energy.joules
