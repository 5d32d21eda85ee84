"""The tables of answers and of judges as printed text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from joulebench.report.answers import Agreed, CellAnswers, JudgeWork
from joulebench.report.evidence import in_columns
from joulebench.report.numbers import (
    ABSENT,
    Unit,
    best_unit,
    between,
    count,
    fixed,
    plus_minus,
    share,
    significant,
)
from joulebench.stats import Estimate

_PERCENT = Unit("%", 100.0)

_AGAINST = {"rules": "rules", "human": "people"}


def answer_heads(cells: Sequence[CellAnswers]) -> list[dict[str, str]]:
    """Give the headings of the energies that at least one cell has, with their units."""
    return [{"title": title, "unit": unit.symbol} for _, title, unit in _energies(cells)]


def answer_rows(cells: Sequence[CellAnswers], factors: Sequence[str]) -> list[dict[str, Any]]:
    """Give one row a cell: levels, counts, accuracy, energies with sort keys."""
    energies = _energies(cells)
    return [
        {
            "levels": in_columns(cell.levels, factors),
            "asked": cell.asked,
            "graded": ABSENT if cell.random_weights else cell.graded,
            "missing": ABSENT if cell.random_weights else cell.missing,
            "scorer": cell.scorer or ABSENT,
            "accuracy": _accuracy(cell),
            "figures": [_figure(cell.estimates.get(name), unit) for name, _, unit in energies],
            "method": cell.method,
            "scope": cell.scope,
        }
        for cell in cells
    ]


def has_accuracy(cells: Sequence[CellAnswers]) -> bool:
    """Say whether any cell has an accuracy: absent is not a column of dashes."""
    return any("accuracy" in cell.estimates for cell in cells)


def answer_notes(cells: Sequence[CellAnswers]) -> list[str]:
    """Say what a reader of the table must know and it does not show."""
    notes = []
    if has_accuracy(cells):
        notes.append(
            "Accuracy is right over graded answers. Its interval (Wilson) is over items: answers "
            "to one item, of several repetitions or of a load that asks it again, are averaged "
            "first and count once."
        )
    if any(cell.missing and cell.graded for cell in cells):
        notes.append(
            "An answer that could not be graded is missing, not wrong; energy per correct answer "
            "takes such answers to be right as often as the graded ones."
        )
    if any("per_correct_j" in cell.estimates for cell in cells):
        notes.append(
            "Energy per correct answer is energy per answer over accuracy; its interval has both "
            "uncertainties (MOVER: Donner and Zou 2012, Stat. Methods Med. Res. 21, 347)."
        )
    reasons = Counter(cell.no_score for cell in cells if cell.no_score)
    notes += [
        f"No accuracy in {cells_of} of {count(len(cells), 'cell')}: {reason}."
        for reason, cells_of in reasons.items()
    ]
    return notes


def judge_heads(cells: Sequence[CellAnswers]) -> list[dict[str, str]]:
    """Give the headings of the agreements that at least one judge has."""
    heads = []
    for name in _against(cells):
        words = _AGAINST.get(name, name)
        heads.append({"title": f"Agrees with {words}", "unit": ""})
        heads.append({"title": f"κ, {words}", "unit": ""})
    return heads


def judge_rows(cells: Sequence[CellAnswers], factors: Sequence[str]) -> list[dict[str, Any]]:
    """Give one row a cell that was judged."""
    against = _against(cells)
    unit = judge_unit(cells)
    return [
        {
            "levels": in_columns(cell.levels, factors),
            "judge": _judge_name(cell.judge),
            "requests": cell.judge.requests,
            "malformed": cell.judge.malformed,
            "missing": f"{cell.judge.missing}" + (" (cost limit)" if cell.judge.stopped else ""),
            "agreement": [
                text for name in against for text in _agreement(cell.judge.agreement.get(name))
            ],
            "energy": _figure(cell.judge.energy, unit),
            "share": _figure(cell.judge.share, _PERCENT),
            "cost": _cost(cell.judge),
            "method": cell.method,
            "scope": cell.scope,
        }
        for cell in cells
        if cell.judge is not None
    ]


def judge_unit(cells: Sequence[CellAnswers]) -> Unit:
    """Choose the unit of the judges' energies."""
    known = [cell.judge.energy.value for cell in cells if cell.judge and cell.judge.energy]
    return best_unit(known, "J")


def judge_notes(cells: Sequence[CellAnswers]) -> list[str]:
    """Say what a reader of the table of judges must know."""
    judges = [cell.judge for cell in cells if cell.judge is not None]
    notes = []
    if any(judge.agreement for judge in judges):
        notes.append(
            "κ is Cohen's: agreement beyond chance, 1 at most; over repetitions the mean, with the "
            "mean of their intervals."
        )
    if any(each.kappa is None and each.n for judge in judges for each in judge.agreement.values()):
        notes.append("κ is absent where one of the two grades all answers alike: it would be 0 "
                     "whatever the other says.")  # fmt: skip
    if any(judge.energy for judge in judges):
        notes.append("The judge's energy is in no other figure of this report: it is stated apart, "
                     "a run, and as a share of the measured energy.")  # fmt: skip
    elif judges:
        notes.append("The judge's energy is not known here, as with a judge on another machine.")
    if any(judge.random_weights for judge in judges):
        notes.append("A judge with random weights says nothing of the answers: no accuracy.")
    stopped = sum(judge.stopped for judge in judges)
    if stopped:
        notes.append(f"The cost limit ended the judging of {count(stopped, 'run')}.")
    return notes


def _energies(cells: Sequence[CellAnswers]) -> list[tuple[str, str, Unit]]:
    titles = {"per_answer_j": "Energy per answer", "per_correct_j": "Energy per correct answer"}
    values = {
        name: [c.estimates[name].value for c in cells if name in c.estimates] for name in titles
    }
    return [(name, titles[name], best_unit(found, "J")) for name, found in values.items() if found]


def _accuracy(cell: CellAnswers) -> tuple[str, str]:
    found = cell.estimates.get("accuracy")
    return (share(found), f"{found.value:.9g}") if found is not None else (ABSENT, "")


def _figure(estimate: Estimate | None, unit: Unit) -> tuple[str, str]:
    if estimate is None:
        return ABSENT, ""
    lopsided = estimate.method.startswith("quotient")
    text = between(estimate, unit) if lopsided else plus_minus(estimate, unit)
    return text, f"{estimate.value:.9g}"


def _against(cells: Sequence[CellAnswers]) -> list[str]:
    """Give whom judges were held against, the rules first."""
    names = {name for cell in cells if cell.judge for name in cell.judge.agreement}
    return sorted(names, key=lambda name: (name not in _AGAINST, name == "human", name))


def _judge_name(judge: JudgeWork) -> str:
    version = f", prompt {judge.version}" if judge.version else ""
    votes = f", {count(judge.votes, 'vote')}" if judge.votes > 1 else ""
    weights = " (random weights)" if judge.random_weights else ""
    return f"{judge.name}{weights}{version}{votes}"


def _agreement(found: Agreed | None) -> list[str]:
    if found is None:
        return [ABSENT, ABSENT]
    kappa = ABSENT if found.kappa is None else share(found.kappa)
    return [f"{fixed(100 * found.agreed, 1)} % of {found.n}", kappa]


def _cost(judge: JudgeWork) -> str:
    if judge.cost is None:
        return ABSENT
    return " ".join(filter(None, (significant(judge.cost), judge.currency)))
