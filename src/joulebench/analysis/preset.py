"""The questions of studies that are known by name."""

from __future__ import annotations

from collections.abc import Callable

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.question import Question
from joulebench.errors import UsageError, unknown

_GENERATIONS = (
    Question("RQ1.1", "energy by generation", "energy_j", "generation", ("run",)),
    Question("RQ1.2", "energy per billion parameters by model", "j_per_b", "model", ("run",),
             within="generation"),
    Question("RQ1.2", "energy by model, and how it grows with size", "energy_j", "model", ("run",),
             within="generation", stem="energy_by_model"),
    Question("RQ2", "energy by generation and task", "energy_j", "generation",
             within="task", kind="crossed"),
    Question("RQ3.1", "energy per output token by generation", "energy_per_token_j", "generation",
             covariates=("tokens",)),
    Question("RQ3.2", "power by generation, energy against duration", "power_w", "generation",
             covariates=("duration_s",)),
    Question("RQ3.3", "accuracy by generation, energy against accuracy", "accuracy", "generation",
             scales=("raw",), covariates=("accuracy",)),
)  # fmt: skip


def _llama_generations(frame: AnalysisFrame) -> list[Question]:
    """Do newer LLaMA generations use less energy at inference?"""
    needed = ("generation", "model_size", "task")
    lacking = [name for name in needed if name not in frame.factors]
    if lacking or "model" not in frame.units:
        raise UsageError(
            f"{frame.name}: the preset llama-generations needs the factors {', '.join(needed)}; "
            f"lacking here: {', '.join(lacking) or 'several models'}; name them with --factors, or "
            "leave out --preset"
        )
    return list(_GENERATIONS)


PRESETS: dict[str, Callable[[AnalysisFrame], list[Question]]] = {
    "llama-generations": _llama_generations
}
"""Name -> what makes the questions."""


def preset_questions(name: str, frame: AnalysisFrame) -> tuple[list[Question], list[str]]:
    """Give the questions of a preset that a study can answer, and why it cannot answer the others.

    Raises:
        UsageError: There is no such preset, the study lacks a factor of it, or nothing varies.
    """
    if name not in PRESETS:
        raise unknown("--preset", name, PRESETS)
    questions, notes = [], []
    for question in PRESETS[name](frame):
        still = [n for n in (question.response, *question.covariates) if n not in frame.varying]
        if still:
            why = " and ".join(f"{n} {_is_still(n, frame)}" for n in dict.fromkeys(still))
            notes.append(f"{question.id} ({question.title}) is not answered: {why}")
        else:
            questions.append(question)
    if not questions:
        raise UsageError(
            f"{frame.name}: no response of the preset {name} varies; leave out --preset"
        )
    return questions, notes


def _is_still(name: str, frame: AnalysisFrame) -> str:
    return "is the same in every row" if frame.has(name) else "is not in the table"
