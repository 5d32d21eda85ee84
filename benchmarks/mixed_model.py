"""How long a random-intercept model takes on 100,000 rows and 1,000 groups, beside lme4 in R.

Usage: python benchmarks/mixed_model.py [--rows N] [--groups N] [--repeats N] [--cold]
       [--without-r] [--json FILE]

Both fit ``y ~ a * b + (1 | id)`` by REML to the same rows in fresh processes, and give the fixed
effects and the type III tests with Satterthwaite's degrees of freedom; R by lme4 and lmerTest. What
they find is compared. Where R or a package is not installed, Joulebench runs alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fresh_process import Spent, environment, in_turn, lacking_r, machine, median, spent

_AIM_S, _AIM_MB = 1.5, 500


def write_rows(place: Path, rows: int, groups: int) -> None:
    """Write made-up rows, column by column: y as doubles, then a, b and id as integers."""
    rng = np.random.default_rng(20261121)
    group = rng.permutation(np.arange(rows) % groups)
    a, b = rng.integers(0, 3, rows), rng.integers(0, 2, rows)
    y = 0.02 * a + 0.01 * a * b + rng.normal(0, 0.5, groups)[group] + rng.normal(0, 1, rows)
    codes = [column.astype(np.int32).tobytes() for column in (a, b, group)]
    place.write_bytes(y.tobytes() + b"".join(codes))


def fit(place: Path, rows: int) -> dict[str, Any]:
    """Read the rows, fit the model, and give its tables with the seconds that they took."""
    import pandas as pd

    from joulebench.stats.lmm import lmm

    raw = place.read_bytes()
    codes = np.frombuffer(raw, np.int32, offset=8 * rows).reshape(3, rows)
    frame = pd.DataFrame({"y": np.frombuffer(raw, np.float64, rows)})
    for name, code in zip(("a", "b"), codes, strict=False):
        frame[name] = pd.Categorical.from_codes(
            code, pd.Index([str(k) for k in range(code.max() + 1)])
        )
    frame["id"] = codes[2]
    begun_s = time.perf_counter()
    model = lmm("y ~ a * b + (1 | id)", frame)
    terms, fixed = model.anova(type=3), model.fixed()
    seconds = time.perf_counter() - begun_s
    columns = {"estimate": fixed["estimate"], "se": fixed["se"], "df": fixed["df1"],
               "f": terms["value"], "f_df": terms["df2"]}  # fmt: skip
    return {"seconds": seconds, **{name: column.tolist() for name, column in columns.items()}}


def main() -> None:
    """Print medians against their aims, and how far the two are apart."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--groups", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="count the first round")
    parser.add_argument("--without-r", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fit is not None:
        print(json.dumps(fit(asked.fit, asked.rows)))
        return
    lacking = "" if asked.without_r else lacking_r("lme4", "lmerTest")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_rows(place / "rows.bin", asked.rows, asked.groups)
        with_r = not (asked.without_r or lacking)
        found = in_turn(
            contenders(place, asked.rows, with_r=with_r), asked.repeats, warm=not asked.cold
        )
    told = {what: json.loads(each[-1].said) for what, each in found.items()}
    apart = deviations(told["Joulebench"], told["R"]) if "R" in told else {}
    report(found, apart, lacking)
    if asked.json is not None:
        times = {what: [asdict(each) for each in spent] for what, spent in found.items()}
        kept = {"deviations": apart, "without_r": lacking, "times": times}
        asked.json.write_text(json.dumps(kept, indent=2) + "\n")


def contenders(place: Path, rows: int, *, with_r: bool) -> dict[str, Callable[[], Spent]]:
    """Give what is run: this file with the rows, and R."""
    env, made = environment(place / "compiled"), str(place / "rows.bin")
    words = [sys.executable, __file__, "--rows", str(rows), "--fit", made]
    found: dict[str, Callable[[], Spent]] = {"Joulebench": partial(spent, words, env)}
    if with_r:
        script = str(Path(__file__).with_suffix(".R"))
        found["R"] = partial(spent, ["Rscript", script, made, str(rows)], env)
    return found


def deviations(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    """Give the largest relative deviation of each column."""
    return {
        name: float(np.max(np.abs(np.array(ours[name]) / np.array(theirs[name]) - 1)))
        for name in ("estimate", "se", "df", "f", "f_df")
    }


def report(found: dict[str, list[Spent]], apart: dict[str, float], lacking: str) -> None:
    """Print one row for each contender."""
    print(f"{machine()}; Python {platform.python_version()}\n")
    print("| contender | fit and tables, s | process, s | CPU, s | peak, MB |")
    print("| --- | --- | --- | --- | --- |")
    for what, spent_by in found.items():
        inner = float(np.median([json.loads(each.said)["seconds"] for each in spent_by]))
        wall, cpu = median(spent_by, "wall_s"), median(spent_by, "cpu_s")
        print(
            f"| {what} | {inner:.2f} | {wall:.2f} | {cpu:.2f} | {median(spent_by, 'peak_mb'):.0f} |"
        )
    print(f"\naim: {_AIM_S:g} s and {_AIM_MB} MB, the start of Python and its imports included")
    for name, apart_by in apart.items():
        print(f"largest relative deviation from R, {name}: {apart_by:.1e}")
    if lacking:
        print(lacking)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
