"""Builds what scores the answers from ``tasks.score`` of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.clock import VIRTUAL
from joulebench.errors import UsageError
from joulebench.work import Engine, Load, Task
from joulebench.workloads.judge import Build, JudgeScorer
from joulebench.workloads.score import RulesScorer, Scorer
from joulebench.workloads.score_choice import ChoiceScorer
from joulebench.workloads.score_settings import JudgeFile, read_score


def build_scorer(
    plan: Mapping[str, Any], task: Task, engine: Engine, load: Load, build: Build
) -> Scorer:
    """Build the scorer that a plan names, without loading anything.

    Args:
        plan: With ``tasks.score``, ``sampling.seed`` and ``protocol.clock``, where they are given.
        task: Grades.
        engine: The measured one.
        load: How many requests it is given together.
        build: Makes a judge's engine of its configuration and model.

    Raises:
        UsageError: Something in it is unknown, or cannot be had of this engine or task.
    """
    settings = read_score((plan.get("tasks") or {}).get("score"))
    if isinstance(settings, JudgeFile):
        if (plan.get("protocol") or {}).get("clock") == VIRTUAL:
            raise UsageError(
                "protocol.clock: virtual computes the time of work that is not really done, and a "
                "judge does real work; remove tasks.score, or use clock: real"
            )
        seed = (plan.get("sampling") or {}).get("seed", 0)
        return JudgeScorer(task, settings, build, seed)
    if settings.kind == "choice":
        return ChoiceScorer(task, engine, load.batch_size if load.kind == "batch" else 1)
    return RulesScorer(task)
