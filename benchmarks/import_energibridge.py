"""Import of EnergiBridge run folders beside pandas and pyarrow reading the same files whole.

Usage: python benchmarks/import_energibridge.py [FOLDER] [--repeats N] [--configurations N]
[--json FILE]

FOLDER holds run folders ``run_R_repetition_P``. The contenders take turns within one process;
ratios are of medians. Then, or without a FOLDER at once, a study of the size of the published one
is made up (900 runs, 241 MB of logs) and imported by the command line twice, each time in a fresh
process whose memory is watched: its own and that of its children.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import full_study
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.csv as pc

from joulebench.importers import two_processes
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import LOG, EnergiBridgeImporter
from joulebench.importers.prompts_file import NAME as PROMPTS

_PANDAS = "pandas, logs and prompts"
_FIRST = "import, everything written"
_AGAIN = "second import, files unchanged"
_READ_ALONE = """
import sys
from pathlib import Path
import pandas as pd
for run in Path(sys.argv[1]).iterdir():
    pd.read_csv(run / "energibridge.csv")
    pd.read_csv(run / "prompts_out.tsv", sep="\\t")
"""

_LARGEST_MB = 300
_WATCH_S = 0.05


def import_all(folder: Path, out: Path) -> None:
    """Import everything: records, Parquet, responses, table."""
    write_study(EnergiBridgeImporter().read(folder, ImportOptions("benchmark")), out)


def import_in_one(folder: Path, out: Path) -> None:
    """Import everything without the second process."""
    allowed = two_processes.may_fork
    two_processes.may_fork = lambda: False
    try:
        import_all(folder, out)
    finally:
        two_processes.may_fork = allowed


def read_with_pandas(folder: Path, out: Path) -> None:
    """Read all logs and prompts whole, one after the other, keeping nothing."""
    del out
    for run in folder.iterdir():
        pd.read_csv(run / LOG)
        pd.read_csv(run / PROMPTS, sep="\t")


def read_logs_with_pandas(folder: Path, out: Path) -> None:
    """Read all logs whole."""
    del out
    for run in folder.iterdir():
        pd.read_csv(run / LOG)


def read_with_pyarrow(folder: Path, out: Path) -> None:
    """Read all logs and prompts whole with the fastest plain scan."""
    del out
    for run in folder.iterdir():
        pc.read_csv(str(run / LOG))
        pc.read_csv(
            str(run / PROMPTS),
            parse_options=pc.ParseOptions(delimiter="\t", newlines_in_values=True),
        )


def read_logs_with_pyarrow(folder: Path, out: Path) -> None:
    """Read all logs whole with the fastest plain scan."""
    del out
    for run in folder.iterdir():
        pc.read_csv(str(run / LOG))


CONTENDERS: dict[str, Callable[[Path, Path], None]] = {
    _FIRST: import_all,
    "import in one process": import_in_one,
    _PANDAS: read_with_pandas,
    "pandas, logs alone": read_logs_with_pandas,
    "pyarrow, logs and prompts": read_with_pyarrow,
    "pyarrow, logs alone": read_logs_with_pyarrow,
}


class Spent(NamedTuple):
    """Wall time and time of all processors, s; others on the machine lengthen the first alone."""

    wall_s: float
    cpu_s: float


def timed(work: Callable[[Path, Path], None], folder: Path, out: Path) -> Spent:
    """Time one call; what it writes is removed outside of it."""
    before_s, begun_s = sum(os.times()[:4]), time.perf_counter()
    work(folder, out)
    wall_s = time.perf_counter() - begun_s
    return Spent(wall_s, sum(os.times()[:4]) - before_s)


def side_by_side(folder: Path, repeats: int) -> dict[str, list[Spent]]:
    """Let the contenders take turns; the first round warms caches and imports."""
    times: dict[str, list[Spent]] = {name: [] for name in (*CONTENDERS, _AGAIN)}
    with tempfile.TemporaryDirectory() as place:
        kept = Path(place) / "kept"
        import_all(folder, kept)
        for repeat in range(repeats + 1):
            for name, spent in times.items():
                out = kept if name == _AGAIN else Path(place) / "study"
                spent_s = timed(CONTENDERS.get(name, import_all), folder, out)
                if out != kept:
                    shutil.rmtree(out, ignore_errors=True)
                if repeat:
                    spent.append(spent_s)
    return times


def watched(words: list[str]) -> dict[str, float]:
    """Run a command; gives its time, s, and the peaks of its memory, MB.

    ``rss_mb`` is the largest of one process, ``pss_mb`` the sum over it and its children, in which
    pages that they share count once.
    """
    begun_s = time.perf_counter()
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    rss, pss = 0.0, 0.0
    while child.poll() is None:
        each = _memory(psutil.Process(child.pid))
        rss = max([rss, *(one for one, _ in each)])
        pss = max(pss, sum(one for _, one in each))
        time.sleep(_WATCH_S)
    if child.returncode:
        raise SystemExit(f"{' '.join(words)} ended with status {child.returncode}")
    spent_s = time.perf_counter() - begun_s
    return {"time_s": spent_s, "rss_mb": rss / 1e6, "pss_mb": pss / 1e6}


def _memory(process: psutil.Process) -> list[tuple[int, int]]:
    """Give resident and proportional memory of a process and its children, bytes."""
    found = []
    try:
        for one in (process, *process.children(recursive=True)):
            facts = one.memory_full_info()
            found.append((facts.rss, facts.pss))
    except psutil.Error:
        pass  # it ended while it was looked at
    return found


def full_size(configurations: int) -> dict[str, Any]:
    """Import a made-up study twice by the command line, and beside it let pandas read it.

    All three in fresh processes.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "runs", Path(place) / "study"
        size = full_study.write_study(folder, configurations)
        words = [sys.executable, "-m", "joulebench", "import", "energibridge", str(folder)]
        read_with_pandas(folder, out)  # warms the cache of files
        first = watched([*words, "--out", str(out)])
        pandas = watched([sys.executable, "-c", _READ_ALONE, str(folder)])
        pyarrow_s = timed(read_with_pyarrow, folder, out).wall_s
        again = watched([*words, "--out", str(out)])
        inside_s = timed(import_all_again, folder, out).wall_s
        runs = sum(1 for _ in folder.iterdir())
    return {
        "runs": runs,
        "logs_mb": size / 1e6,
        "first": first,
        "second": again,
        "second_without_start_s": inside_s,
        "pandas": pandas,
        "pyarrow_s": pyarrow_s,
    }


