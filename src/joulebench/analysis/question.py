"""What an analysis asks: one response, what it is compared between, on which level and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from joulebench.analysis.analysis_frame import AnalysisFrame

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["run", "repetition"]
Scale = Literal["raw", "log"]
Kind = Literal["groups", "crossed"]

MAIN = ("energy_j", "energy_per_token_j", "energy_per_example_j", "power_w", "duration_s",
        "accuracy")  # fmt: skip
"""Responses that are looked at where nobody names one."""

UNLOGGED = frozenset({"accuracy"})
"""Responses that are looked at on the raw scale alone: a share that can be 0 has no logarithm."""


@dataclass(frozen=True, slots=True)
class Question:
    """One research question.

    Args:
        id: ``"RQ1.1"``; begins the names of its files and names their folder.
        title: In words.
        response: Tidy name.
        groups: Factor, or unit of several factors, whose levels are compared, in their order.
        levels: What counts as one observation: a run (mean of its repetitions), a repetition.
        scales: Of the response.
        within: Factor inside whose levels the groups are compared too; empty for none.
        covariates: Responses that the energy of a run is held against inside each group:
            ``tokens``, ``duration_s``, ``accuracy``.
        kind: ``"groups"``: the levels of ``groups``; ``"crossed"``: ``groups`` by ``within`` with
            their interaction.
        stem: What the names of its files have beside the id, where several questions share one.
    """

    id: str
    title: str
    response: str
    groups: str
    levels: tuple[Level, ...] = ("run", "repetition")
    scales: tuple[Scale, ...] = ("raw", "log")
    within: str = ""
    covariates: tuple[str, ...] = ()
    kind: Kind = "groups"
    stem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the question as a JSON-ready dict."""
        return asdict(self)


def general_questions(frame: AnalysisFrame, asked: tuple[str, ...] = ()) -> list[Question]:
    """Make the questions of any study: each response by each factor, in order.

    Factors that make up a unit (generation and size of a model) are asked of that unit. A response
    that is another one times a constant is left out, unless the user named it.

    Args:
        frame: The study.
        asked: Columns or tidy names of responses that the user named; those of :data:`MAIN` that
            vary if empty, all that vary if none of these does.
    """
    varying = frame.varying
    named = [each.name for each in frame.responses if {each.name, each.source} & set(asked)]
    own = _telling(frame, [name for name in MAIN if name in varying] or varying)
    return [
        _fitting(frame, _question(frame, name, groups))
        for name in named or own
        for groups in _compared(frame)
    ]


def _compared(frame: AnalysisFrame) -> list[str]:
    """Give what is compared: units in place of the factors that make them up."""
    unit_of = {part: unit for unit, parts in frame.units.items() for part in parts}
    return list(dict.fromkeys(unit_of.get(factor, factor) for factor in frame.factors))


def _telling(frame: AnalysisFrame, names: Sequence[str]) -> list[str]:
    """Leave out responses that are an earlier one times a constant: they tell nothing more."""
    kept: list[str] = []
    for name in names:
        values = frame.frame[name]
        if not any(_is_multiple(values, frame.frame[other]) for other in kept):
            kept.append(name)
    return kept


def _is_multiple(values: pd.Series[float], other: pd.Series[float]) -> bool:
    ratio = (values / other.where(other != 0)).dropna()
    same = len(ratio) == len(values.dropna()) > 0
    return same and float(ratio.max() - ratio.min()) <= 1e-9 * abs(float(ratio.mean()))


def _question(frame: AnalysisFrame, response: str, groups: str) -> Question:
    words = frame.response(response).words
    title = f"{words} by {groups.replace('_', ' ')}"
    return Question(response, title, response, groups, stem=f"by_{groups}")


def _fitting(frame: AnalysisFrame, question: Question) -> Question:
    """Leave out the scale that a response has not, and the level that says nothing of its own.

    Rows that are the runs have no repetitions, and where each level is one run the means of runs
    have nothing to be judged by.
    """
    values = frame.frame[question.response]
    if question.response in UNLOGGED or bool((values <= 0).any()):
        question = replace(question, scales=("raw",))
    if len(frame) == frame.runs:
        return replace(question, levels=("run",))
    alone = frame.runs == len(frame.levels(question.groups))
    return replace(question, levels=("repetition",)) if alone else question
