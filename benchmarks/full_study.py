"""A made-up study of the size of the published one: 900 run folders with EnergiBridge logs, 241 MB.

Rows look like those of a machine with 32 processors and one board; the 30 configurations differ in
length, repetitions in their stamps alone, so that it is written in seconds.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

CONFIGURATIONS = 30
REPETITIONS = 30
_CPUS = 32
_ROWS = (180, 1100)
_PROMPTS = 80
_STAMP = b"1700000"


def write_study(folder: Path, configurations: int = CONFIGURATIONS) -> int:
    """Write the run folders.

    Args:
        folder: Made if absent.
        configurations: Number of combinations of levels; each has thirty repetitions.

    Returns:
        Size of the logs, bytes.
    """
    size = 0
    for run in range(configurations):
        rows = int(np.linspace(*_ROWS, CONFIGURATIONS)[run])
        log, prompts = _log(rows, run), _prompts(rows)
        for repetition in range(REPETITIONS):
            place = folder / f"run_{run}_repetition_{repetition}"
            place.mkdir(parents=True)
            stamp = b"17%05d" % (run * REPETITIONS + repetition)
            size += (place / "energibridge.csv").write_bytes(log.replace(_STAMP, stamp))
            (place / "prompts_out.tsv").write_bytes(prompts.replace(_STAMP, stamp))
    return size


def _header() -> list[str]:
    return [
        "Delta",
        "Time",
        *(f"CPU_FREQUENCY_{cpu}" for cpu in range(_CPUS)),
        *(f"CPU_USAGE_{cpu}" for cpu in range(_CPUS)),
        "DRAM_ENERGY (J)",
        "GPU0_MEMORY_TOTAL",
        "GPU0_MEMORY_USED",
        "GPU0_POWER (mWatts)",
        "GPU0_TEMPERATURE",
        "GPU0_USAGE",
        "PACKAGE_ENERGY (J)",
        "PP0_ENERGY (J)",
        "PP1_ENERGY (J)",
        "TOTAL_MEMORY",
        "TOTAL_SWAP",
        "USED_MEMORY",
        "USED_SWAP",
    ]


def _log(rows: int, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    lines = [",".join(_header())]
    package_j, core_j = random.uniform(0, 250_000, 2)
    for row in range(rows):
        package_j += 10 * random.uniform(0.9, 1.1)
        core_j += 6 * random.uniform(0.9, 1.1)
        cells: list[float] = [200, 1700000000250 + 200 * row]
        cells += random.choice([800, 800, 800, 4399], _CPUS).tolist()
        cells += (random.uniform(0, 1, _CPUS).round(7) * random.choice([0, 0, 1], _CPUS)).tolist()
        cells += [0.0, 25757220864, 22000000000, int(random.integers(280_000, 340_000)), 55, 97]
        cells += [_counted(package_j), _counted(core_j), 0.0, 67_000_000_000, 8_000_000_000]
        cells += [30_000_000_000 + row, 0]
        lines.append(",".join(map(_short, cells)))
    return ("\n".join(lines) + "\n").encode()


def _short(cell: float) -> str:
    return "0" if cell == 0 else str(cell)


def _counted(joules: float) -> float:
    """Give what a counter of 32 bits shows, in steps of 2^-14 J."""
    return round(joules * 2**14) % 2**32 / 2**14


def _prompts(rows: int) -> bytes:
    lines = ["start\tend\tprompt\tresponse\tresponse_tokens\taccuracy"]
    first, last = 1700000002, 1700000000 + rows // 5 - 2
    edges = np.linspace(first, last, _PROMPTS + 1).astype(int)
    text = "The premise says that the two of them met; it does not say where they did. " * 7
    for start, end in pairwise(edges):
        lines.append(f'{start}\t{end}\tDoes it follow?\t"{text}\n{text}"\t{len(text) // 4}\t')
    return ("\n".join(lines) + "\n").encode()
