"""The averaging time and the delay of a sensor, from its answer to a load that switches.

A sensor that averages over A and shows its readings d late answers to a power P with
V(u) = (F(u - d) - F(u - d - A)) / A at each update u, where F is the integral of P. The load is a
known wave s(t), and P = b + a y with unknown b and a, each with a slow trend; y follows s at once
or, where that explains the readings much better, with one time constant. d and A are found on a
grid and polished. Their errors are taken from the profile of the squared deviations and from
leaving out one part of the wave in turn, whichever is larger. A counter is differenced between its
updates, whose spacing then stands for A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from joulebench.characterize.fit import PARTS, Fit, Place
from joulebench.characterize.load import Wave
from joulebench.characterize.points import Points
from joulebench.meters.sensor_profile import Figure

EXPLAINED = 0.5
"""Least share of a channel's variance that a load has to explain to be seen in it."""

RISES_S = (1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05)
"""Time constants with which the power may follow the load, s."""

BETTER = 12.0
"""How much better a fit with a time constant has to be than one without: twice the logarithm of
their likelihoods, well above the logarithm of the number of points that one more unknown has to
earn (Schwarz 1978)."""

NOT_WORSE = 4.0
"""A time constant within two standard deviations of the best one is possible, and what it changes
is in doubt."""


@dataclass(frozen=True)
class Response:
    """How a channel answers to a load.

    Args:
        delay: How long after its update the sensor shows a reading, s.
        averaging: The stretch that it averages over, s; ``None`` for a counter.
        rise_s: Time constant with which the power itself follows the load, s; 0 if none is seen.
        swing_w: Power that the load adds when it is fully on, W.
        explained: Share of the variance of the readings that the fit explains.
    """

    delay: Figure
    averaging: Figure | None
    rise_s: float
    swing_w: float
    explained: float


def response(points: Points, wave: Wave) -> Response | None:
    """Fit averaging time and delay of a channel; ``None`` where the load is not seen in it.

    Args:
        points: The channel's updates.
        wave: When the load was switched, and to what.
    """
    if points.at_s.size < 4 * PARTS:
        return None
    rough = Fit(points, wave)
    best = rough.searched()
    if rough.explained(*best) < EXPLAINED:
        return None
    fit = rough.weighted(*best)
    risen = _risen(fit, fit.polished(*best), wave)
    return _response(risen, risen.fit.weighted(*risen.best))


@dataclass(frozen=True)
class _Risen:
    """A time constant of the power, the fit with it, and what other constants would change."""

    rise_s: float
    fit: Fit
    best: Place
    squares: float
    doubt_s: Place = (0.0, 0.0)

    @property
    def scale(self) -> float:
        """Squared deviations of an update that the fit leaves, at least one."""
        return max(self.squares / self.fit.free, 1.0)


def _risen(fit: Fit, best: Place, wave: Wave) -> _Risen:
    """Let the power follow the load with a time constant where that is much better."""
    at_once = _Risen(0.0, fit, best, fit.squares(*best))
    tried = [at_once, *(_tried(fit, best, wave, rise_s) for rise_s in RISES_S)]
    found = min(tried, key=lambda one: one.squares)
    if (at_once.squares - found.squares) / found.scale <= BETTER:
        found = at_once
    else:
        tried += _nearer(fit, found, wave)
        found = min(tried, key=lambda one: one.squares)
    near = [one.best for one in tried if (one.squares - found.squares) / found.scale <= NOT_WORSE]
    shifts = np.abs(np.array(near) - found.best).max(axis=0) / math.sqrt(NOT_WORSE)
    return replace(found, doubt_s=(float(shifts[0]), float(shifts[1])))


def _tried(fit: Fit, best: Place, wave: Wave, rise_s: float) -> _Risen:
    fit = fit.on(wave.risen(rise_s))
    place = fit.polished(best[0] - rise_s, best[1])
    return _Risen(rise_s, fit, place, fit.squares(*place))


def _nearer(fit: Fit, found: _Risen, wave: Wave) -> list[_Risen]:
    """Try time constants between those that were tried first."""
    from scipy.optimize import minimize_scalar

    tried: list[_Risen] = []
    power_s = found.best[0] + found.rise_s, found.best[1]

    def squares(log_s: float) -> float:
        tried.append(_tried(fit, power_s, wave, math.exp(log_s)))
        return tried[-1].squares

    bounds = math.log(found.rise_s / 2.5), math.log(found.rise_s * 2.5)
    minimize_scalar(squares, bounds=bounds, method="bounded", options={"maxiter": 12})
    return tried


def _response(risen: _Risen, fit: Fit) -> Response:
    best = fit.polished(*risen.best)
    without = np.array([part.polished(*best) for part in fit.parts()])
    spread_s = np.sqrt((PARTS - 1) / PARTS * np.sum((without - without.mean(axis=0)) ** 2, axis=0))
    delay = _figure(fit.delay_range(best), float(spread_s[0]), risen.doubt_s[0])
    averaging = None
    if fit.averages:
        averaging = _figure(fit.averaging_range(best), float(spread_s[1]), risen.doubt_s[1])
    return Response(delay, averaging, risen.rise_s, fit.swing_w(*best), fit.explained(*best))


def _figure(within_s: Place, spread_s: float, doubt_s: float) -> Figure:
    low_s, high_s = within_s
    return Figure(
        0.5 * (low_s + high_s), math.hypot(max(0.5 * (high_s - low_s), spread_s), doubt_s)
    )
