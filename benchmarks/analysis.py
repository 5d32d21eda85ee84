"""How long the analysis of a table of 900 runs takes, beside R doing the same tests.

Usage: python benchmarks/analysis.py [TABLE.csv] [--repeats N] [--cold] [--without-r] [--json FILE]

Without a TABLE one is made up (``generations_table.py``). Each contender runs in a fresh process
from its start to its last file: ``joulebench analyze --preset llama-generations --no-plots``, and
``analysis.R``, which makes the same tests with R's packages. They run in turn, after one round that
is not counted. Where R or a package is not installed, Joulebench runs alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from fresh_process import Spent, environment, in_turn, lacking_r, machine, median, spent

_AIM_S = 2.0
_PACKAGES = ("lme4", "lmerTest", "emmeans", "car", "effectsize", "pbkrtest", "performance", "MASS")


def contenders(table: Path, place: Path, *, with_r: bool) -> dict[str, Callable[[], Spent]]:
    """Give what is run: the analysis, the start of its verb alone, and R."""
    env = environment(place / "compiled")
    verb = [sys.executable, "-m", "joulebench", "analyze"]
    words = [*verb, str(table), "--preset", "llama-generations", "--no-plots"]
    found: dict[str, Callable[[], Spent]] = {
        "analysis": partial(spent, [*words, "--out", str(place / "out")], env),
        "start of the verb alone": partial(spent, [*verb, "--help"], env),
    }
    if with_r:
        script = Path(__file__).with_suffix(".R")
        found["R"] = partial(spent, ["Rscript", str(script), str(table), str(place / "r")], env)
    return found


def main() -> None:
    """Print medians, and the ratio to R."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="count the first round")
    parser.add_argument("--without-r", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    lacking = "" if asked.without_r else lacking_r(*_PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        table = asked.table or place / "table.csv"
        if asked.table is None:
            # In a process of its own: what this one holds would count as the peak of its children.
            made = Path(__file__).with_name("generations_table.py")
            subprocess.run([sys.executable, str(made), str(table)], check=True)
        with_r = not (asked.without_r or lacking)
        found = in_turn(contenders(table, place, with_r=with_r), asked.repeats, warm=not asked.cold)
        statistics = place / "out" / "tables" / "statistics.csv"
        figures = len(statistics.read_text(encoding="utf-8").splitlines()) - 1
    report(found, figures, lacking)
    if asked.json is not None:
        times = {what: [asdict(each) for each in spent] for what, spent in found.items()}
        told = {"figures": figures, "without_r": lacking, "times": times}
        asked.json.write_text(json.dumps(told, indent=2) + "\n")


def report(found: dict[str, list[Spent]], figures: int, lacking: str) -> None:
    """Print one row for each contender."""
    print(f"{machine()}; Python {platform.python_version()}; {figures} figures\n")
    print("| contender | wall, s | CPU, s | least CPU, s | peak, MB | CPU to ours |")
    print("| --- | --- | --- | --- | --- | --- |")
    ours = median(found["analysis"], "cpu_s")
    for what, spent_by in found.items():
        wall, cpu = median(spent_by, "wall_s"), median(spent_by, "cpu_s")
        least = min(each.cpu_s for each in spent_by)
        peak = median(spent_by, "peak_mb")
        print(f"| {what} | {wall:.2f} | {cpu:.2f} | {least:.2f} | {peak:.0f} | {cpu / ours:.1f} |")
    print(f"\naim: {_AIM_S:g} s, and a fifth of what R takes")
    if lacking:
        print(lacking)


if __name__ == "__main__":
    os.chdir(tempfile.gettempdir())
    main()
