"""What a source states of a run's energy and duration, where one trace can be held against it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from joulebench.audit.columns import Meaning, meaning_of
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_stretch import Stretch, stretches
from joulebench.record import Run

_STATED_ENERGY, _STATED_DURATION = "stated_energy_j", "stated_duration_s"

_COUNTED = {"example": "requests", "token": "tokens_out", "step": "steps"}
"""What a published figure is counted by, and the count of work that undoes it."""


def only_stretch(view: AuditRun) -> Stretch | None:
    """Give the stretch that a stated energy must be of; ``None`` where several were added up."""
    found = stretches(view)
    return found[0] if len(found) == 1 and found[0].t_s.size > 1 else None


def stated_energy_j(view: AuditRun) -> float | None:
    """Give the energy that the source states for the whole run, J; ``None`` if it states none."""
    fact = _number(view.run.facts.get(_STATED_ENERGY))
    return fact if fact is not None else _published(view, "energy")


def stated_duration_s(view: AuditRun) -> float | None:
    """Give how long the work lasted by the source, s; ``None`` if it does not say."""
    fact = _number(view.run.facts.get(_STATED_DURATION))
    return fact if fact is not None else _published(view, "duration")


def asked_step_s(run: Run) -> float | None:
    """Give the step that the sampler was asked for, s; ``None`` where nothing says."""
    recorder = run.facts.get("recorder")
    return _number(recorder.get("interval_s")) if isinstance(recorder, Mapping) else None


def _published(view: AuditRun, kind: str) -> float | None:
    """Give a published quantity of the whole run in its SI unit, by its count where it has one."""
    for column, value in view.published.items():
        meaning, number = meaning_of(column), _number(value)
        if meaning is None or number is None or not _is_of_work(meaning, kind):
            continue
        if not meaning.per:
            return number * meaning.to_si
        count = _number(view.run.work.get(_COUNTED.get(meaning.per, "")))
        if count:
            return number * meaning.to_si * count
    return None


def _is_of_work(meaning: Meaning, kind: str) -> bool:
    whole = meaning.part in ("", "total", "gpu") and meaning.phase not in ("idle", "load", "warmup")
    return meaning.kind == kind and meaning.statistic in ("", "mean", "sum") and whole


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None
