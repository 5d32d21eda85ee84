"""Two studies compared: what was matched, what was found, and what it can be relied on for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from joulebench.comparison.effect import Effect
from joulebench.comparison.heterogeneity import Dependence, Heterogeneity
from joulebench.comparison.matching import Matching
from joulebench.comparison.response import CellComparison, ResponseComparison
from joulebench.comparison.side import Side
from joulebench.comparison.verdict import ComparisonVerdict, comparison_verdict
from joulebench.finding import SEVERITIES, Finding

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "response", "unit", "scale", "level", "cell", "n_a", "n_b", "a", "b", "estimate", "ci_low",
    "ci_high", "confidence", "p", "method",
)  # fmt: skip
"""Columns of ``comparison.csv``, those of the matched factors apart, which stand before ``n_a``."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """B against A.

    Args:
        a: First side.
        b: Second side.
        matching: How their rows go together.
        responses: What was compared, in the order asked for.
        notes: What a reader must know besides.
        findings: What is wrong with the comparison as a whole.
    """

    a: Side
    b: Side
    matching: Matching
    responses: tuple[ResponseComparison, ...]
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @cached_property
    def verdicts(self) -> dict[str, ComparisonVerdict]:
        """The verdict on each response, by its tidy name."""
        return {each.name: comparison_verdict(each) for each in self.responses}

    @cached_property
    def all_findings(self) -> tuple[Finding, ...]:
        """All findings, each once, errors first."""
        found = [*self.findings, *(f for each in self.responses for f in each.findings)]
        return tuple(sorted(dict.fromkeys(found), key=lambda each: SEVERITIES.index(each.severity)))

    @property
    def wrong(self) -> bool:
        """Whether a finding says that the comparison is wrong."""
        return any(each.severity == "error" for each in self.all_findings)

    def __str__(self) -> str:
        """Give the verdicts, one sentence a response."""
        return "\n".join(verdict.sentence for verdict in self.verdicts.values())

    def frame(self) -> pd.DataFrame:
        """Give every ratio and difference as one row each, at full precision.

        ``level`` says what a row is of: ``cell``, ``these cells``, ``other cells``, or a factor
        whose level stands under ``cell``. Estimates of ``scale`` "ratio" are B / A, of "difference"
        B - A.
        """
        import pandas as pd

        whole = dict.fromkeys(("n_a", "n_b"), "Int64")
        return pd.DataFrame(self.rows(), columns=self.columns).astype(whole)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the table."""
        place = COLUMNS.index("n_a")
        return [*COLUMNS[:place], *self.matching.factors, *COLUMNS[place:]]

    def rows(self) -> list[dict[str, Any]]:
        """Give every ratio and difference as one mapping each, without the columns it lacks."""
        return [row for each in self.responses for row in self._rows(each)]

    def _rows(self, of: ResponseComparison) -> Iterator[dict[str, Any]]:
        head = {"response": of.name, "unit": of.response.unit,
                "scale": "ratio" if of.ratio else "difference"}  # fmt: skip
        for cell in of.cells:
            levels = dict(zip(self.matching.factors, cell.levels, strict=True))
            means = {"n_a": cell.n_a, "n_b": cell.n_b, "a": cell.a, "b": cell.b}
            named = {"level": "cell", "cell": " · ".join(cell.levels) or "all runs"}
            yield head | named | levels | means | _figures(of, cell.effect)
        runs = dict(zip(("n_a", "n_b"), of.runs, strict=True))
        yield head | {"level": "these cells"} | runs | _figures(of, of.these)
        if of.others is not None:
            yield head | {"level": "other cells"} | runs | _figures(of, of.others)
        for level in of.variation.levels if of.variation else ():
            named = {"level": level.factor, "cell": level.level}
            yield head | named | _figures(of, level.effect)

    def to_dict(self) -> dict[str, Any]:
        """Give the comparison as a JSON-ready dict."""
        matching = self.matching
        return {
            "a": _side(self.a),
            "b": _side(self.b),
            "matched": list(matching.factors),
            "cells": len(matching.cells),
            "only_a": list(matching.only_a),
            "only_b": list(matching.only_b),
            "averaged": list(matching.averaged),
            "differs": {name: list(pair) for name, pair in matching.differs.items()},
            "responses": [self._response(each) for each in self.responses],
            "notes": list(self.notes),
            "findings": [each.to_dict() for each in self.all_findings],
        }

    def _response(self, of: ResponseComparison) -> dict[str, Any]:
        return {
            "response": of.name,
            "words": of.response.words,
            "unit": of.response.unit,
            "scale": "ratio" if of.ratio else "difference",
            "these_cells": _plain(_figures(of, of.these)),
            "other_cells": None if of.others is None else _plain(_figures(of, of.others)),
            "paired_blocks": of.paired,
            "sensors": {"log_bias": of.bias, "words": of.sensors},
            "equivalence": None if of.equivalence is None else of.equivalence.to_dict(),
            "equivalence_other_cells": None
            if of.others_equivalence is None
            else of.others_equivalence.to_dict(),
            "variation": None if of.variation is None else _variation(of, of.variation),
            "cells": [self._cell(of, cell) for cell in of.cells],
            "verdict": self.verdicts[of.name].to_dict(),
        }

    def _cell(self, of: ResponseComparison, cell: CellComparison) -> dict[str, Any]:
        levels = dict(zip(self.matching.factors, cell.levels, strict=True))
        means = {"n_a": cell.n_a, "n_b": cell.n_b, "a": cell.a, "b": cell.b}
        return {"levels": levels} | means | _plain(_figures(of, cell.effect))


def _figures(of: ResponseComparison, effect: Effect) -> dict[str, Any]:
    low, high = effect.ends()
    return {
        "estimate": of.shown(effect.value),
        "ci_low": of.shown(low),
        "ci_high": of.shown(high),
        "confidence": 0.95,
        "p": effect.p,
        "method": effect.method,
    }


def _variation(of: ResponseComparison, found: Heterogeneity) -> dict[str, Any]:
    return {
        "least": {"cell": found.least[0], "estimate": of.shown(found.least[1])},
        "most": {"cell": found.most[0], "estimate": of.shown(found.most[1])},
        "spread": found.spread,
        "over_cells": _dependence(found.overall),
        "by_factor": {each.of: _dependence(each) for each in found.by_factor},
        "levels": [
            {"factor": each.factor, "level": each.level, "cells": each.cells}
            | _plain(_figures(of, each.effect))
            for each in found.levels
        ],
    }


def _dependence(test: Dependence) -> dict[str, Any]:
    return _plain({"f": test.f, "df1": test.df1, "df2": test.df2, "p": test.p})


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.source.name,
        "source": str(side.source.path),
        "rows": len(side),
        "factors": sorted(side.factors),
        "dropped": list(side.dropped),
    }


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """Give figures with ``None`` for what is not finite, which JSON lacks."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
    }
