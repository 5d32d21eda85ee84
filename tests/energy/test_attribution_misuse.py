"""What cannot be shared out is refused, with what to give instead."""

from __future__ import annotations

import pytest
from served_device import steady

from joulebench.attribution import IdlePower, Weights, attribute
from joulebench.channel import Channel, Window
from joulebench.errors import NotCoveredError, UsageError
from joulebench.work import Response

POWER = Channel("gpu0:power", "W", 0.001, gain=0.03, period_s=0.1, scope="gpu board")
COUNTER = Channel("cpu0:package", "J", 2**-14, gain=0.02, period_s=1e-3, scope="cpu package")
WHOLE = Window("measure", 0.0, 10.0)


def asked(name: str, start_s: float, first_s: float, stop_s: float) -> Response:
    return Response(name, "", 10, 11, start_s, first_s, stop_s)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ((3.0, 2.0, 4.0), "'a'.*first token 2.0 s.*order"),
        ((3.0, 3.5, 3.2), "'a'.*order"),
        ((float("nan"), 3.5, 4.0), "'a'.*finite"),
        ((1.0, 3.5, float("inf")), "'a'.*finite"),
    ],
)
def test_unordered_times_are_refused(times: tuple[float, float, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        attribute(steady(POWER, 200.0, 10.0), WHOLE, [asked("a", *times)])


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ([], "0 lists of times for 1 request"),
        ([[0.5, 11.0]], "'a'.*outside"),
        ([[2.0, 1.5]], "'a'.*rising"),
        ([[0.5, float("nan")]], "'a'.*outside"),
    ],
)
def test_stray_token_times_are_refused(stamps: list[list[float]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        attribute(steady(POWER, 200.0, 10.0), WHOLE, [asked("a", 0.0, 0.5, 10.0)], token_s=stamps)


def test_misuse_says_what_to_give_instead() -> None:
    trace = steady(POWER, 200.0, 10.0)
    requests = [asked("a", 0.0, 0.5, 10.0)]
    with pytest.raises(UsageError, match=r"'margnal'.*did you mean 'marginal'"):
        attribute(trace, WHOLE, requests, convention="margnal")
    with pytest.raises(UsageError, match=r"needs the idle power.*idle=Window"):
        attribute(trace, WHOLE, requests, convention="marginal")
    counter = steady(COUNTER, 50.0, 10.0)
    with pytest.raises(UsageError, match=r"2 channels; give idle=Window"):
        attribute([trace, counter], WHOLE, requests, idle=IdlePower(60.0))
    with pytest.raises(UsageError, match="no trace"):
        attribute([], WHOLE, requests)
    with pytest.raises(UsageError, match="at least 0 W"):
        IdlePower(float("nan"))
    with pytest.raises(UsageError, match="without weight"):
        Weights(prefill_token=0.0)
    with pytest.raises(UsageError, match="finite"):
        Weights(decode_token=-1.0)
    with pytest.raises(NotCoveredError, match="'late'"):
        attribute(trace, Window("late", 5.0, 100.0), requests)
