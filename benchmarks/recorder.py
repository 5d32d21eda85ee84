"""What the recorder costs and how well it keeps its pace, beside a C loop doing the same reads.

Run ``python benchmarks/recorder.py [--duration S] [--json FILE]``. Both read four counters of a
powercap tree (real where this user may read it, else plain files of the same form) and the
processor times of ``/proc/stat``, at 10 and at 100 Hz, one after the other, several rounds; the
median round is shown. Aims at 10 Hz: at most 0.2 % of a core, and three times the C loop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from joulebench.meters.registry import resolve
from joulebench.testbed.recording import Recording

DOMAINS = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:0:2": "dram",
}
FIGURES = ("cpu_share", "lateness_p50_s", "lateness_p99_s")


def powercap(folder: Path) -> Path:
    """Write a powercap tree of plain files."""
    for zone, name in DOMAINS.items():
        (folder / zone).mkdir(parents=True)
        (folder / zone / "name").write_text(f"{name}\n")
        (folder / zone / "energy_uj").write_text("123456789012\n")
        (folder / zone / "max_energy_range_uj").write_text("262143328850\n")
    return folder


def compiled(folder: Path) -> Path:
    """Compile the C loop."""
    source = Path(__file__).with_name("recorder_loop.c")
    program = folder / "recorder_loop"
    subprocess.run(["cc", "-O2", "-Wall", "-o", program, source, "-lm"], check=True)
    return program


def ours(root: Path, folder: Path, interval_s: float, duration_s: float) -> dict[str, Any]:
    """Record with our recorder in its own process."""
    specs = resolve([{"rapl": {"root": str(root)}}, "estimate"])
    with Recording(specs, folder, interval_s=interval_s) as recording:
        time.sleep(duration_s)
    return recording.facts()


def loop(program: Path, root: Path, folder: Path, pace: tuple[float, float]) -> dict[str, Any]:
    """Record with the C loop."""
    counters = [root / zone / "energy_uj" for zone in DOMAINS]
    arguments = [str(part) for part in (program, *pace, folder / "rows.f64", *counters)]
    answer = subprocess.run(arguments, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(answer.stdout)
    return figures


def compare(hertz: float, duration_s: float, rounds: int) -> dict[str, Any]:
    """Run both at one rate, alternating, and give the median of each figure."""
    runs: dict[str, list[dict[str, Any]]] = {"joulebench": [], "c": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, program = powercap(folder / "powercap"), compiled(folder)
        for place in range(rounds):
            mine, theirs = folder / f"ours{place}", folder / f"c{place}"
            theirs.mkdir()
            runs["joulebench"].append(ours(root, mine, 1 / hertz, duration_s))
            runs["c"].append(loop(program, root, theirs, (1 / hertz, duration_s)))
    medians = {
        who: {figure: statistics.median(run[figure] for run in found) for figure in FIGURES}
        for who, found in runs.items()
    }
    ratio = medians["joulebench"]["cpu_share"] / medians["c"]["cpu_share"]
    return {"hertz": hertz, **medians, "cpu_ratio": ratio, "priority": ours_priority(runs)}


def ours_priority(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Say which priority the recorder was granted."""
    return str(runs["joulebench"][0]["priority"])


def table(results: list[dict[str, Any]]) -> str:
    """Give the results as a Markdown table."""
    lines = [
        "| Hz | recorder | CPU, % of a core | lateness p50, ms | p99, ms | CPU over C |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for who in ("joulebench", "c"):
            found = result[who]
            over = f"{result['cpu_ratio']:.2f}" if who == "joulebench" else "1"
            lines.append(
                f"| {result['hertz']:g} | {who} | {100 * found['cpu_share']:.3f} | "
                f"{1e3 * found['lateness_p50_s']:.2f} | {1e3 * found['lateness_p99_s']:.2f} | "
                f"{over} |"
            )
    return "\n".join(lines)


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=20.0, help="seconds a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    asked = parser.parse_args()
    results = [compare(hertz, asked.duration, asked.rounds) for hertz in (10.0, 100.0)]
    print(table(results))
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
