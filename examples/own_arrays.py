"""The energy of power readings that another program wrote, with its uncertainty.

Type: python examples/own_arrays.py
"""

from __future__ import annotations

import numpy as np

import joulebench as jb

BOARD = jb.Channel(
    name="gpu0:power",
    unit="W",
    resolution=0.1,  # the log has one decimal
    gain=0.05 / 3**0.5,  # data sheet: within 5 %, taken as uniform
    period_s=0.1,  # the sensor updates ten times a second
    averaging_s=0.025,  # and averages over the 25 ms before each update
    scope="gpu board",
)


def logged() -> tuple[np.ndarray, np.ndarray]:
    """Give times (s) and power (W) of a log: idle, work, idle, a little noise."""
    rng = np.random.default_rng(7)
    t_s = np.arange(0.0, 30.0, 0.1)
    working = (t_s >= 10) & (t_s < 22)
    power_w = np.where(working, 310.0, 62.0) + rng.normal(0, 2, t_s.size)
    return t_s, power_w.round(1)


def main() -> None:
    """Print the energy of the work, of the idle time, and their ratio."""
    trace = jb.Trace(BOARD, *logged())
    work = trace.energy(jb.Window("work", 10.0, 22.0))
    idle = trace.energy(jb.Window("idle", 1.0, 9.0))
    print("work:", work.described())
    print("  noise, which repeats shrink:", f"{work.noise:.2g} J")
    for source, bias_j in work.biases.items():
        print(f"  bias {source}: {bias_j:.2g} J")
    print("idle:", idle.described())
    print("work over idle, the gain cancelled:", work.ratio(idle))
    try:
        trace.energy(jb.Window("too late", 25.0, 40.0))
    except jb.EnergyError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
