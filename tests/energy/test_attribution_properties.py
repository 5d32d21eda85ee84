"""What must hold for every overlap of requests: hypothesis looks for one where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulebench.attribution import Attribution, IdlePower, Weights, attribute
from joulebench.attribution.ranges import collect, spread
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.work import Response

FloatArray = npt.NDArray[np.float64]

WHOLE = Window("measure", 0.0, 20.0)
IDLE = Window("idle", -8.0, -2.0)

CHANNELS = (
    Channel("gpu0:power", "W", 0.001, gain=0.03, period_s=0.1),
    Channel("gpu0:power", "W", 0.001, gain=0.03, offset=2.0, period_s=0.1, averaging_s=0.025),
    Channel("gpu0:power", "W", 0.001, period_s=0.5, averaging_s=1.0, stamp_s=0.01),
    Channel("cpu0:package", "J", 2**-14, gain=0.03, period_s=0.001, wrap_j=1000.0),
    Channel("gpu0:energy", "J", 0.001, period_s=1.0),
)

lengths_s = st.one_of(st.just(0.0), st.floats(1e-12, 1e-3), st.floats(1e-3, 30.0))
instants_s = st.one_of(st.sampled_from([-5.0, 0.0, 5.0, 20.0, 25.0]), st.floats(-5.0, 25.0))
tokens = st.integers(0, 100_000)


@st.composite
def requests(draw: st.DrawFn) -> Response:
    start_s = draw(instants_s)
    first_s = start_s + draw(lengths_s)
    stop_s = first_s + draw(lengths_s)
    noted_s = draw(st.sampled_from([first_s, first_s, first_s, float("nan")]))
    return Response("r", "", draw(tokens), draw(tokens), start_s, noted_s, stop_s)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """A trace of any power, read regularly from before the window until after it."""
    channel = draw(st.sampled_from(CHANNELS))
    t_s = np.arange(-10.0, 25.0, draw(st.sampled_from([0.1, 0.25, 0.03])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    level = draw(st.sampled_from([0.5, 60.0, 700.0]))
    watts = level * rng.uniform(0.3, 1.0, t_s.size // 7 + 1).repeat(7)[: t_s.size]
    if channel.unit == "W":
        return Trace(channel, t_s, watts)
    counted_j = np.concatenate(([0.0], np.cumsum(watts[1:] * np.diff(t_s))))
    wrap_j = channel.wrap_j
    return Trace(channel, t_s, counted_j % wrap_j if wrap_j else counted_j)


idles = st.sampled_from([IDLE, IdlePower(0.2, 0.1), IdlePower(300.0, 5.0)])
weights = st.one_of(
    st.just(Weights.equal()), st.builds(Weights, st.floats(1e-3, 10), st.floats(1e-3, 10))
)
served = st.lists(requests(), max_size=12)


def scale_j(shares: Attribution) -> float:
    each = [shares.whole, shares.unattributed, *([shares.idle] if shares.idle else [])]
    return sum(abs(e.joules) for e in each) + float(np.abs(shares.requests.joules).sum())


@given(traces(), served, st.one_of(st.none(), idles), weights, st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_parts_add_up_to_the_whole(
    trace: Trace,
    asked: list[Response],
    idle: Window | IdlePower | None,
    weights: Weights,
    marginal: bool,
) -> None:
    convention = "marginal" if marginal and idle is not None else "gross"
    shares = attribute(trace, WHOLE, asked, idle=idle, weights=weights, convention=convention)
    idle_j = shares.idle.joules if shares.idle else 0.0
    near = 1e-9 * scale_j(shares)
    total_j = float(shares.requests.joules.sum()) + idle_j + shares.unattributed.joules
    assert total_j == pytest.approx(trace.energy(WHOLE).joules, abs=near)
    assert shares.attributed.joules == pytest.approx(shares.requests.joules.sum(), abs=near)
    split = ~np.isnan([r.first_token_s for r in asked])
    phases = np.nan_to_num(shares.prefill.joules) + np.nan_to_num(shares.decode.joules)
    assert phases[split] == pytest.approx(shares.requests.joules[split], abs=near)
    for part in (shares.requests, shares.prefill, shares.decode):
        assert np.isfinite(part.noise).all()
        assert np.isfinite(part.half_width_95_j).all()


@given(traces(), served, st.one_of(st.none(), idles), weights)
@settings(max_examples=60, deadline=None)
def test_the_uncertainty_of_one_is_at_least_that_worked_out_cell_by_cell(
    trace: Trace, asked: list[Response], idle: Window | IdlePower | None, weights: Weights
) -> None:
    shares = attribute(trace, WHOLE, asked, idle=idle, weights=weights)
    for place in range(len(shares)):
        alone = shares.pooled([place])
        near = 1e-9 * scale_j(shares)
        assert alone.joules == pytest.approx(shares.requests.joules[place], abs=near)
        assert alone.noise <= shares.requests.noise[place] * (1 + 1e-6) + near


@given(traces(), st.lists(requests(), min_size=1, max_size=6), weights, st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_requests_that_do_the_same_get_the_same(
    trace: Trace, asked: list[Response], weights: Weights, times: int
) -> None:
    shares = attribute(trace, WHOLE, [*asked, *asked[:1] * (times - 1)], weights=weights)
    alike = shares.requests.joules[[0, *range(len(asked), len(asked) + times - 1)]]
    assert alike == pytest.approx(alike[0], rel=1e-9)


@given(traces(), st.lists(requests(), min_size=2, max_size=8), st.randoms(), weights)
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_requests_does_not_matter(
    trace: Trace, asked: list[Response], shuffler: np.random.RandomState, weights: Weights
) -> None:
    order = list(range(len(asked)))
    shuffler.shuffle(order)
    straight = attribute(trace, WHOLE, asked, idle=IDLE, weights=weights)
    mixed = attribute(trace, WHOLE, [asked[i] for i in order], idle=IDLE, weights=weights)
    near = 1e-9 * scale_j(straight)
    assert mixed.requests.joules == pytest.approx(straight.requests.joules[order], abs=near)
    assert mixed.requests.noise == pytest.approx(straight.requests.noise[order], rel=1e-6, abs=near)


@given(traces(), served, st.integers(0, 500), st.integers(1, 500), st.data())
@settings(max_examples=50, deadline=None)
def test_two_halves_of_a_request_get_what_it_would_get(
    trace: Trace, others: list[Response], half_in: int, half_out: int, data: st.DataObject
) -> None:
    whole = replace(
        data.draw(requests()), tokens_in=2 * max(half_in, 1), tokens_out=2 * half_out + 1
    )
    half = replace(whole, tokens_in=max(half_in, 1), tokens_out=half_out + 1)
    one = attribute(trace, WHOLE, [whole, *others], idle=IDLE)
    two = attribute(trace, WHOLE, [half, half, *others], idle=IDLE)
    near = 1e-9 * scale_j(one)
    assert two.requests.joules[:2].sum() == pytest.approx(one.requests.joules[0], abs=near)
    assert two.requests.joules[2:] == pytest.approx(one.requests.joules[1:], abs=near)
    assert two.pooled([0, 1]).noise == pytest.approx(one.pooled([0]).noise, rel=1e-6, abs=near)


@given(traces(), requests(), idles)
@settings(max_examples=50, deadline=None)
def test_a_lone_request_gets_all_that_was_used_while_it_was_active(
    trace: Trace, asked: Response, idle: Window | IdlePower
) -> None:
    filling = replace(asked, start_s=-1.0, first_token_s=4.0, stop_s=21.0)
    shares = attribute(trace, WHOLE, [filling], idle=idle)
    whole = trace.energy(WHOLE)
    assert shares.requests.joules[0] == pytest.approx(whole.joules)
    assert shares.unattributed.joules == 0
    above = attribute(trace, WHOLE, [filling], idle=idle, convention="marginal")
    assert above.idle is not None
    expected = whole.joules - above.idle.joules
    assert above.requests.joules[0] == pytest.approx(expected, abs=1e-9 * scale_j(above))
    lone = attribute(trace, WHOLE, [asked], idle=idle)
    rest = whole.joules - lone.unattributed.joules - (lone.idle.joules if lone.idle else 0.0)
    assert lone.requests.joules[0] == pytest.approx(rest, abs=1e-9 * scale_j(lone))


ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1e6)), max_size=30)


@given(ranges, st.lists(st.floats(-1e6, 1e6), min_size=40, max_size=70))
def test_sums_over_ranges_are_those_of_a_loop(
    ranges: list[tuple[int, int, float]], values: list[float]
) -> None:
    first = np.array([low for low, _, _ in ranges], np.intp)
    stop = np.array([high for _, high, _ in ranges], np.intp)
    weight = np.array([w for _, _, w in ranges], float)
    amounts = np.array(values)
    expected = [amounts[low:high].sum() for low, high, _ in ranges]
    assert collect(amounts, first, stop) == pytest.approx(expected, abs=1e-6)
    met = np.zeros(amounts.size)
    for low, high, each in ranges:
        met[low:high] += each
    assert spread(first, stop, weight, amounts.size) == pytest.approx(met, rel=1e-12)


def test_a_microsecond_beside_an_hour_keeps_its_digits() -> None:
    values = np.full(1 << 16, 1e12)
    values[5] = 1e-9
    assert collect(values, np.array([5]), np.array([6]))[0] == 1e-9
    met = spread(np.array([0, 5]), np.array([65536, 6]), np.array([1e-12, 1e12]), 65536)
    assert met[6] == 1e-12
