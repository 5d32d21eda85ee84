"""Draws what was measured: the readings over time, one wave in detail, and the ratios."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

TICK_S = 1e-4

COLOURS = {"counter": "#000000", "instant": "#d95f02", "average": "#1b9e77", "usage": "#7570b3"}

FloatArray = npt.NDArray[np.float64]


def draw(result: Mapping[str, Any], path: Path) -> Path:
    """Write the figure and give its path.

    Args:
        result: What was measured, as it is stored.
        path: A PNG file.
    """
    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (whole, wave, ratios) = plt.subplots(3, 1, figsize=(11, 12), layout="constrained")
    figure.suptitle(_title(result))
    for name, stored in result["traces"].items():
        t_s, power_w = _power(name, stored)
        for axes in (whole, wave):
            axes.step(t_s, power_w, where="post", lw=0.8, label=name, color=COLOURS.get(name))
    whole.set(xlabel="time (s)", ylabel="power (W)", xlim=(0, result["length_s"]), ylim=(0, None))
    whole.legend(loc="upper right")
    irregular = next(p for p in result["phases"] if p["name"] == "wave-irregular")
    start_s = irregular["start_s"]
    wave.set(
        xlabel="time (s): part of the irregular wave, on where grey", ylabel="power (W)",
        xlim=(start_s, start_s + 4), ylim=(0, None),
    )  # fmt: skip
    switches_s = TICK_S * np.cumsum(irregular["switches"])
    for on_s, off_s in zip(switches_s[::2], switches_s[1::2], strict=False):
        wave.axvspan(on_s, off_s, color="0.9")
    _draw_ratios(ratios, result)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _title(result: Mapping[str, Any]) -> str:
    device = result["device"].get("name", "GPU")
    if result["simulated"]:
        return f"SIMULATED board {result['simulated']}: no measurement"
    return f"{device}, driver {result['device'].get('driver', '?')}, {result['made_at'][:10]}"


def _power(name: str, stored: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    t_s = TICK_S * np.cumsum(stored["t"], dtype=np.float64)
    v = 1e-3 * np.cumsum(stored["v"], dtype=np.float64)
    if name != "counter":
        return t_s, v
    return t_s[:-1], np.diff(v) / np.maximum(np.diff(t_s), TICK_S)


def _draw_ratios(axes: Any, result: Mapping[str, Any]) -> None:
    """Draw each energy over that of the counter (or the truth, where it is known)."""
    rows = result.get("comparison", {}).get("phases", [])
    for offset, name in enumerate(result["traces"]):
        plain, ours, errors, places = [], [], [], []
        for place, row in enumerate(rows):
            against = row.get("truth_j") or row["plain_j"].get("counter")
            estimate = row["joulebench"].get(name)
            if not against or estimate is None:
                continue
            places.append(place + 0.15 * offset)
            plain.append(row["plain_j"][name] / against)
            ours.append(estimate["joules"] / against)
            errors.append(estimate["without_gain_95_j"] / against)
        colour = COLOURS.get(name)
        axes.plot(places, plain, "x", color=colour, alpha=0.6)
        axes.errorbar(places, ours, errors, fmt="o", ms=4, capsize=2, color=colour, label=name)
    against = "truth" if result["simulated"] else "counter at 10 Hz"
    axes.set(ylabel=f"energy over {against}", ylim=(0.7, 1.3))
    axes.set_xticks(range(len(rows)), [row["name"] for row in rows], rotation=60, ha="right")
    axes.axhline(1, color="0.5", lw=0.8)
    axes.set_xlabel(
        "crosses: plain sums of readings at 10 Hz; dots: joulebench, 95 % without the gain"
    )
