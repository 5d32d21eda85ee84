"""What a comparison writes to disk: one table, and a figure for each response."""

from __future__ import annotations

from pathlib import Path

from joulebench.analysis.statistics_table import as_csv
from joulebench.comparison.comparison import Comparison
from joulebench.comparison.forest import write_forest
from joulebench.errors import UsageError
from joulebench.record import write_whole

TABLE = "comparison.csv"


def write_comparison(found: Comparison, out: Path) -> list[Path]:
    """Write ``comparison.csv`` at full precision, and a forest plot of each response.

    Args:
        found: What was found.
        out: Folder; made if absent.

    Returns:
        The files.

    Raises:
        UsageError: The folder is a file, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / TABLE, as_csv(found.rows(), found.columns))
        files = [out / TABLE]
        for each in found.responses:
            files += write_forest(each, out)
    except OSError as error:
        raise UsageError(
            f"--out {out} cannot be written: {error.strerror}; name another folder"
        ) from error
    return files
