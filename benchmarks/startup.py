"""How long ``import joulebench`` and entering ``jb.measure`` take, in fresh interpreters.

Run ``python benchmarks/startup.py [--runs N] [--json FILE]``. The meters are a simulated RAPL and
the estimate, which open at once and do not average, so that what is timed is Joulebench and not the
sensors; ``auto`` tries every sensor of this machine. ``--imports`` shows what is imported meanwhile
and what it costs. Aims: 250 ms with the recorder as a thread, 500 ms as a process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

PROGRAM = """
import json, sys
from time import perf_counter
meters, recorder = json.loads(sys.argv[1])
start_s = perf_counter()
import joulebench as jb
imported_s = perf_counter()
with jb.measure("startup", meters=meters, recorder=recorder):
    entered_s = perf_counter()
print(json.dumps([imported_s - start_s, entered_s - start_s]))
"""

LIGHT = [{"simulated": {"board": "rapl", "watts": 80.0}}, "estimate"]
CASES: dict[str, tuple[Any, str, float | None]] = {
    "thread": (LIGHT, "thread", 0.25),
    "process": (LIGHT, "process", 0.5),
    "thread, auto": ("auto", "thread", None),
}


def started(case: str, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program once in a fresh interpreter."""
    meters, recorder, _ = CASES[case]
    command = [sys.executable, *words, "-c", PROGRAM, json.dumps([meters, recorder])]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True)


def timed(runs: int, env: dict[str, str]) -> dict[str, list[list[float]]]:
    """Run all cases in turn; the first time, which compiles, does not count."""
    found: dict[str, list[list[float]]] = {case: [] for case in CASES}
    for place in range(runs + 1):
        for case, times in found.items():
            told = json.loads(started(case, env).stdout)
            if place:
                times.append(told)
    return found


def table(found: dict[str, list[list[float]]]) -> str:
    """Give the times as Markdown."""
    lines = [
        "| recorder | import, ms | import and entering, ms | range | aim |",
        "|" + " --- |" * 5,
    ]
    for case, times in found.items():
        imported_ms, entered_ms = ([1e3 * each for each in one] for one in zip(*times, strict=True))
        middle, aim_s = statistics.median(entered_ms), CASES[case][2]
        met = "met" if aim_s and middle <= 1e3 * aim_s else "missed"
        lines.append(
            f"| {case} | {statistics.median(imported_ms):.0f} | {middle:.0f} | "
            f"{min(entered_ms):.0f} to {max(entered_ms):.0f} | "
            f"{f'{1e3 * aim_s:.0f}: {met}' if aim_s else '-'} |"
        )
    return "\n".join([*lines, "", f"Load average {os.getloadavg()[0]:.2f}."])


def imports(env: dict[str, str]) -> str:
    """Give the time that each package's own modules take to import, ms, the slowest first."""
    cost: Counter[str] = Counter()
    for line in started("thread", env, "-X", "importtime").stderr.splitlines():
        self_us, _, name = line.removeprefix("import time:").split("|")
        if self_us.strip().isdigit():
            cost[name.strip().partition(".")[0]] += int(self_us)
    rows = [f"| {name} | {1e-3 * us:.1f} |" for name, us in cost.most_common(12)]
    return "\n".join(["| package | import, ms |", "| --- | --- |", *rows])


def main() -> int:
    """Time the start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--imports", action="store_true")
    parser.add_argument("--json", type=Path, help="write all times there as well, s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # As installed: with compiled modules, wherever the source may not be written.
        kept = {key: each for key, each in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        env = {**kept, "PYTHONPYCACHEPREFIX": folder}
        found = timed(asked.runs, env)
        print(table(found))
        if asked.imports:
            print(f"\n{imports(env)}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
