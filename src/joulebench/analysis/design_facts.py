"""What the design of a study lets anyone claim: units, degrees of freedom, empty cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from joulebench.analysis.aliased_cells import AliasedPair, aliased_pairs, joint_factors
from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import CellCounts, cell_counts, rows_per_run
from joulebench.analysis.claims import ClaimSupport, all_claims
from joulebench.analysis.saturation import Saturation, saturations


@dataclass(frozen=True)
class DesignFacts:
    """The design behind an analysis.

    Args:
        factors: Levels of each factor.
        rows: Rows that were kept: repetitions.
        runs: Runs: cells of all factors, or what the user calls a run.
        rows_per_run: Fewest and most rows of a run.
        cells: Rows of each combination of all factors.
        joint: Factors tied together by empty cells, each group one thing that was varied.
        aliased: Pairs of factors with empty cells.
        claims: What stands behind a claim about each factor.
        saturated: Degrees of freedom that models with ``(1 | run)`` leave between runs.
    """

    factors: dict[str, list[str]]
    rows: int
    runs: int
    rows_per_run: tuple[int, int]
    cells: CellCounts
    joint: tuple[tuple[str, ...], ...]
    aliased: tuple[AliasedPair, ...]
    claims: tuple[ClaimSupport, ...]
    saturated: tuple[Saturation, ...]

    @property
    def balanced(self) -> bool:
        """Whether all cells are filled, with as many rows each."""
        return not self.cells.empty and self.cells.balanced

    @property
    def tied(self) -> bool:
        """Whether empty cells tie factors together."""
        return any(len(group) > 1 for group in self.joint)

    @property
    def sentences(self) -> list[str]:
        """The facts in plain sentences, the shape of the design first."""
        least, most = self.rows_per_run
        each = f"{least}" if least == most else f"{least} to {most}"
        shape = f"{self.rows} rows are {self.runs} runs of {each} repetition"
        return [
            shape + ("" if (least, most) == (1, 1) else "s") + f"; {self.cells.sentence}",
            *(pair.sentence for pair in self.aliased),
            *(claim.sentence for claim in self.claims),
            *(each.sentence for each in self.saturated if each.telling and self.tied),
        ]

    def claim(self, factor: str) -> ClaimSupport:
        """Give what stands behind a claim about a factor in general.

        Raises:
            KeyError: There is no such factor.
        """
        return {claim.factor: claim for claim in self.claims}[factor]

    def to_dict(self) -> dict[str, Any]:
        """Give the facts as a JSON-ready dict."""
        return {
            "factors": self.factors,
            "rows": self.rows,
            "runs": self.runs,
            "rows_per_run": list(self.rows_per_run),
            "cells": {"filled": self.cells.filled, "possible": self.cells.possible,
                      "balanced": self.cells.balanced},
            "joint": [list(group) for group in self.joint],
            "aliased": [asdict(pair) | {"sentence": pair.sentence} for pair in self.aliased],
            "claims": [claim.to_dict() for claim in self.claims],
            "saturated": [asdict(each) | {"sentence": each.sentence} for each in self.saturated],
            "sentences": self.sentences,
        }  # fmt: skip


def design_facts(frame: AnalysisFrame) -> DesignFacts:
    """Work out what the design of a study lets anyone claim, from which rows there are alone.

    Args:
        frame: Its repetitions.
    """
    return DesignFacts(
        factors={name: frame.levels(name) for name in frame.factors},
        rows=len(frame),
        runs=frame.runs,
        rows_per_run=rows_per_run(frame),
        cells=cell_counts(frame),
        joint=tuple(joint_factors(frame)),
        aliased=tuple(aliased_pairs(frame)),
        claims=tuple(all_claims(frame)),
        saturated=tuple(saturations(frame)),
    )
