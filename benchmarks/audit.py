"""How long ``joulebench audit`` takes in fresh processes.

Usage: python benchmarks/audit.py [FOLDER] [--repeats N] [--rows N] [--json FILE]

FOLDER holds run folders ``run_R_repetition_P``; they are imported once and the study is audited.
Then, or without a FOLDER at once, a table of 100,000 clean rows and 20 columns is made up and
audited. Beside each stands the start of the verb alone, which nobody can go below.
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
from pathlib import Path

import numpy as np
import pandas as pd

from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import EnergiBridgeImporter

_AIMS_S = {"study": 2.0, "table": 5.0}


def clean_table(rows: int) -> pd.DataFrame:
    """Make up a clean study: two boards, three models, three batch sizes, 20 columns.

    Energies are power times time with a noise of two percent, parts add up to their total, and the
    order of the runs is random within each repetition.

    Args:
        rows: Number of runs.
    """
    random = np.random.default_rng(20261121)
    models, sizes, boards = np.meshgrid([1.0, 3.0, 8.0], [1, 8, 32], [0, 1], indexing="ij")
    cells = np.stack([models.ravel(), sizes.ravel(), boards.ravel()], axis=1)
    blocks = -(-rows // len(cells))
    order = np.concatenate([random.permutation(len(cells)) for _ in range(blocks)])[:rows]
    model, size, board = cells[order].T
    name = np.array(["L4", "A100"])[board.astype(int)]
    limit_w = np.where(board == 0, 72.0, 400.0)
    tokens_in = random.integers(400, 1600, rows)
    tokens_out = (random.integers(100, 300, rows) * size).astype(int)
    duration_s = (5 + 0.004 * tokens_out * model**0.8) * random.normal(1, 0.02, rows)
    gpu_w = limit_w * (0.5 + 0.05 * np.log2(size)) * random.normal(1, 0.02, rows)
    cpu_w = 40 + 5 * random.normal(1, 0.05, rows)
    graded = random.integers(80, 120, rows)
    correct = random.binomial(graded, 0.5 + 0.04 * model)
    return pd.DataFrame(
        {
            "run_id": [f"run-{place:06d}" for place in range(rows)],
            "order": np.arange(1, rows + 1),
            "repetition": np.arange(rows) // len(cells),
            "model": np.char.add(model.astype(int).astype(str), "B"),
            "batch_size": size.astype(int),
            "gpu": name,
            "duration_s": duration_s,
            "gpu_power_w": gpu_w,
            "cpu_power_w": cpu_w,
            "gpu_energy_j": gpu_w * duration_s,
            "cpu_energy_j": cpu_w * duration_s,
            "energy_j": (gpu_w + cpu_w) * duration_s,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "energy_per_token_j": (gpu_w + cpu_w) * duration_s / tokens_out,
            "tokens_per_second": tokens_out / duration_s,
            "peak_memory_gib": 2 + 2 * model + 0.05 * size + random.normal(0, 0.01, rows),
            "gpu_temperature_c": 45 + 20 * gpu_w / limit_w + random.normal(0, 1, rows),
            "n_graded": graded,
            "accuracy": correct / graded,
        }
    )


def audited(path: Path, place: Path) -> tuple[float, dict[str, object]]:
    """Audit in a fresh process; gives the wall time, s, and what was found."""
    found = place / "found.json"
    words = [sys.executable, "-m", "joulebench", "audit", str(path), "--json", str(found)]
    begun_s = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    spent_s = time.perf_counter() - begun_s
    if done.returncode > 1:
        raise SystemExit(done.stderr)
    told: dict[str, object] = json.loads(found.read_text())
    return spent_s, told


def started() -> float:
    """Give the wall time of a fresh process that only starts the verb, s."""
    begun_s = time.perf_counter()
    words = [sys.executable, "-m", "joulebench", "audit", "--help"]
    subprocess.run(words, capture_output=True, check=True)
    return time.perf_counter() - begun_s


def main() -> None:
    """Print medians against their aims."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        paths = {"table": place / "table.csv"}
        clean_table(asked.rows).to_csv(paths["table"], index=False)
        if asked.folder is not None:
            paths = {"study": place / "study", **paths}
            options = ImportOptions("benchmark")
            write_study(EnergiBridgeImporter().read(asked.folder, options), paths["study"])
        times: dict[str, list[float]] = {name: [] for name in ("start", *paths)}
        verdicts: dict[str, object] = {}
        for _ in range(asked.repeats):
            times["start"].append(started())
            for what, path in paths.items():
                spent_s, told = audited(path, place)
                times[what].append(spent_s)
                verdicts[what] = told["verdict"]
    report(times, verdicts, asked.rows)
    if asked.json is not None:
        found = {"times_s": times, "verdicts": verdicts}
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def report(times: dict[str, list[float]], verdicts: dict[str, object], rows: int) -> None:
    """Print one row for each thing that was audited."""
    named = {
        "start": "start of the verb alone",
        "study": "imported study",
        "table": f"table of {rows} rows and 20 columns",
    }
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}\n"
    )
    print("| audit of | median, s | least, s | aim, s | verdict |")
    print("| --- | --- | --- | --- | --- |")
    for what, spent in times.items():
        median = statistics.median(spent)
        aim, verdict = _AIMS_S.get(what, "–"), verdicts.get(what, "–")
        print(f"| {named[what]} | {median:.2f} | {min(spent):.2f} | {aim} | {verdict} |")


if __name__ == "__main__":
    main()