def import_all_again(folder: Path, out: Path) -> None:
    """Import what the command line has imported, with the same options."""
    options = ImportOptions(out.resolve().name, out=out)
    written = write_study(EnergiBridgeImporter().read(folder, options), out)
    assert written.unchanged


def machine() -> str:
    """Say what all this ran on."""
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, pandas {pd.__version__}, "
        f"pyarrow {pa.__version__}"
    )


def print_side_by_side(times: dict[str, list[Spent]], folder: Path) -> None:
    """Print one row a contender."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    runs = sum(1 for _ in folder.iterdir())
    medians = {name: statistics.median(s.wall_s for s in spent) for name, spent in times.items()}
    print(f"{runs} runs, {size / 1e6:.1f} MB; {machine()}\n")
    print("| contender | median, s | least, s | processors, s | to pandas |")
    print("| --- | --- | --- | --- | --- |")
    for name, spent in times.items():
        ratio, least_s = medians[name] / medians[_PANDAS], min(each.wall_s for each in spent)
        cpu_s = statistics.median(each.cpu_s for each in spent)
        print(f"| {name} | {medians[name]:.3f} | {least_s:.3f} | {cpu_s:.2f} | {ratio:.2f} |")
    print(
        f"\nAims: import no slower than pandas, {medians[_FIRST] / medians[_PANDAS]:.2f}; the "
        f"second a tenth of the first, {medians[_AGAIN] / medians[_FIRST]:.3f}\n"
    )


def print_full_size(found: dict[str, Any]) -> None:
    """Print what the import of a whole study took."""
    first, second = found["first"], found["second"]
    print(f"{found['runs']} made-up runs, {found['logs_mb']:.0f} MB of logs; {machine()}\n")
    print("| in a fresh process | time, s | largest process, MB | with children, MB |")
    print("| --- | --- | --- | --- |")
    rows = {
        "import": first,
        "import again, files unchanged": second,
        "pandas reads logs and prompts": found["pandas"],
    }
    for name, one in rows.items():
        print(f"| {name} | {one['time_s']:.2f} | {one['rss_mb']:.0f} | {one['pss_mb']:.0f} |")
    print(
        f"\nWithout the start of Python pyarrow reads the same in {found['pyarrow_s']:.2f} s, and "
        f"the second import takes {found['second_without_start_s']:.3f} s."
    )
    ratio = first["time_s"] / found["pandas"]["time_s"]
    print(
        f"Aims: no slower than pandas, {ratio:.2f}; memory under {_LARGEST_MB} MB, "
        f"{first['pss_mb']:.0f}; the second a tenth of the first, "
        f"{second['time_s'] / first['time_s']:.3f}"
    )


def main() -> None:
    """Print medians and ratios as tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--configurations", type=int, default=full_study.CONFIGURATIONS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    if asked.folder is not None:
        found["times_s"] = side_by_side(asked.folder, asked.repeats)
        print_side_by_side(found["times_s"], asked.folder)
    if asked.configurations:
        found["full"] = full_size(asked.configurations)
        print_full_size(found["full"])
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
