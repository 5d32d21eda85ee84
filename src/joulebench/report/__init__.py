"""Tables, figures and one self-contained page out of a study's folder."""

from __future__ import annotations

from joulebench.report.build import build_report

__all__ = ["build_report"]
