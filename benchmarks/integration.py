"""Integrate a trace of ten million samples, beside a plain numpy pass over the same arrays.

The plain pass does no more than the sum: no wrap, no edge, no gap, no uncertainty. Both sides are
timed in turn in one run; ratios of medians are printed as a table.

    python benchmarks/integration.py [SAMPLES]
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from joulebench.energy import Channel, Trace, Window

FloatArray = npt.NDArray[np.float64]

ROUNDS = 7


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _ours(channel: Channel, t_s: FloatArray, v: FloatArray) -> Callable[[], object]:
    window = Window("measure", float(t_s[0]) + 100.001, float(t_s[-1]) - 100.002)
    # A new trace each round, so that no sum is left over from the round before.
    return lambda: Trace(channel, t_s, v).energy(window)


def _plain_power(t_s: FloatArray, v: FloatArray) -> Callable[[], object]:
    return lambda: np.trapezoid(v, t_s)


def _plain_counter(v: FloatArray, wrap_j: float) -> Callable[[], object]:
    def difference() -> float:
        steps = np.diff(v)
        steps[steps < 0] += wrap_j
        return float(steps.sum())

    return difference


def main() -> None:
    """Time the three kinds of trace and print a table."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    rng = np.random.default_rng(1)
    t_s = np.arange(samples) * 0.01 + rng.uniform(0, 1e-3, samples)
    watts = 200 + 100 * np.sin(t_s / 30) + 5 * rng.standard_normal(samples)
    counter = np.cumsum(watts * 0.01) % 262144.0
    cases = [
        ("power", Channel("gpu0:power", "W"), watts, _plain_power(t_s, watts)),
        ("power, 1 s average", Channel("gpu0:power", "W", period_s=0.01, averaging_s=1.0), watts,
         _plain_power(t_s, watts)),
        ("counter", Channel("cpu0:package", "J", wrap_j=262144.0), counter,
         _plain_counter(counter, 262144.0)),
    ]  # fmt: skip
    print(f"{samples} samples, {platform.machine()}, Python {platform.python_version()}, "
          f"numpy {np.__version__}, median of {ROUNDS} rounds in turn\n")  # fmt: skip
    print("| trace | ours, s | plain numpy pass, s | ratio |\n| --- | --- | --- | --- |")
    for name, channel, v, plain in cases:
        ours = _ours(channel, t_s, v)
        pairs = [(_seconds(ours), _seconds(plain)) for _ in range(ROUNDS)]
        mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"| {name} | {mine:.3f} | {theirs:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
