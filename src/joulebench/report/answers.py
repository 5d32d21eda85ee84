"""What the answers of each cell are worth, who graded them, and what an answer used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.record import Run
from joulebench.report.answers_accuracy import accuracy, graded, score
from joulebench.report.cells import energy_per, mean_energy, per_correct
from joulebench.report.evidence import (
    Evidence,
    Reading,
    energy_of,
    groups_of_runs,
    printed_levels,
)
from joulebench.report.phases import share_of_measured
from joulebench.stats import Estimate

JUDGE = "judge"
"""Name of the window in which a judge graded: it is in no measured one."""


@dataclass(frozen=True)
class JudgeWork:
    """What a judge did for the runs of a cell.

    Args:
        name: Its model, or its engine where no model is named.
        version: Of its prompt.
        votes: Judgements asked for each answer.
        requests: Asked of it, over all runs.
        malformed: Of its replies that were no verdict, over all runs.
        missing: Answers that it gave no verdict on, over all runs.
        cost: What it cost, over all runs; ``None`` where it has no price.
        currency: Of the cost; empty where it is not said.
        stopped: Runs in which the cost limit ended its work.
        random_weights: Whether its weights are random: its verdicts mean nothing.
        energy: Mean over runs, J, apart from the measured one; ``None`` where not measured.
        share: What that is of the measured energy.
        agreement: Whom it was held against -> how well it agrees.
    """

    name: str
    version: str
    votes: int
    requests: int
    malformed: int
    missing: int
    cost: float | None
    currency: str
    stopped: int
    random_weights: bool
    energy: Estimate | None
    share: Estimate | None
    agreement: dict[str, Agreed]


@dataclass(frozen=True)
class Agreed:
    """How well a judge agrees with rules or people.

    Args:
        n: Answers that both graded, over all runs.
        agreed: Share of them that both graded alike.
        kappa: Cohen's, the mean over repetitions; its interval is the mean of theirs, since
            asking the same items again does not shrink it. ``None`` where no run has one.
    """

    n: int
    agreed: float
    kappa: Estimate | None


@dataclass(frozen=True)
class CellAnswers:
    """The answers of one combination of levels.

    Args:
        levels: Factor -> level.
        method: Weakest method among its channels; empty where no energy was measured.
        scope: What its joules cover; empty where no energy was measured.
        runs: Runs behind it.
        asked: Answers, over all runs.
        graded: Of them that were graded.
        scorer: Who graded; empty where nobody did.
        no_score: Why there is no accuracy; empty where there is one.
        random_weights: Whether the model's weights are random: its answers mean nothing.
        judge: What its judge did; ``None`` without one.
        estimates: ``accuracy``, ``per_answer_j``, ``per_correct_j``; absent where not known.
    """

    levels: dict[str, str]
    method: str
    scope: str
    runs: int
    asked: int
    graded: int
    scorer: str
    no_score: str
    random_weights: bool
    judge: JudgeWork | None
    estimates: dict[str, Estimate]

    @property
    def missing(self) -> int:
        """Answers that could not be graded: they are missing, not wrong."""
        return max(self.asked - self.graded, 0)

    def to_dict(self) -> dict[str, Any]:
        """Give it as a JSON-ready dict."""
        names = ("levels", "method", "scope", "runs", "asked", "graded", "missing", "scorer",
                 "no_score")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            **{name: estimate.to_dict() for name, estimate in self.estimates.items()},
            **({"judge": _judge_dict(self.judge)} if self.judge else {}),
        }


def cell_answers(evidence: Evidence) -> list[CellAnswers]:
    """Estimate every cell whose answers were graded, or were to be, in the order of the cells."""
    runs = [run for run in evidence.runs if run.status == "done" and _was_to_be_graded(run)]
    readings = {each.run.run_id: each for each in evidence.readings}
    return [
        _of_cell(evidence, group, [readings[r.run_id] for r in group if r.run_id in readings])
        for group in groups_of_runs(evidence, runs)
    ]


def judge_facts(run: Run) -> Mapping[str, Any]:
    """Give what a run recorded of its judge; empty where it had none."""
    found = run.facts.get("judge")
    return found if isinstance(found, Mapping) else {}


def _was_to_be_graded(run: Run) -> bool:
    return bool(run.score or run.facts.get("no_score") or judge_facts(run))


def _of_cell(evidence: Evidence, group: Sequence[Run], readings: Sequence[Reading]) -> CellAnswers:
    random = any((run.facts.get("engine") or {}).get("random_weights") for run in group)
    counted = [(each.energy, each.requests) for each in readings if each.requests]
    found = {
        "accuracy": None if random else accuracy(group, evidence.asked_times),
        "per_answer_j": energy_per([e for e, _ in counted], [n for _, n in counted]),
        "per_correct_j": None if random else per_correct(readings, evidence.asked_times),
    }
    why = dict.fromkeys(str(r.facts["no_score"]) for r in group if r.facts.get("no_score"))
    scorers = dict.fromkeys(str(s) for run in group if (s := score(run).get("scorer")))
    unscored = "; ".join(why) or ("the model's weights are random" if random else "")
    return CellAnswers(
        levels=printed_levels(group[0]),
        method=readings[0].energy.method if readings else "",
        scope=readings[0].energy.scope if readings else "",
        runs=len(group),
        asked=sum(_asked(run) for run in group),
        graded=0 if random else sum(graded(run) for run in group),
        scorer=" and ".join(scorers),
        no_score="" if found["accuracy"] is not None else unscored,
        random_weights=random,
        judge=_judge(group, readings),
        estimates={name: estimate for name, estimate in found.items() if estimate is not None},
    )


def _asked(run: Run) -> int:
    return int(score(run).get("n_asked") or run.work.get("requests") or graded(run))


def _judge(group: Sequence[Run], readings: Sequence[Reading]) -> JudgeWork | None:
    judged = [facts for run in group if (facts := judge_facts(run))]
    if not judged:
        return None
    first = judged[0]
    energies = [(each, energy_of(each.run, JUDGE)) for each in readings]
    found = [(each, energy) for each, energy in energies if energy is not None]
    costs = [_cost(facts) for facts in judged]
    known = [amount for amount, _ in costs if amount is not None]
    apart = first.get("engine")
    engine = apart if isinstance(apart, Mapping) else first
    return JudgeWork(
        name=str(engine.get("model") or engine.get("kind") or "a judge"),
        version=str(first.get("prompt_version") or ""),
        votes=int(first.get("votes") or 1),
        **{name: _sum(judged, name) for name in ("requests", "malformed", "missing")},
        cost=sum(known) if known else None,
        currency=next((currency for _, currency in costs if currency), ""),
        stopped=sum(bool(facts.get("stopped_by_cost")) for facts in judged),
        random_weights=bool(engine.get("random_weights")),
        energy=mean_energy([energy for _, energy in found]),
        share=share_of_measured(found) if found else None,
        agreement=_agreement(judged),
    )


def _cost(facts: Mapping[str, Any]) -> tuple[float | None, str]:
    """Give what a run's judging cost, and the currency; ``None`` where it has no price."""
    cost = facts.get("cost")
    if isinstance(cost, Mapping):
        return _number(cost.get("amount")), str(cost.get("currency") or "")
    return _number(cost), ""


