"""What a planned study takes, what may be claimed from it, and what it can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from joulebench.sensor_gains import NVML_GAIN
from joulebench.study_design import Grouping, carry_over, grouping, planned_frame
from joulebench.study_estimate import Estimate, estimate, places_of
from joulebench.study_file import StudyFile
from joulebench.study_pilot import Pilot, Spread
from joulebench.study_plan import design_of
from joulebench.study_power import Comparison, comparisons, floor
from joulebench.study_read import dump

if TYPE_CHECKING:
    from joulebench.analysis.analysis_frame import AnalysisFrame
    from joulebench.analysis.design_facts import DesignFacts

Plan = Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """A difference that a pilot saw, and the chance to find it.

    Args:
        name: What is compared.
        pair: The two levels.
        ratio: Second over first, in the pilot.
        power: Chance that the plan finds it; ``None`` without degrees of freedom.
    """

    name: str
    pair: tuple[str, str]
    ratio: float
    power: float | None


@dataclass(frozen=True)
class Shown:
    """What a plan can show of one response, by a pilot.

    Args:
        response: ``energy_j`` or ``energy_per_token_j``.
        spread: Run-to-run scatter in the pilot.
        smallest: By what is compared: the smallest ratio that is found, ``None`` for none.
        expected: The pilot's own differences.
    """

    response: str
    spread: Spread
    smallest: dict[str, float | None]
    expected: tuple[Expected, ...]


@dataclass(frozen=True)
class Prospect:
    """What is known of a study before it is run.

    Args:
        estimate: How long it takes and what it uses.
        facts: What its design carries; ``None`` where nothing varies.
        comparisons: What is compared.
        shown: What that can show by a pilot; empty without one.
        grouping: What grouping costs; ``None`` without.
        saved_s: What loading it saves, s; ``None`` where nobody knows.
        carry_over: How far a Latin order is balanced; empty for other orders.
        controls: Number of control trials.
        gain: Relative standard uncertainty of a meter's gain.
        gain_origin: Where that is from.
        places: Testbeds.
        other_settings: In which settings the pilot was another.
        energies: How the pilot's energies are known; empty without a pilot.
    """

    estimate: Estimate
    facts: DesignFacts | None
    comparisons: tuple[Comparison, ...]
    shown: tuple[Shown, ...]
    grouping: Grouping | None
    saved_s: float | None
    carry_over: str
    controls: int
    gain: float
    gain_origin: str
    places: int
    other_settings: tuple[str, ...]
    energies: str

    @property
    def floor(self) -> float:
        """The ratio of levels on different testbeds that their gains hide."""
        return floor(self.gain)

    def to_dict(self) -> dict[str, Any]:
        """Give the prospect as a JSON-ready dict."""
        return {
            "estimate": self.estimate.to_dict() | {"energies": self.energies},
            "design": self.facts.to_dict() if self.facts else None,
            "grouping": self.grouping.to_dict() | {"saved_s": self.saved_s}
            if self.grouping else None,
            "carry_over": self.carry_over,
            "controls": self.controls,
            "power": {
                "comparisons": [each.to_dict() for each in self.comparisons],
                "pilot": [asdict(each) for each in self.shown],
                "gain": self.gain,
                "gain_origin": self.gain_origin,
                "testbeds": self.places,
                "floor_between_testbeds": self.floor,
            },
            "other_settings": list(self.other_settings),
        }  # fmt: skip


def prospect(study: StudyFile, plans: Sequence[Plan], pilot: Pilot | None = None) -> Prospect:
    """Look ahead.

    Args:
        study: A checked study file.
        plans: Of its trials.
        pilot: Runs of the same or a like study.
    """
    from joulebench.analysis.design_facts import design_facts

    design, frame = design_of(study), planned_frame(study, plans)
    compared = tuple(comparisons(frame, design)) if frame is not None else ()
    grouped = grouping(design)
    told = pilot is not None and pilot.gain > 0
    return Prospect(
        estimate=estimate(study, plans, pilot),
        facts=None if frame is None else design_facts(frame),
        comparisons=compared,
        shown=tuple(_shown(pilot, frame, compared)) if pilot and frame is not None else (),
        grouping=grouped,
        saved_s=_saved_s(grouped, pilot),
        carry_over=carry_over(design),
        controls=design.controls,
        gain=pilot.gain if pilot is not None and told else NVML_GAIN,
        gain_origin="pilot" if told else "board to board, of NVML",
        places=places_of(study),
        other_settings=tuple(pilot.other_settings(dump(study))) if pilot else (),
        energies=pilot.origins if pilot else "",
    )


def _saved_s(grouped: Grouping | None, pilot: Pilot | None) -> float | None:
    """Give the time that grouping saves, s: fewer loads after another level."""
    reload_s = pilot.reload_s(grouped.factors) if grouped and pilot else None
    if grouped is None or reload_s is None:
        return None
    return reload_s * (grouped.changes_ungrouped - grouped.changes)


def _shown(pilot: Pilot, frame: AnalysisFrame, compared: Sequence[Comparison]) -> Iterator[Shown]:
    for response in pilot.responses():
        spread = pilot.spread(response)
        if spread is not None:
            expected = tuple(
                each
                for comparison in compared
                for each in _expected(pilot, response, frame, comparison, spread.cv)
            )
            smallest = {each.name: each.smallest(spread.cv) for each in compared}
            yield Shown(response, spread, smallest, expected)


def _expected(
    pilot: Pilot, response: str, frame: AnalysisFrame, comparison: Comparison, cv: float
) -> Iterator[Expected]:
    parts = frame.units.get(comparison.name, (comparison.name,))
    others = [name for name in frame.factors if name not in parts]
    rows = frame.frame[[comparison.name, *(p for p in parts if p != comparison.name)]]
    levels = {
        str(row[comparison.name]): {part: str(row[part]) for part in parts}
        for row in rows.drop_duplicates().to_dict("records")
    }
    for a, b in combinations(frame.levels(comparison.name), 2):
        ratio = pilot.ratio(response, levels[a], levels[b], others)
        if ratio is not None:
            power = comparison.power(ratio, cv)
            yield Expected(comparison.name, (a, b), ratio, power)
