"""What a planned design can carry: claims, what is grouped, what follows what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.design import Design
from joulebench.design_orders import rows_of_williams
from joulebench.exclusion import level_text
from joulebench.study_file import StudyFile

if TYPE_CHECKING:
    from joulebench.analysis.analysis_frame import AnalysisFrame

Plan = Mapping[str, Any]


@dataclass(frozen=True)
class Grouping:
    """What it costs that levels stay together within a block.

    Args:
        factors: What is grouped.
        groups: Combinations of their levels that are run.
        blocks: Blocks; one where all is shuffled.
        changes: Independent changes from one group to another over the study.
        changes_ungrouped: As many there would be without grouping.
    """

    factors: tuple[str, ...]
    groups: int
    blocks: int
    changes: int
    changes_ungrouped: int

    @property
    def df(self) -> int:
        """Degrees of freedom that are left for the groups: stretches are the units, not trials."""
        return (self.groups - 1) * (self.blocks - 1)

    @property
    def sentence(self) -> str:
        """The cost, in plain words."""
        what = " x ".join(self.factors)
        each = f"each of its {self.groups} levels" if self.groups > 1 else "its one level"
        times = f"{self.blocks} time{'' if self.blocks == 1 else 's'}"
        rest = "nothing is left" if self.df < 1 else f"{self.df} degrees of freedom are left"
        return (
            f"grouped by {what}: within a block it is confounded with time, and {each} begins anew "
            f"{times} only, so that {rest} to judge it by, not as many as there are trials; "
            f"{self.changes} changes in all, {self.changes_ungrouped} if it were not grouped"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the cost as a JSON-ready dict."""
        return asdict(self) | {"df": self.df, "sentence": self.sentence}


def grouping(design: Design) -> Grouping | None:
    """Count the changes of what is grouped; ``None`` where nothing is."""
    if not design.group_by:
        return None
    groups = {design.group_of(cell) for cell in design.cells}
    blocks = 1 if design.order == "shuffle" else design.repetitions
    return Grouping(
        design.group_by, len(groups), blocks, _changes(design, design), _changes_without(design)
    )


def _changes_without(design: Design) -> int:
    return _changes(replace(design, group_by=()), design)


def _changes(ordered: Design, grouped: Design) -> int:
    groups = (grouped.group_of(trial.levels) for trial in ordered if not trial.control)
    return sum(1 for _ in groupby(groups)) - 1


def carry_over(design: Design) -> str:
    """Say how far a Latin order is balanced; empty for other orders."""
    if design.order != "latin":
        return ""
    cells, done = len(design.cells), design.repetitions
    if design.group_by:
        return "latin: groups, and cells within each, are in Latin squares of their own"
    rows = rows_of_williams(cells)
    if done % rows == 0:
        return (
            f"latin: each cell is {done // cells} times at each place, and equally often after "
            "each other cell"
        )
    full = (
        "each cell is at each place equally often"
        if done % cells == 0
        else (f"no cell is at one place more than {-(-done // cells)} times")
    )
    return (
        f"latin: {full}; carry-over is balanced too after {rows} repetitions, or a multiple of it"
    )


def planned_frame(study: StudyFile, plans: Sequence[Plan]) -> AnalysisFrame | None:
    """Give the rows that a study will have, without any response; ``None`` if nothing varies.

    Args:
        study: A checked study file, whose levels are in order.
        plans: Of its trials; controls are left out.
    """
    import pandas as pd

    from joulebench.analysis.analysis_frame import BLOCK, REPETITION, RUN, AnalysisFrame
    from joulebench.analysis.cells import joined
    from joulebench.analysis.units import with_units

    trials = [plan["trial"] for plan in plans if not plan["trial"].get("control")]
    texts = {name: [level_text(trial["levels"][name]) for trial in trials]
             for name in trials[0]["levels"]}  # fmt: skip
    varied = {name: column for name, column in texts.items() if len(set(column)) > 1}
    if not varied:
        return None
    data = pd.DataFrame({key: [trial[key] for trial in trials] for key in (REPETITION, BLOCK)})
    for name, column in varied.items():
        run = set(column)
        levels = [text for level in study.factors[name] if (text := level_text(level)) in run]
        data[name] = pd.Categorical(column, levels, ordered=True)
    names = tuple(varied)
    frame = AnalysisFrame(study.study, Path(), data, names, (), {name: name for name in names})
    data.insert(0, RUN, pd.Series(joined(frame, names), index=data.index))
    return with_units(frame)
