"""The power of a plan, by simulating it from a pilot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.accuracy import wilson_interval
from joulebench.stats.bootstrap_interval import check_rng
from joulebench.stats.factor_test import factor_test
from joulebench.stats.number_check import whole
from joulebench.stats.pilot import Pilot
from joulebench.stats.power_solve import check_share
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Test = Callable[[pd.DataFrame], float]


def power_by_simulation(
    pilot: Pilot,
    effect: Mapping[Any, float],
    *,
    repetitions: int,
    rng: np.random.Generator,
    copies: int = 1,
    simulations: int = 1000,
    test: Test | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate the power of a plan from data simulated after a pilot.

    The plan has the pilot's settings (combinations of the fixed variables and of the groups of
    random terms), each ``repetitions`` times, and ``copies`` times as many groups. Values are the
    pilot's fitted means with the first factor's differences replaced by the effect, new random
    effects with the pilot's variances, and the pilot's residuals drawn with replacement (Gelman and
    Hill 2007, Data Analysis Using Regression, 20.5; Arnold et al. 2011, BMC Med. Res. Methodol. 11,
    94).

    Args:
        pilot: ``Pilot("log(energy_j) ~ generation + task + (1 | run)", frame)``; the first factor
            of the formula is tested.
        effect: Shift of the levels of that factor, in the unit of the response as modelled
            (logarithms of ratios for a logarithm), others 0.
        repetitions: Values of each setting.
        rng: Generator of the simulations.
        copies: New groups for each group of the pilot.
        simulations: How many.
        test: Takes a simulated frame, response included, and gives its p. Without it: the F test
            of the factor by least squares; with one term ``(1 | group)`` that on means of groups
            if the factor is one level a group, else within groups.
        confidence: 1 less the error rate of the test, and coverage of the interval.

    Returns:
        One row: ``test``, ``term``, ``estimate`` (the power), ``se``, ``ci_low``, ``ci_high``
        (Wilson's, of the number of simulations alone), ``confidence``, ``n`` planned rows,
        ``alpha``, ``repetitions``, ``copies``, ``simulations``, ``note``.

    Raises:
        Refused: An effect of unknown levels, other random terms without a test, or a p that is
            none.
    """
    check_rng(rng)
    check_share("confidence", confidence)
    for name, count, least in (
        ("repetitions", repetitions, 1),
        ("copies", copies, 1),
        ("simulations", simulations, 20),
    ):
        _check_count(name, count, least)
    if not isinstance(pilot, Pilot) or not (test is None or callable(test)):
        raise Refused("a simulation needs a Pilot and, where given, a test that is a function")
    layout = pilot.layout(repetitions, copies)
    means = pilot.means(layout, effect)
    default = None if test is not None else factor_test(pilot, layout)
    found = 0
    for _ in range(simulations):
        drawn = pilot.draw(means, layout, rng)
        p = default.p(drawn) if default else _p_of(test, pilot.frame_of(layout, drawn))
        found += p <= 1 - confidence
    power = wilson_interval(found, simulations, level=confidence)
    return tidy(
        [
            {
                "test": f"power by simulation, {default.name if default else 'own test'}",
                "term": pilot.factor,
                "estimate": power.value,
                "se": power.noise,
                "ci_low": power.low,
                "ci_high": power.high,
                "confidence": confidence,
                "n": len(means),
                "alpha": 1 - confidence,
                "repetitions": repetitions,
                "copies": copies,
                "simulations": simulations,
                "note": pilot.model.note,
            }
        ]
    )


def _p_of(test: Test | None, frame: pd.DataFrame) -> float:
    found: Any = test(frame) if test else None
    try:
        p = float(found)
    except (TypeError, ValueError):
        kind = type(found).__name__
        raise Refused(f"the test gave a {kind}: it must give one p, a number") from None
    if not 0 <= p <= 1:
        raise Refused(f"the test gave {p:g}, which is no p: it must lie from 0 to 1")
    return p


def _check_count(name: str, count: Any, least: int) -> None:
    whole(count, name, least, 10**7)