def _sum(judged: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(int(facts.get(name) or 0) for facts in judged)


def _agreement(judged: Sequence[Mapping[str, Any]]) -> dict[str, Agreed]:
    every = [facts.get("agreement") or {} for facts in judged]
    names = dict.fromkeys(name for each in every for name in each)
    found = {
        name: [one for each in every if (one := each.get(name) or {}).get("n")] for name in names
    }
    return {name: _agreed(each) for name, each in found.items() if each}


def _agreed(each: Sequence[Mapping[str, Any]]) -> Agreed:
    n = sum(int(one["n"]) for one in each)
    alike = sum(_alike(one) for one in each)
    known = [one for one in each if _number(one.get("kappa")) is not None]
    kappa = None
    if known:
        mean = {
            name: sum(float(one.get(name, one["kappa"])) for one in known) / len(known)
            for name in ("kappa", "low", "high")
        }
        kappa = Estimate(mean["kappa"], mean["low"], mean["high"], n)
    return Agreed(n, alike / n, kappa)


def _alike(one: Mapping[str, Any]) -> float:
    """Give the number of answers graded alike, also where a record holds their share."""
    agreed = float(one.get("agreed") or 0)
    return agreed if isinstance(one.get("agreed"), int) else agreed * int(one["n"])


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _judge_dict(judge: JudgeWork) -> dict[str, Any]:
    names = ("name", "version", "votes", "requests", "malformed", "missing", "cost", "currency",
             "stopped", "random_weights")  # fmt: skip
    agreement = {
        name: {"n": one.n, "agreed": one.agreed,
               "kappa": one.kappa.to_dict() if one.kappa else None}
        for name, one in judge.agreement.items()
    }  # fmt: skip
    return {
        **{name: getattr(judge, name) for name in names},
        "energy_j": judge.energy.to_dict() if judge.energy else None,
        "share": judge.share.to_dict() if judge.share else None,
        "agreement": agreement,
    }
