"""Models with a random run that the factors explain almost completely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from joulebench.analysis.analysis_frame import RUN, AnalysisFrame
from joulebench.analysis.cells import run_means

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Saturation:
    """What ``response ~ a * b + (1 | run)`` leaves to judge ``a`` and ``b`` by.

    Args:
        factors: The crossed factors.
        runs: Runs.
        parameters: Combinations of the factors that occur: parameters of the fixed part.
        df: Degrees of freedom between runs: ``runs - parameters``.
        left_out: Factors that are not in the model and vary between runs of one combination.
        at: Where they do: levels of the crossed factors, where these are not all of them.
    """

    factors: tuple[str, ...]
    runs: int
    parameters: int
    df: int
    left_out: dict[str, tuple[str, ...]]
    at: dict[str, tuple[str, ...]]

    @property
    def saturated(self) -> bool:
        """Whether nothing is left."""
        return self.df <= 0

    @property
    def telling(self) -> bool:
        """Whether there is something to warn of: fewer degrees of freedom than parameters."""
        return self.df < self.parameters

    @property
    def sentence(self) -> str:
        """What the model leaves, and where that comes from."""
        model = f"{' * '.join(self.factors)} + (1 | run)"
        fitted = f"{self.parameters} parameters for {self.runs} runs"
        if self.saturated:
            return (
                f"{model} is saturated: {fitted}, so that each run is explained by a parameter of "
                "its own, and repetitions alone are left, which are no evidence about other runs"
            )
        degrees = f"{self.df} degree{'s' if self.df > 1 else ''} of freedom"
        return f"{model} leaves {degrees} ({fitted}){self._origin()}"

    def _origin(self) -> str:
        if not self.left_out:
            return ""
        what = " and ".join(
            f"{name} {' against '.join(levels[:_MOST_NAMED])}"
            for name, levels in self.left_out.items()
        )
        where = ", ".join(f"{name} {', '.join(levels)}" for name, levels in self.at.items())
        only = f" at {where}" if where else ""
        return f", which come from {what}{only}: not chance, but the factor that was left out"


def saturations(frame: AnalysisFrame) -> Iterator[Saturation]:
    """Look at the model of all factors, and at each that leaves out one."""
    names = frame.factors
    yield saturation(frame, names)
    if len(names) > 1:
        for some in combinations(names, len(names) - 1):
            yield saturation(frame, some)


def saturation(frame: AnalysisFrame, factors: Sequence[str]) -> Saturation:
    """Count what a model with all interactions of some factors and a random run leaves.

    Runs are the units of the fixed part: its test has as many degrees of freedom as there are runs
    beyond its parameters, however many repetitions each has.

    Raises:
        UsageError: A name that is no factor.
    """
    for name in factors:
        frame.levels(name)  # refuses what is none
    runs = run_means(frame).frame[[RUN, *frame.factors]].astype(str)
    groups = runs.groupby(list(factors), sort=False)
    several = runs[groups[RUN].transform("size") > 1]
    others = [name for name in frame.factors if name not in factors]
    left_out = {name: _present(frame, several[name], name) for name in others}
    at = {name: _present(frame, several[name], name) for name in factors}
    return Saturation(
        tuple(factors),
        len(runs),
        groups.ngroups,
        len(runs) - groups.ngroups,
        {name: levels for name, levels in left_out.items() if len(levels) > 1},
        {name: levels for name, levels in at.items() if 0 < len(levels) < len(frame.levels(name))},
    )


def _present(frame: AnalysisFrame, column: object, name: str) -> tuple[str, ...]:
    seen = set(column)  # type: ignore[call-overload]
    return tuple(level for level in frame.levels(name) if level in seen)
