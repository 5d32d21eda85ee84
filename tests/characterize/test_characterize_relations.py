"""Counters against powers, parts against wholes, the same counter twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from virtual_boards import characterised

from joulebench.characterize.surprises import surprises

DOMAINS = {"board": "rapl-domains"}


class Changed:
    """A meter whose readings and channels are changed on the way."""

    def __init__(self, meter: Any, channels: Any, read: Any) -> None:
        self.channels = channels(meter.channels)
        self._inner = meter
        self._read = read

    def read(self) -> list[float]:
        values: list[float] = self._read(self._inner.read())
        return values

    def close(self) -> None:
        return None


def test_a_counter_agrees_with_the_power_of_its_board() -> None:
    facts = characterised({"board": "hopper", "faults": {"noise_w": 1.0}})
    assert {pair.power for pair in facts.counters} == {"gpu0:power", "gpu0:power_average"}
    for pair in facts.counters:
        low, high = pair.interval_95
        assert low < 1 < high
        assert high - low < 0.02
    assert not surprises([facts])


@pytest.mark.parametrize(("factor", "flagged"), [(1.05, True), (1.02, False), (0.9, True)])
def test_a_counter_off_by_more_than_three_percent_is_flagged(factor: float, flagged: bool) -> None:
    def wrong(meter: Any) -> Changed:
        return Changed(meter, lambda c: c[:2], lambda v: [factor * v[0], v[1]])

    facts = characterised({"board": "hopper"}, wrap=wrong)
    (pair,) = facts.counters
    assert pair.ratio.value == pytest.approx(factor, rel=2e-3)
    errors = [f.rule for f in surprises([facts]) if f.severity == "error"]
    assert errors == (["counter-against-power"] if flagged else [])


def test_domains_that_are_nested_are_found_to_be() -> None:
    facts = characterised(DOMAINS, wave_s=4.0, step_s=5e-5)
    found = {nesting.whole: nesting for nesting in facts.nestings}
    assert set(found) == {"cpu0:package", "psys:energy"}
    assert all(nesting.holds for nesting in found.values())
    package = found["cpu0:package"]
    assert package.parts == ("cpu0:core", "cpu0:uncore")
    assert package.share == pytest.approx(0.8, rel=0.01)
    assert package.slope is not None
    assert package.slope.value == pytest.approx(1 / 0.8, rel=0.02)
    assert not facts.mirrored


def test_a_platform_that_does_not_hold_its_packages_is_said() -> None:
    def small(meter: Any) -> Changed:
        return Changed(meter, lambda c: c, lambda v: [*v[:4], 0.1 * v[4]])

    facts = characterised(DOMAINS, wave_s=4.0, step_s=5e-5, wrap=small)
    said = [f for f in surprises([facts]) if f.rule == "domain-not-nested"]
    assert [f.message for f in said] == [
        "psys:energy does not contain cpu0:package + cpu0:dram here"
    ]


def test_a_platform_that_counts_something_else_is_said() -> None:
    """Larger than its parts all the time, but deaf to the load."""

    class Steady(Changed):
        def read(self) -> list[float]:
            values = self._inner.read()
            return [*values[:4], 5000.0 * self._inner._clock() % 2.0**18]

    def deaf(meter: Any) -> Steady:
        return Steady(meter, lambda c: c, None)

    facts = characterised(DOMAINS, wave_s=4.0, step_s=5e-5, wrap=deaf)
    (platform,) = (n for n in facts.nestings if n.whole == "psys:energy")
    assert platform.share < 0.1
    assert platform.holds is not True


@pytest.mark.parametrize("apart", [0.0, 0.01])
def test_one_counter_read_twice_is_told_from_two(apart: float) -> None:
    def twice(meter: Any) -> Changed:
        return Changed(
            meter,
            lambda c: [c[0], replace(c[0], name="cpu0d1:package")],
            lambda v: [v[0], (1 + apart) * v[0]],
        )

    facts = characterised({"board": "rapl"}, wave_s=4.0, step_s=5e-5, wrap=twice)
    assert facts.mirrored == ([] if apart else [("cpu0:package", "cpu0d1:package")])
    rules = [f.rule for f in surprises([facts]) if f.severity == "error"]
    assert rules == ([] if apart else ["mirrored-domains"])
