"""Builds what scores the answers from ``tasks.score`` of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.work import Task
from joulebench.workloads.judge import Build, JudgeScorer
from joulebench.workloads.score import RulesScorer, Scorer
from joulebench.workloads.score_choice import ChoiceScorer
from joulebench.workloads.score_settings import JudgeFile, read_score


def build_scorer(plan: Mapping[str, Any], task: Task, build: Build) -> Scorer:
    """Build the scorer that a plan names, without loading anything.

    Args:
        plan: With ``tasks.score`` and ``sampling.seed``, where they are given.
        task: Grades.
        build: Makes a judge's engine of its configuration and model.

    Raises:
        UsageError: Something in it is unknown, or cannot be had of this task.
    """
    settings = read_score((plan.get("tasks") or {}).get("score"))
    if isinstance(settings, JudgeFile):
        seed = (plan.get("sampling") or {}).get("seed", 0)
        return JudgeScorer(task, settings, build, seed)
    if settings.kind == "choice":
        return ChoiceScorer(task)
    return RulesScorer(task)
