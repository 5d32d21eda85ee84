"""What is measured of a simulated board is what the board is like."""

from __future__ import annotations

import re
from typing import Any

import pytest
from virtual_boards import characterised

from joulebench.characterize.channel_facts import ChannelFacts
from joulebench.characterize.surprises import surprises

MS = 1e-3

# name, options, period, averaging (None for a counter), delay: all in ms
BOARDS: list[tuple[dict[str, Any], float, float | None, float]] = [
    ({"board": "volta"}, 20, 10, 0),
    ({"board": "a100", "seed": 1}, 100, 25, 0),
    ({"board": "turing", "seed": 2}, 100, 100, 0),
    ({"board": "ada", "seed": 3}, 100, 1000, 0),
    ({"board": "volta", "faults": {"averaging_error": 0.05}}, 20, 10.5, 0),
    ({"board": "a100", "faults": {"averaging_error": -0.05}}, 100, 23.75, 0),
    ({"board": "ada", "faults": {"averaging_error": 0.05}}, 100, 1050, 0),
    ({"board": "volta", "faults": {"delay_s": 0.003}}, 20, 10, 3),
    ({"board": "a100", "faults": {"delay_s": 0.1}}, 100, 25, 100),
    ({"board": "ada", "faults": {"delay_s": 0.25}}, 100, 1000, 250),
    ({"board": "counter", "seed": 5}, 100, None, 0),
    ({"board": "counter", "faults": {"delay_s": 0.04}}, 100, None, 40),
    ({"board": "rapl"}, 1, None, 0),
    ({"board": "rapl", "faults": {"delay_s": 0.002}}, 1, None, 2),
]


def only(options: dict[str, Any], **more: Any) -> ChannelFacts:
    (facts,) = characterised(options, **more).channels
    return facts


@pytest.mark.parametrize(("options", "period_ms", "averaging_ms", "delay_ms"), BOARDS, ids=str)
def test_a_board_is_found_to_be_what_it_is(
    options: dict[str, Any], period_ms: float, averaging_ms: float | None, delay_ms: float
) -> None:
    fast = {"step_s": 2e-5, "wave_s": 4.0} if options["board"] == "rapl" else {}
    facts = only(options, **fast)
    sure = facts.sure
    assert sure["period_s"].value == pytest.approx(period_ms * MS, rel=1e-3)
    assert sure["delay_s"].value == pytest.approx(delay_ms * MS, abs=0.3 * MS)
    assert abs(sure["delay_s"].value - delay_ms * MS) < 4 * sure["delay_s"].standard_error + 2e-5
    if averaging_ms is None:
        assert "averaging_s" not in sure
    else:
        assert sure["averaging_s"].value == pytest.approx(averaging_ms * MS, rel=0.02)
        late = abs(sure["averaging_s"].value - averaging_ms * MS)
        assert late < 4 * sure["averaging_s"].standard_error + 2e-5


@pytest.mark.parametrize("name", ["volta", "a100", "ada", "counter", "rapl"])
def test_the_step_of_the_readings(name: str) -> None:
    facts = only({"board": name, "faults": {"noise_w": 2.0}}, wave_s=4.0)
    assert facts.sure["resolution"].value == facts.channel.resolution


@pytest.mark.parametrize(("name", "averaging_ms"), [("volta", 10), ("a100", 25), ("ada", 1000)])
def test_noise_and_slow_polls_widen_the_errors_and_do_not_hide_the_truth(
    name: str, averaging_ms: float
) -> None:
    facts = only({"board": name, "faults": {"noise_w": 3.0, "delay_s": 0.03}}, step_s=5e-4)
    assert facts.response is not None
    assert facts.response.averaging is not None
    assert facts.noise_w == pytest.approx(3.0, rel=0.6)
    for figure, truth_s in (
        (facts.response.averaging, averaging_ms * MS),
        (facts.response.delay, 0.03),
    ):
        assert 5e-5 < figure.standard_error < 0.3 * truth_s + 5 * MS
        assert abs(figure.value - truth_s) < 4 * figure.standard_error


def test_a_sensor_that_stalls_and_drops_readings_is_still_known() -> None:
    faults = {"stall_every_s": 3.0, "stall_s": 0.4, "drop": 0.01, "noise_w": 1.0}
    facts = only({"board": "volta", "faults": faults})
    assert facts.sure["period_s"].value == pytest.approx(0.02, rel=0.01)
    assert facts.sure["averaging_s"].value == pytest.approx(0.01, rel=0.1)


def test_without_a_load_the_period_alone_is_known() -> None:
    facts = only({"board": "ada", "watts": [[0.0, 200.0]], "faults": {"noise_w": 2.0}})
    assert set(facts.sure) == {"period_s", "resolution"}
    assert facts.noise_w == pytest.approx(2.0, rel=0.3)


def test_the_even_steps_of_a_steady_counter_are_not_its_resolution() -> None:
    facts = only({"board": "counter", "watts": [[0.0, 200.0]]}, wave_s=4.0)
    assert facts.step_j == pytest.approx(20.0)
    assert set(facts.sure) == {"period_s"}


def test_a_surprise_is_said_in_a_sentence() -> None:
    found = characterised({"board": "ada", "faults": {"averaging_error": 0.05, "delay_s": 0.05}})
    average, late = (finding.message for finding in surprises([found]))
    pattern = r"gpu0:power averages over (10(49|50)\.\d+) ± 0\.\d+ ms, where 1000 ms was assumed"
    assert re.fullmatch(pattern, average)
    pattern = r"gpu0:power shows its readings (50|49\.9|50\.0)\d* ± \S+ ms late, where .* assumed"
    assert re.fullmatch(pattern, late)
    assert not surprises([characterised({"board": "ada"})])


def test_a_load_that_is_not_seen_is_said() -> None:
    def deaf(meter: Any) -> Any:
        meter.read = lambda: [100.0]
        return meter

    facts = characterised({"board": "a100"}, wrap=deaf)
    assert facts.channels[0].response is None
    assert [f.rule for f in surprises([facts])] == ["load-not-seen"]
    assert not facts.profiles
