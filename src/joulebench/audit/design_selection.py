"""Choices that were made on the data that they are reported on; evaluation inside training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.stats.coincidence import significant_digits

_CLOSE = 0.01
"""A threshold from other data lies within 1 % of the best on this data by chance in a few cases of
a hundred: the best of two samples seldom agree to better than some tens of percent."""

_DEFAULTS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_CHOSEN_ON = frozenset({"val", "valid", "validation", "dev", "development"})
_JUDGED_ON = frozenset({"test"})
_FEWEST_DIFFERENT, _FEWEST_DIGITS = 3, 3
_DIGITS = 6
_EVALUATION_SHARE = 0.05


def _best_columns(table: AuditTable) -> Iterator[Finding]:
    """Find qualities that are the best over thresholds that the evaluation data chose."""
    lower = {column.lower().rpartition(".")[2]: column for column in table.columns}
    found = [
        column
        for name, column in lower.items()
        if name.startswith("best_") and f"{name}_thresh" in lower
    ]
    if not found:
        return
    plain = [c for c in found if c.lower().rpartition(".")[2].removeprefix("best_") in lower]
    yield Finding(
        "selection-on-test",
        "note" if len(plain) == len(found) else "warning",
        table.where(", ".join(found)),
        f"{', '.join(found)}: the best over all thresholds on the data that are evaluated, so at "
        "least as high as any threshold fixed beforehand gives",
        "report the quality at a threshold that was chosen on other data",
        seen=", ".join(found),
        possible="an upper bound of the quality",
    )


def _one_split(table: AuditTable) -> Iterator[Finding]:
    """Find qualities on two splits that are equal to the last digit in every row."""
    qualities = table.measures("accuracy") + table.measures("loss")
    for chosen in qualities:
        words = set(words_of(chosen))
        if not words & _CHOSEN_ON:
            continue
        rest = words - _CHOSEN_ON
        for judged in qualities:
            other = set(words_of(judged))
            if other & _JUDGED_ON and other - _JUDGED_ON == rest and _equal(table, chosen, judged):
                yield _under_two_names(table, chosen, judged)


def _equal(table: AuditTable, one: str, two: str) -> bool:
    first, second = table.numbers(one), table.numbers(two)
    known = np.isfinite(first) & np.isfinite(second)
    different = set(first[known].tolist())
    if len(different) < _FEWEST_DIFFERENT or significant_digits(first) < _FEWEST_DIGITS:
        return False
    return bool(np.all(first[known] == second[known]))


def _under_two_names(table: AuditTable, chosen: str, judged: str) -> Finding:
    return Finding(
        "selection-on-test",
        "warning",
        table.where(judged),
        f"{judged} is {chosen} to the last digit in every row, which two samples of data never "
        "are: the split that models are chosen on is the one that judges them",
        "keep a part of the data that nothing was chosen on, and report that",
        seen=f"{judged} = {chosen}",
        possible="two splits that differ by the chance of sampling",
    )


def _selected(evidence: Evidence) -> Iterator[Finding]:
    """Find runs whose threshold or best epoch was chosen on the split that they report."""
    for unit in evidence.units:
        tuned = [(d, t) for d in unit.digests if (t := _tuned_threshold(d)) is not None]
        if tuned:
            yield _threshold_tuned(unit.name, tuned)
        chosen = [(d, q) for d in unit.digests if (q := _chosen_by(d))]
        if chosen:
            yield _epoch_chosen(unit.name, chosen)


Tuned = tuple[str, float, str, float]


def _tuned_threshold(digest: RunDigest) -> Tuned | None:
    """Give a threshold that was set, and the best on the split that it practically equals."""
    figures = {**_settings(digest), **digest.published}
    best = {key: v for key, v in figures.items() if key.endswith("_thresh") and _positive(v)}
    used = {
        key: value
        for key, value in figures.items()
        if "threshold" in words_of(key) and _positive(value) and value not in _DEFAULTS
    }
    for name, value in used.items():
        for other, optimum in best.items():
            if abs(math.log(float(value) / float(optimum))) < _CLOSE:
                return name, float(value), other, float(optimum)
    return None


def _settings(digest: RunDigest) -> Mapping[str, Any]:
    settings = digest.run.facts.get("settings")
    return settings if isinstance(settings, Mapping) else {}


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _threshold_tuned(unit: str, tuned: Sequence[tuple[RunDigest, Tuned]]) -> Finding:
    name, value, other, optimum = tuned[0][1]
    return Finding(
        "selection-on-test",
        "warning",
        f"{unit}: {name}",
        f"{name} = {value:g} meets the {other} = {optimum:.5g} of the data that are reported "
        f"within {100 * abs(value / optimum - 1):.1f} %, in "
        f"{_listed([d.run.run_id for d, _ in tuned])}, as one tuned on them does: the "
        "quality is then the best on these data, not on the next",
        "choose the threshold on a part that is not reported, and report the rest",
        seen=f"{value:g} against {optimum:.5g}",
        possible=f"farther than {100 * _CLOSE:g} % for a threshold from other data, as a rule",
    )


def _chosen_by(digest: RunDigest) -> str:
    """Give the quality by which a best epoch was chosen and that is the reported one."""
    settings = _settings(digest)
    if "best_model_directory" not in settings and "best_model_checkpoint" not in settings:
        return ""
    epochs = settings.get("num_train_epochs", settings.get("epoch", 0))
    if not (_positive(epochs) and float(epochs) > 1):
        return ""
    for key, value in settings.items():
        name = key.removeprefix("eval_")
        reported = digest.published.get(name)
        if key != name and isinstance(value, float) and value == reported and _telling(value):
            return name
    return ""


def _telling(value: float) -> bool:
    return len(repr(value).replace(".", "").lstrip("0")) >= _DIGITS


def _epoch_chosen(unit: str, chosen: Sequence[tuple[RunDigest, str]]) -> Finding:
    digest, name = chosen[0]
    return Finding(
        "selection-on-test",
        "warning",
        f"{unit}: {name}",
        f"the best epoch was kept by an evaluation whose {name} is the one reported, to the last "
        f"digit, in {_listed([d.run.run_id for d, _ in chosen])}: the split that chose the model "
        "is the split that judges it",
        "keep a part of the training data to choose by, or report the last epoch",
        seen=f"{name} = {digest.published[name]}",
        possible="another split",
    )


def _evaluation_in_training(evidence: Evidence) -> Iterator[Finding]:
    """Find trainings whose time, and so their energy, holds passes over evaluation data."""
    for unit in evidence.units:
        shares = [(d, share) for d in unit.digests if (share := _share(d)) > _EVALUATION_SHARE]
        if shares:
            yield _evaluated(unit.name, shares)


def _share(digest: RunDigest) -> float:
    """Give the share of a training that was spent on evaluation; 0 where nothing says it."""
    facts = digest.run.facts
    inside, whole = facts.get("evaluation_s"), facts.get("stated_duration_s") or digest.duration_s
    if not (_positive(inside) and _positive(whole)):
        return 0.0
    return float(inside) / float(whole)  # type: ignore[arg-type]


def _evaluated(unit: str, shares: Sequence[tuple[RunDigest, float]]) -> Finding:
    low, high = min(s for _, s in shares), max(s for _, s in shares)
    told = f"{100 * high:.0f} %" if len(shares) == 1 else f"{100 * low:.0f} to {100 * high:.0f} %"
    return Finding(
        "evaluation-in-training",
        "warning",
        f"{unit}: training",
        f"{told} of the time of training was spent on evaluation passes, whose energy is in the "
        f"energy of training ({_listed([d.run.run_id for d, _ in shares])})",
        "report training without them, or say how often it was evaluated: another schedule gives "
        "another energy for the same model",
        seen=told,
        possible=f"below {100 * _EVALUATION_SHARE:g} %",
    )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return ", ".join(ids[:3]) + more


def _of_table(table: AuditTable) -> Iterator[Finding]:
    yield from _best_columns(table)
    yield from _one_split(table)


RULES = (
    Rule("selection-on-test", "design", table=_of_table, evidence=_selected),
    Rule("evaluation-in-training", "design", evidence=_evaluation_in_training),
)
