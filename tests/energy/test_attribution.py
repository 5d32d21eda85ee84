"""Shares of a device that served several requests: who gets what, and what nobody gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from served_device import steady

from joulebench.attribution import Attribution, IdlePower, Weights, attribute
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.work import Response

POWER = Channel("gpu0:power", "W", 0.001, gain=0.03, offset=1.0, period_s=0.1, scope="gpu board")
COUNTER = Channel("cpu0:package", "J", 2**-14, gain=0.02, period_s=1e-3, scope="cpu package")
WHOLE = Window("measure", 0.0, 10.0)
IDLE = Window("idle", -8.0, -2.0)


def asked(
    name: str, start_s: float, first_s: float, stop_s: float, tokens: tuple[int, int] = (10, 11)
) -> Response:
    return Response(name, "", *tokens, start_s, first_s, stop_s)


def stepped(busy: Sequence[tuple[float, float]], *, idle_w: float = 60.0) -> Trace:
    """Give a trace sampled often enough to show a step of 100 W where somebody is busy."""
    t_s = np.round(np.arange(-10.0, 15.0, 0.001), 6)
    active = sum(((t_s >= start_s) & (t_s < stop_s)) for start_s, stop_s in busy)
    return Trace(replace(POWER, period_s=0.0), t_s, idle_w + 100.0 * (np.asarray(active) > 0))


def parts_j(shares: Attribution) -> float:
    idle_j = shares.idle.joules if shares.idle else 0.0
    return float(shares.requests.joules.sum()) + idle_j + shares.unattributed.joules


def test_gross_shares_hold_the_idle_power_and_marginal_ones_do_not() -> None:
    trace = stepped([(2.0, 6.0)])
    requests = [asked("a", 2.0, 3.0, 6.0)]
    gross = attribute(trace, WHOLE, requests, idle=IDLE)
    assert gross.request(0).total.joules == pytest.approx(4 * 160, rel=1e-3)
    assert gross.idle is not None
    assert gross.idle.joules == pytest.approx(6 * 60, rel=1e-3)
    marginal = attribute(trace, WHOLE, requests, idle=IDLE, convention="marginal")
    assert marginal.request(0).total.joules == pytest.approx(4 * 100, rel=1e-3)
    assert marginal.idle is not None
    assert marginal.idle.joules == pytest.approx(10 * 60, rel=1e-3)
    for shares in (gross, marginal):
        assert shares.unattributed.joules == pytest.approx(0, abs=0.2)
        assert parts_j(shares) == pytest.approx(shares.whole.joules, rel=1e-12)


def test_prefill_and_decode_make_up_a_request() -> None:
    shares = attribute(stepped([(2.0, 6.0)]), WHOLE, [asked("a", 2.0, 3.0, 6.0)])
    one = shares.request(0)
    assert one.request_id == "a"
    assert one.prefill is not None
    assert one.decode is not None
    assert one.prefill.joules == pytest.approx(160, rel=1e-3)
    assert one.decode.joules == pytest.approx(480, rel=1e-3)
    assert one.prefill.joules + one.decode.joules == pytest.approx(one.total.joules)
    assert (one.total.method, one.total.scope) == ("measured", "gpu board")


def test_energy_above_idle_while_nobody_is_active_is_unattributed_with_its_sign() -> None:
    trace = stepped([(2.0, 6.0)])
    requests = [asked("a", 2.0, 3.0, 5.0)]
    more = attribute(trace, WHOLE, requests, idle=IdlePower(60.0))
    assert more.unattributed.joules == pytest.approx(100, rel=1e-2)
    less = attribute(trace, WHOLE, requests, idle=IdlePower(90.0))
    assert less.unattributed.joules == pytest.approx(100 - 7 * 30, rel=1e-2)
    assert less.unattributed.joules < 0
    unknown = attribute(trace, WHOLE, requests)
    assert unknown.idle is None
    assert unknown.unattributed.joules == pytest.approx(160 + 6 * 60, rel=1e-2)
    for shares in (more, less, unknown):
        assert parts_j(shares) == pytest.approx(shares.whole.joules, rel=1e-12)


def test_those_who_are_active_together_share_by_tokens() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [asked("a", 0.0, 0.0, 10.0, (10, 11)), asked("b", 0.0, 0.0, 10.0, (10, 31))]
    by_tokens = attribute(trace, WHOLE, requests).requests.joules
    assert by_tokens == pytest.approx([500, 1500])
    equal = attribute(trace, WHOLE, requests, weights=Weights.equal()).requests.joules
    assert equal == pytest.approx([1000, 1000])


def test_a_token_generated_beside_a_prefill_weighs_as_the_weights_say() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [
        asked("prefill", 0.0, 10.0, 10.0, (60, 1)),
        asked("decode", 0.0, 0.0, 10.0, (1, 21)),
    ]
    shares = attribute(trace, WHOLE, requests)
    assert shares.requests.joules == pytest.approx([1200, 800])  # 60 x 1 and 20 x 2
    flops = attribute(trace, WHOLE, requests, weights=Weights(1.0, 1.0))
    assert flops.requests.joules == pytest.approx([1500, 500])
    assert shares.request(0).decode is None
    assert shares.request(1).prefill is None


def test_a_first_token_that_nobody_noted_leaves_the_phases_unknown_not_zero() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [asked("a", 0.0, float("nan"), 10.0), asked("b", 0.0, 5.0, 10.0)]
    shares = attribute(trace, WHOLE, requests, weights=Weights.equal())
    assert shares.request(0).prefill is None
    assert shares.request(0).decode is None
    assert shares.requests.joules == pytest.approx([1000, 1000])
    assert shares.to_dict()["energy_prefill_j"] == pytest.approx(500)


def test_requests_reach_beyond_the_window_and_are_counted() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [
        asked("before", -5.0, -3.0, 5.0),
        asked("beyond", 5.0, 6.0, 12.0),
        asked("elsewhere", 11.0, 12.0, 13.0),
    ]
    shares = attribute(trace, WHOLE, requests)
    assert shares.requests.joules == pytest.approx([1000, 1000, 0])
    assert shares.cut == 3
    assert parts_j(shares) == pytest.approx(2000)


@pytest.mark.parametrize("channel", [POWER, COUNTER, replace(POWER, averaging_s=1.0)])
@pytest.mark.parametrize("idle", [None, IDLE])
def test_without_requests_everything_is_idle_or_unattributed(
    channel: Channel, idle: Window | None
) -> None:
    shares = attribute(steady(channel, 80.0, 10.0), WHOLE, [], idle=idle)
    assert len(shares) == 0
    assert list(shares) == []
    assert parts_j(shares) == pytest.approx(800, rel=1e-6)
    assert shares.attributed.joules == 0
    assert shares.to_dict()["energy_prefill_j"] is None


def test_a_window_below_the_resolution_is_shared_and_says_so() -> None:
    window = Window("measure", 1.0, 1.004)
    requests = [asked(name, 1.0, 1.001, 1.004) for name in "abcd"]
    shares = attribute(steady(POWER, 200.0, 10.0), window, requests, idle=IdlePower(60.0))
    assert shares.whole.below_resolution
    assert parts_j(shares) == pytest.approx(shares.whole.joules, rel=1e-12)
    for one in shares:
        assert one.total.below_resolution
        assert one.total.noise >= 0.5 * one.total.joules > 0


def test_a_phase_that_the_sensor_cannot_see_has_half_its_energy_as_noise() -> None:
    averaged = replace(POWER, averaging_s=1.0)
    shares = attribute(steady(averaged, 200.0, 10.0), WHOLE, [asked("a", 3.0, 3.2, 7.0)])
    one = shares.request(0)
    assert one.prefill is not None
    assert one.prefill.below_resolution
    assert one.prefill.noise >= 0.5 * one.prefill.joules > 0
    assert not one.total.below_resolution


def test_a_lone_request_of_the_whole_window_has_its_whole_uncertainty() -> None:
    rng = np.random.default_rng(3)
    t_s = np.arange(-10.0, 15.0, 0.1)
    trace = Trace(replace(POWER, averaging_s=0.025), t_s, 200 + rng.normal(0, 20, t_s.size))
    one = attribute(trace, WHOLE, [asked("a", 0.0, 4.0, 10.0)]).request(0)
    whole = trace.energy(WHOLE)
    assert one.total.joules == pytest.approx(whole.joules)
    assert one.total.noise == pytest.approx(whole.noise, rel=0.1)
    assert one.total.biases == pytest.approx(dict(whole.biases))


def test_what_errs_alike_in_idle_and_busy_times_cancels_above_idle() -> None:
    shares = attribute(
        steady(POWER, 200.0, 10.0), WHOLE, [asked("a", 0.0, 4.0, 10.0)], idle=IDLE,
        convention="marginal",
    )  # fmt: skip
    one = shares.request(0).total
    assert one.joules == pytest.approx(0, abs=1e-9)
    assert one.biases["offset gpu0:power"] == pytest.approx(0, abs=1e-9)
    assert one.biases["gain gpu0:power"] == pytest.approx(0, abs=1e-9)


def test_a_constant_error_is_shared_by_time_and_a_gain_by_energy() -> None:
    trace = stepped([(0.0, 5.0)], idle_w=100.0)
    shares = attribute(trace, WHOLE, [asked("a", 0.0, 1.0, 5.0), asked("b", 5.0, 6.0, 10.0)])
    first, second = (one.total.biases for one in shares)
    assert first["offset gpu0:power"] == pytest.approx(second["offset gpu0:power"])
    assert first["gain gpu0:power"] == pytest.approx(2 * second["gain gpu0:power"], rel=1e-3)


def test_late_stamps_err_where_a_request_ends_and_not_only_the_window() -> None:
    trace = stepped([(2.0, 6.0)])
    late = Trace(replace(trace.channel, stamp_s=0.01), trace.t_s, trace.v)
    shares = attribute(late, WHOLE, [asked("a", 2.0, 3.0, 4.0), asked("b", 4.0, 5.0, 6.0)])
    assert shares.whole.biases.get("stamp gpu0:power", 0.0) == 0
    for one in shares:
        assert one.total.biases["stamp gpu0:power"] == pytest.approx(0.01 * 100, rel=1e-2)
    # What is late at their common edge only moves from the one to the other.
    assert shares.attributed.biases["stamp gpu0:power"] == pytest.approx(0.01 * 100, rel=1e-2)


def test_gain_and_offset_of_all_parts_are_those_of_the_whole() -> None:
    trace = stepped([(2.0, 9.0)])
    requests = [asked("a", 2.0, 3.0, 6.0), asked("b", 4.0, 4.5, 9.0), asked("c", 5.0, 5.0, 8.0)]
    for convention in ("gross", "marginal"):
        shares = attribute(trace, WHOLE, requests, idle=IDLE, convention=convention)
        assert shares.idle is not None
        for source in ("gain gpu0:power", "offset gpu0:power"):
            parts = [shares.idle, shares.unattributed, *(one.total for one in shares)]
            together = sum(part.biases[source] for part in parts)
            assert together == pytest.approx(shares.whole.biases[source])


def test_requests_of_one_user_are_pooled_with_what_their_errors_share() -> None:
    rng = np.random.default_rng(4)
    t_s = np.arange(-10.0, 15.0, 0.1)
    trace = Trace(replace(POWER, averaging_s=0.025), t_s, 200 + rng.normal(0, 20, t_s.size))
    requests = [asked(f"r{n}", 0.0, 1.0, 10.0) for n in range(25)]
    shares = attribute(trace, WHOLE, requests)
    whole = trace.energy(WHOLE)
    pooled = shares.pooled(range(25))
    assert pooled.joules == pytest.approx(whole.joules)
    # Added up as if they were independent, 25 equal shares would have a fifth of it.
    assert pooled.noise == pytest.approx(whole.noise, rel=0.05)
    assert shares.request(0).total.noise == pytest.approx(whole.noise / 25, rel=0.1)


def test_several_channels_are_shared_and_nested_ones_left_out() -> None:
    core = replace(COUNTER, name="cpu0:core", scope="cpu core")
    traces = {
        channel.name: steady(channel, watts, 10.0, 0.02)
        for channel, watts in ((POWER, 200.0), (COUNTER, 50.0), (core, 30.0))
    }
    requests = [asked("a", 0.0, 2.0, 10.0), asked("b", 0.0, 2.0, 10.0)]
    shares = attribute(traces, WHOLE, requests, idle=IDLE)
    assert shares.whole.joules == pytest.approx(2500, rel=1e-3)
    assert shares.requests.joules == pytest.approx([1250, 1250], rel=1e-3)
    assert shares.request(0).total.scope == "gpu board + cpu package"
    assert set(shares.request(0).total.biases) >= {"gain gpu0:power", "gain cpu0:package"}
    assert parts_j(shares) == pytest.approx(shares.whole.joules, rel=1e-12)


def test_token_times_say_when_a_request_was_worked_on() -> None:
    trace = stepped([(0.0, 1.0)], idle_w=100.0)
    window = Window("measure", 0.0, 2.0)
    requests = [asked(name, 0.0, 0.0, 2.0, (1, 12)) for name in ("early", "late")]
    early = [0.0, *np.linspace(0.1, 1.0, 10), 2.0]
    late = [0.0, *np.linspace(1.0, 1.9, 10), 2.0]
    even = attribute(trace, window, requests).requests.joules
    assert even[0] == pytest.approx(even[1])
    told = attribute(trace, window, requests, token_s=[early, late]).requests.joules
    # Eleven tokens in a second of 200 W and one of 100 W: ten of them in one, one in the other.
    assert told[0] == pytest.approx(200 * 10 / 11 + 100 * 1 / 11, rel=2e-2)
    assert told.sum() == pytest.approx(even.sum())


def test_tokens_that_come_at_one_instant_share_the_time_before_it() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [asked("chunks", 0.0, 0.0, 10.0, (1, 7)), asked("single", 0.0, 0.0, 10.0, (1, 3))]
    stamps = [[0.0, 5.0, 5.0, 5.0, 10.0, 10.0, 10.0], []]
    shares = attribute(trace, WHOLE, requests, token_s=stamps)
    assert shares.requests.joules == pytest.approx([1500, 500])


def test_many_requests_at_once_are_no_matter() -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    start_s = rng.uniform(0, 5, n)
    requests = [asked(str(i), t, t + 0.1, t + 5.0) for i, t in enumerate(start_s.tolist())]
    shares = attribute(steady(POWER, 700.0, 10.0), WHOLE, requests, idle=IdlePower(60.0))
    assert parts_j(shares) == pytest.approx(shares.whole.joules, rel=1e-12)
    assert shares.pooled(np.flatnonzero(start_s < 1)).joules < shares.attributed.joules


def test_the_summary_is_small_json_that_adds_up() -> None:
    requests = [asked(str(n), 2.0, 3.0, 6.0) for n in range(100)]
    shares = attribute(stepped([(2.0, 6.0)]), WHOLE, requests, idle=IDLE)
    told = shares.to_dict()
    assert len(json.dumps(told, allow_nan=False)) < 1000
    parts = ("attributed", "idle", "unattributed")
    assert sum(told[f"energy_{part}_j"] for part in parts) == pytest.approx(told["energy_j"])
    phases = told["energy_prefill_j"] + told["energy_decode_j"]
    assert phases == pytest.approx(told["energy_attributed_j"])
    assert told["nobody_active_s"] == pytest.approx(6)
