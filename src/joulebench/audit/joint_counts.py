"""Published durations, token counts and accuracies beside those of the stored runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.joint_divisors import without_comma
from joulebench.audit.joint_rows import Joined
from joulebench.audit.table import Floats

_COUNTS = {"requests": "requests", "graded": "n_graded", "correct": "n_correct"}
_LENGTHS = {
    "log": "the whole log, not the measured window",
    "requests": "all requests added up",
}
_FACTORS = {1e3: "1000", 1e-3: "1/1000", 60.0: "60", 1 / 60.0: "1/60", 3600.0: "3600",
            1 / 3600.0: "1/3600"}  # fmt: skip
_FITTED = 0.9
_EXACT = 1e-9
_PERCENT = 100.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CountFit:
    """A published duration, count or accuracy beside ours.

    Args:
        joined: Rows with their runs.
        column: The column.
        published: Its figures in SI units; shape (n,), as all that follow.
        ours: What the stored run says; NaN where that is not known.
        doubt: How far the two may be apart.
        rule: Rule that it breaks; empty where nothing is known of how it was made.
        text: What the figure is instead of what it says; empty where that is not known.
    """

    joined: Joined
    column: str
    published: Floats
    ours: Floats
    doubt: Floats
    rule: str = ""
    text: str = ""

    @property
    def present(self) -> Bools:
        """Rows that have both figures."""
        found: Bools = np.isfinite(self.published) & np.isfinite(self.ours)
        return found

    @property
    def outside(self) -> Bools:
        """Rows whose figures differ by more than they may."""
        found: Bools = self.present & (np.abs(self.published - self.ours) > self.doubt)
        return found

    @property
    def inflation(self) -> Floats:
        """Published over ours, less one; NaN where there are not both."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.published / self.ours - 1.0
        return np.where(self.present & (self.ours != 0), ratio, np.nan)


def count_fits(joined: Joined) -> Iterator[CountFit]:
    """Put the columns of a table that count something beside what the stored runs say."""
    for column in joined.table.columns:
        meaning = joined.table.meaning(column)
        if meaning is None or not meaning.is_value:
            continue
        timed = meaning.kind == "duration"
        if meaning.per or (timed and (meaning.part or meaning.phase)):
            continue
        if meaning.phase not in ("", "inference", "training", "evaluation"):
            continue
        if not joined.table.is_number(column):
            continue
        fit = _duration(joined, column) if meaning.kind == "duration" else _count(joined, column)
        if fit is not None and fit.present.any():
            yield fit


def _duration(joined: Joined, column: str) -> CountFit | None:
    """Judge a duration: only one that is meant for the whole run can be told from ours."""
    published, ours = joined.si(column), joined.duration_s()
    doubt = joined.duration_doubt_s + joined.rounding(column) + 1e-3 * ours
    fit = CountFit(joined, column, published, ours, doubt)
    if not fit.outside.any():
        return fit
    for name, text in _LENGTHS.items():
        other = joined.duration_s(name)
        if _mostly(np.abs(published - other) <= doubt, fit.present):
            return CountFit(joined, column, published, other, doubt, "scope-mismatch", text)
    comma = _misread(joined, column)
    if comma is not None and _mostly(np.abs(comma - ours) <= doubt, fit.present):
        text = "read without its decimal comma"
        return CountFit(joined, column, published, ours, doubt, "decimal-comma", text)
    for factor, name in _FACTORS.items():
        if _mostly(np.abs(published / factor - ours) <= doubt, fit.present):
            text = f"{name} times what its unit says"
            return CountFit(joined, column, published, ours, doubt, "unit-scale", text)
    named_whole = bool(set(column.lower().replace("_", " ").split()) & {"duration", "time(s)"})
    return fit if named_whole and _mostly(~fit.outside, fit.present, 0.5) else None


def _misread(joined: Joined, column: str) -> Floats | None:
    """Give the figures of a column that lost its decimal comma: 11184 for 111,84."""
    whole = without_comma(joined.texts(column))
    if not np.array_equal(whole, np.round(whole), equal_nan=True):
        return None
    ours = joined.duration_s()
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.round(np.log10(joined.si(column) / ours))
    places = np.where(np.isfinite(places), np.clip(places, 0, 6), 0)
    return joined.si(column) / 10.0**places if len(set(places.tolist())) > 1 else None


def _mostly(agree: Bools, present: Bools, share: float = _FITTED) -> bool:
    return bool((agree & present).sum() >= share * present.sum())


def _count(joined: Joined, column: str) -> CountFit | None:
    meaning = joined.table.meaning(column)
    if meaning is None:
        return None
    published = joined.si(column)
    if meaning.kind == "tokens":
        return _tokens(joined, column, published, meaning.part)
    if meaning.kind == "accuracy":
        return _accuracy(joined, column, published)
    name = _COUNTS.get(meaning.kind)
    if name is None or meaning.part:
        return None
    ours, doubt = joined.count(name), joined.rounding(column)
    fit = CountFit(joined, column, published, ours, doubt)
    if name == "requests" and fit.present.any() and fit.outside.all():
        text = "another count than that of the requests whose answers are stored"
        return CountFit(joined, column, published, ours, doubt, "scope-mismatch", text)
    return fit


def _tokens(joined: Joined, column: str, published: Floats, part: str) -> CountFit | None:
    out, into = joined.count("tokens_out"), joined.count("tokens_in")
    ours = into if part == "in" else out
    doubt = joined.rounding(column) + _EXACT * np.abs(ours)
    fit = CountFit(joined, column, published, ours, doubt)
    if not fit.outside.any():
        return fit
    others = ((into, "tokens of the prompts"), (out + into, "tokens in and out together"),
              (out, "tokens of the answers"))  # fmt: skip
    for other, text in others:
        if _mostly(np.abs(published - other) <= doubt, fit.present):
            # A column that says no more than "tokens" may hold any of them.
            rule = "scope-mismatch" if part else ""
            return CountFit(joined, column, published, other, doubt, rule, text if part else "")
    # Other tokens than ours may be counted: those before pruning, those of another tokenizer.
    return fit if _mostly(~fit.outside, fit.present, 0.5) else None


def _accuracy(joined: Joined, column: str, published: Floats) -> CountFit | None:
    if column.strip().lower() not in ("accuracy", "acc", "exact_match", "exact"):
        return None
    size = _PERCENT if np.nanmax(published, initial=0.0) > 1.0 else 1.0
    ours = joined.count("accuracy") * size
    doubt = joined.rounding(column) * (1 + 1e-6) + _EXACT
    return CountFit(joined, column, published, ours, doubt)
