"""How long 10,000 bootstrap resamples of a contrast take on 900 rows, beside R's package boot.

Usage: python benchmarks/bootstrap.py [--resamples N] [--repeats N] [--without-r] [--json FILE]

The contrast is the difference of two groups' mean logarithms, with a BCa interval: by
``bootstrap_contrast``, by a plain loop over numpy resamples (without an interval), and by ``boot``
and ``boot.ci`` in R. Where R or the package is not installed, it is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fresh_process import environment, lacking_r, machine, spent

_AIM_S = 1.0
_Ends = tuple[float, float]


def rows(count: int = 900) -> pd.DataFrame:
    """Make up energies of two groups."""
    rng = np.random.default_rng(20261121)
    group = np.arange(count) % 3 // 2
    return pd.DataFrame({"y": rng.gamma(9, 200 + 20 * group), "group": group.astype(str)})


def ours(frame: pd.DataFrame, resamples: int) -> tuple[float, _Ends]:
    """Give the seconds of ``bootstrap_contrast`` and its interval."""
    from joulebench.stats.bootstrap_contrast import bootstrap_contrast

    begun_s, rng = time.perf_counter(), np.random.default_rng(1)
    found = bootstrap_contrast(
        "log(y) ~ group", frame, {"1": 1, "0": -1}, rng=rng, resamples=resamples
    )
    spent_s = time.perf_counter() - begun_s
    return spent_s, (float(found["ci_low"][0]), float(found["ci_high"][0]))


def loop(frame: pd.DataFrame, resamples: int) -> tuple[float, _Ends]:
    """Give the seconds of a loop over resamples of both groups, and its percentile interval."""
    logs, group = np.log(frame["y"].to_numpy()), frame["group"].to_numpy() == "1"
    first, second = logs[~group], logs[group]
    begun_s, rng = time.perf_counter(), np.random.default_rng(1)
    drawn = np.empty(resamples)
    for k in range(resamples):
        one, two = (part[rng.integers(0, len(part), len(part))] for part in (first, second))
        drawn[k] = two.mean() - one.mean()
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return time.perf_counter() - begun_s, (low, high)


def in_r(frame: pd.DataFrame, resamples: int) -> tuple[float, _Ends]:
    """Give the seconds of R's boot and boot.ci, without R's start, and their interval."""
    script = Path(__file__).with_suffix(".R")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        logs = pd.DataFrame({"y": np.log(frame["y"]), "group": frame["group"]})
        logs.to_csv(place / "values.csv", index=False)
        words = ["Rscript", str(script), str(place / "values.csv"), str(resamples)]
        found = json.loads(spent(words, environment(place / "compiled")).said)
    return found["seconds"], (found["low"], found["high"])


def main() -> None:
    """Print medians against the aim."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-r", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    lacking = "" if asked.without_r else lacking_r("boot")
    run: dict[str, Callable[[pd.DataFrame, int], tuple[float, _Ends]]] = {
        "bootstrap_contrast, BCa": ours,
        "loop over numpy resamples, percentiles": loop,
    }
    if not (asked.without_r or lacking):
        run["R: boot and boot.ci, BCa"] = in_r
    frame = rows()
    times: dict[str, list[float]] = {name: [] for name in run}
    ends: dict[str, _Ends] = {}
    for _ in range(asked.repeats):
        for name, contender in run.items():
            spent_s, ends[name] = contender(frame, asked.resamples)
            times[name].append(spent_s)
    report(times, ends, lacking)
    if asked.json is not None:
        told = {"times_s": times, "intervals": ends, "without_r": lacking}
        asked.json.write_text(json.dumps(told, indent=2) + "\n")


def report(times: dict[str, list[float]], ends: dict[str, _Ends], lacking: str) -> None:
    """Print one row for each contender."""
    print(f"{machine()}; Python {platform.python_version()}\n")
    print("| contender | median, s | least, s | interval |")
    print("| --- | --- | --- | --- |")
    for name, spent_s in times.items():
        low, high = ends[name]
        middle = statistics.median(spent_s)
        print(f"| {name} | {middle:.3f} | {min(spent_s):.3f} | {low:.4f} to {high:.4f} |")
    print(f"\naim: {_AIM_S:g} s")
    if lacking:
        print(lacking)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
