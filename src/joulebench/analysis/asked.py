"""What a study file asks of its results, where the user does not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from joulebench.analysis.read import Choices


def asked_for(path: Path, choices: Choices, preset: str) -> tuple[Choices, str]:
    """Fill in what the user did not say from the study's own file.

    Args:
        path: A study's folder, or a table.
        choices: What the user says.
        preset: The same of the questions; empty for nothing.

    Returns:
        The choices and the name of the preset.
    """
    asked = _analysis_of(path)
    filled = replace(
        choices,
        responses=choices.responses or tuple(asked.get("response") or ()),
        factors=choices.factors or tuple(asked.get("factors") or ()),
    )
    # Who names responses asks other questions than the preset's.
    own = "" if choices.responses else str(asked.get("preset") or "")
    return filled, preset or own


def _analysis_of(path: Path) -> dict[str, Any]:
    import yaml

    folder = path.parent if path.name == "runs.jsonl" else path
    try:
        study = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}  # a table, or what reading the study will refuse with the reason
    asked = study.get("analysis") if isinstance(study, dict) else None
    return asked if isinstance(asked, dict) else {}
