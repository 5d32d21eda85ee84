"""Make a study's report: tables, figures and the page."""

from __future__ import annotations

from pathlib import Path

from joulebench.record import write_whole
from joulebench.report.content import Content, content
from joulebench.report.evidence import Evidence
from joulebench.report.page import page
from joulebench.report.tables import write_tables


def build_report(folder: Path) -> Path:
    """Write ``report/`` into a study's folder, the same for the same records.

    Args:
        folder: A study's folder.

    Returns:
        The path of ``report.html``.

    Raises:
        UsageError: It is not a study, or holds no run.
    """
    return write_report(content(Evidence.of(folder)))


def write_report(found: Content) -> Path:
    """Write tables, figures and the page of what was found, and give the path of the page."""
    report = found.evidence.table.folder / "report"
    figures, tables = report / "figures", report / "tables"
    for place in (figures, tables):
        place.mkdir(parents=True, exist_ok=True)
    _clear(figures)
    for picture in found.pictures:
        picture.write(figures)
    write_tables(found, tables)
    path = report / "report.html"
    write_whole(path, page(found))
    return path


def _clear(figures: Path) -> None:
    """Remove the figures of an earlier report, of which there may have been more."""
    for name in ("cells-*", "trace-*", "drift", "agreement-*", "load-*"):
        for suffix in ("svg", "png"):
            for old in figures.glob(f"{name}.{suffix}"):
                old.unlink()
