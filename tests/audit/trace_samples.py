"""Traces made up for tests of the audit: what a sensor makes of a known power."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.digest import digest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.run_view import AuditRun
from joulebench.channel import Channel
from joulebench.energy import Trace

Floats = NDArray[np.float64]


def board(name: str = "gpu0:power", **more: Any) -> Channel:
    """Give the channel of a board as importers describe one of which they know no more."""
    told: dict[str, Any] = {"scope": "gpu board", "gain": 0.029, "stamp_s": 0.5, **more}
    return Channel(name, "W", **told)


def counter(name: str = "cpu0:package", **more: Any) -> Channel:
    return Channel(name, "J", **{"scope": "cpu package", "wrap_j": 262144.0, **more})


def scattered(mean_w: float, count: int, seed: int = 0, share: float = 0.01) -> Floats:
    """Give readings that scatter around a power, in whole milliwatts."""
    noise = np.random.default_rng(seed).standard_normal(count)
    return np.round(mean_w * (1 + share * noise), 3)


def steady(
    mean_w: float = 300.0, length_s: float = 30.0, step_s: float = 0.1, seed: int = 0, **more: Any
) -> Trace:
    """Give a trace of steady work: as many samples as the length holds, from 0 s on."""
    t_s = step_s * np.arange(round(length_s / step_s) + 1)
    return Trace(board(**more), t_s, scattered(mean_w, t_s.size, seed))


def averaged(
    before_w: float, work_w: float, length_s: float, averaging_s: float = 1.0, step_s: float = 0.05
) -> Trace:
    """Give what a moving average shows of work that begins at 0 s, from then on."""
    t_s = step_s * np.arange(round(length_s / step_s) + 1)
    share = np.minimum(t_s / averaging_s, 1.0)
    shown = before_w + (work_w - before_w) * share
    return Trace(board(), t_s, np.round(shown * (1 + 1e-3 * scattered(1.0, t_s.size)), 3))


def evidence(*views: AuditRun) -> Evidence:
    """Give everything together, after all runs have been seen."""
    unit = Unit("made-up", Path(), "study", {}, {}, len(views), views.__getitem__)
    unit.digests = [digest(view) for view in views]
    return Evidence([unit])


def names(findings: Iterable[Any]) -> list[tuple[str, str]]:
    """Give rule and severity of findings."""
    return [(finding.rule, finding.severity) for finding in findings]
