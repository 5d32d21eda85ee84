"""Import of EnergiBridge run folders beside pandas and pyarrow reading the same files whole.

Usage: python benchmarks/import_energibridge.py FOLDER [REPEATS]

FOLDER holds run folders ``run_R_repetition_P``. The contenders take turns; ratios are of medians.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc

from joulebench.importers import two_processes
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import LOG, EnergiBridgeImporter
from joulebench.importers.prompts_file import NAME as PROMPTS


def import_all(folder: Path) -> None:
    """Import everything: records, Parquet, responses, table."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "study"
        write_study(EnergiBridgeImporter().read(folder, ImportOptions("benchmark")), out)


def import_in_one(folder: Path) -> None:
    """Import everything without the second process."""
    allowed = two_processes.may_fork
    two_processes.may_fork = lambda: False
    try:
        import_all(folder)
    finally:
        two_processes.may_fork = allowed


def import_again(folder: Path, out: Path) -> None:
    """Import files that have not changed since."""
    write_study(EnergiBridgeImporter().read(folder, ImportOptions("benchmark")), out)


def read_with_pandas(folder: Path) -> None:
    """Read all logs and prompts whole, one after the other, keeping nothing."""
    for run in folder.iterdir():
        pd.read_csv(run / LOG)
        pd.read_csv(run / PROMPTS, sep="\t")


def read_logs_with_pandas(folder: Path) -> None:
    """Read all logs whole."""
    for run in folder.iterdir():
        pd.read_csv(run / LOG)


def read_logs_with_pyarrow(folder: Path) -> None:
    """Read all logs whole with the fastest plain scan."""
    for run in folder.iterdir():
        pc.read_csv(str(run / LOG))


def timed(work: Callable[[], None]) -> float:
    """Give the wall time of one call, s."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Print medians and ratios as a table."""
    folder = Path(sys.argv[1])
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as place:
        again = Path(place) / "study"
        import_again(folder, again)
        contenders: dict[str, Callable[[], None]] = {
            "import, everything written": lambda: import_all(folder),
            "import in one process": lambda: import_in_one(folder),
            "second import, files unchanged": lambda: import_again(folder, again),
            "pandas, logs and prompts": lambda: read_with_pandas(folder),
            "pandas, logs alone": lambda: read_logs_with_pandas(folder),
            "pyarrow, logs alone": lambda: read_logs_with_pyarrow(folder),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for repeat in range(repeats + 1):
            for name, work in contenders.items():
                spent = timed(work)
                if repeat:  # the first round warms caches and imports
                    times[name].append(spent)
    report(times, folder)


def report(times: dict[str, list[float]], folder: Path) -> None:
    """Print the machine and one row a contender."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    runs = sum(1 for _ in folder.iterdir())
    reference = statistics.median(times["pandas, logs and prompts"])
    print(
        f"{runs} runs, {size / 1e6:.1f} MB; {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, pandas {pd.__version__}, pyarrow {pa.__version__}\n"
    )
    print("| contender | median s | least s | to pandas, logs and prompts |")
    print("|---|---|---|---|")
    for name, spent in times.items():
        median = statistics.median(spent)
        print(f"| {name} | {median:.3f} | {min(spent):.3f} | {median / reference:.2f} |")


if __name__ == "__main__":
    main()
