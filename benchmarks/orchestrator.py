"""What the orchestrator itself costs, and whether a large study still goes on in a moment.

Run ``python benchmarks/orchestrator.py [--trials N] [--testbeds N] [--rows N] [--real N]
[--json FILE]``; ``--quick`` tries it out. Four parts, each in processes of its own:

- a crowd of testbeds on a virtual clock, its records synced to the real disk;
- a study of many rows: its index made anew, gone on with up to its next trial, its state told;
- real trials of an echo engine on this machine: what each takes beyond its work and its waits;
- the same over HTTP, against ``joulebench testbed serve`` on this machine.

Times of the second part are of whole processes, the start of Python included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

JOULEBENCH = [sys.executable, "-m", "joulebench"]

Figures = dict[str, Any]


def told(script: str, *words: object) -> Figures:
    """Run a part in a process of its own and give what it prints, with the time that it took."""
    begun_s = time.perf_counter()
    command = [sys.executable, str(HERE / script), *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return {**found, "wall_s": time.perf_counter() - begun_s}


def large(folder: Path, rows: int, times: int) -> Figures:
    """Make a large study, then go on with it and tell its state several times."""
    made = told("orchestrator_large.py", folder, "make", rows)
    anew = told("orchestrator_large.py", folder, "resume")
    again = [told("orchestrator_large.py", folder, "resume") for _ in range(times)]
    states = [_status_s(folder) for _ in range(times)]
    return {
        **made,
        "index_bytes": sum(path.stat().st_size for path in folder.glob("runs.index.jsonl")),
        "anew_s": anew["wall_s"],
        "resume_s": [one["wall_s"] for one in again],
        "resume_cpu_s": [one["cpu_s"] for one in again],
        "resume_peak_mb": max(one["peak_mb"] for one in again),
        "status_s": states,
    }


def _status_s(folder: Path) -> float:
    begun_s = time.perf_counter()
    subprocess.run([*JOULEBENCH, "status", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun_s


@contextmanager
def served(state: Path) -> Iterator[str]:
    """Serve a testbed on this machine's own address; gives its URL."""
    command = [*JOULEBENCH, "testbed", "serve", "--port", "0", "--state", str(state)]
    log = state.with_suffix(".log")
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that says where it listens."""
    for _ in range(600):
        words = log.read_text().replace(",", " ").split()
        found = next((word for word in words if word.startswith("http://")), None)
        if found is not None:
            return found.rstrip("/.;")
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"the testbed did not start: {log.read_text()}")


def figures(asked: argparse.Namespace, folder: Path) -> Figures:
    """Run all parts."""
    found: Figures = {"machine": _machine(), "load_before": _load()}
    found["crowd"] = told("orchestrator_crowd.py", folder / "crowd", asked.trials, asked.testbeds)
    found["large"] = large(folder / "large", asked.rows, asked.times)
    found["local"] = told("orchestrator_real.py", folder / "local", asked.real)
    with served(folder / "testbed") as url:
        found["http"] = told("orchestrator_real.py", folder / "http", asked.real, url)
    return {**found, "load_after": _load()}


def _machine() -> str:
    return f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} processors"


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def table(found: Figures) -> str:
    """Give the figures beside their aims, as Markdown."""
    crowd, big, local = found["crowd"], found["large"], found["local"]
    start_s = local["start_s"]
    rows = f"{big['rows']:,} rows"
    lines = [
        _row("CPU a trial", "ms", 1e3 * crowd["cpu_s_a_trial"], 20),
        _row("wall time a trial, with the sync", "ms", 1e3 * crowd["wall_s_a_trial"]),
        _row("peak memory", "MB", crowd["peak_mb"], 500),
        _row("peak memory with the table at the end", "MB", crowd["peak_with_table_mb"], 500),
        _row(f"resume of {rows}", "s", statistics.median(big["resume_s"]), 2),
        _row(f"resume of {rows}, CPU", "s", statistics.median(big["resume_cpu_s"])),
        _row(f"resume of {rows}, its index made anew", "s", big["anew_s"]),
        _row(f"status of {rows}", "s", statistics.median(big["status_s"]), 1),
        _row("start of the processes of a real trial", "s", start_s),
        _row(
            "beyond start, work and waits, on this machine", "s", local["beyond_s"] - start_s, 0.5
        ),
        _row(
            "beyond start, work and waits, over HTTP", "s", found["http"]["beyond_s"] - start_s, 1
        ),
    ]
    head = ["| what | figure | aim |", "| --- | --- | --- |"]
    note = (
        f"\n{crowd['trials']:,} trials on {crowd['testbeds']} testbeds, {crowd['failed']} failed "
        f"records, testbeds lost {crowd['lost']} times, {crowd['record_bytes'] / 1e3:.1f} kB a "
        f"record. {local['trials']} real trials each way. {found['machine']}; load average "
        f"{found['load_before']} before, {found['load_after']} after."
    )
    return "\n".join([*head, *lines, note])


def _row(what: str, unit: str, figure: float, aim: float | None = None) -> str:
    met = "-" if aim is None else f"{aim:g} {unit}: {'met' if figure < aim else 'missed'}"
    return f"| {what} | {figure:.3g} {unit} | {met} |"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000, help="of the crowd")
    parser.add_argument("--testbeds", type=int, default=50, help="of the crowd")
    parser.add_argument("--rows", type=int, default=100_000, help="of the large study")
    parser.add_argument("--real", type=int, default=30, help="real trials, each way")
    parser.add_argument("--times", type=int, default=5, help="resumes and states timed")
    parser.add_argument("--quick", action="store_true", help="a small one of each")
    parser.add_argument("--json", type=Path, help="write all figures there as well")
    asked = parser.parse_args()
    if asked.quick:
        asked.trials, asked.rows = min(asked.trials, 200), min(asked.rows, 1000)
        asked.testbeds, asked.real, asked.times = 7, 2, 1
    with tempfile.TemporaryDirectory() as folder:
        found = figures(asked, Path(folder))
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
