"""Synthetic experiment-runner folders, so that importers are tested without published data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ORIGIN_MS = 1_700_000_000_250
WRAP_J = 262144.0
STEP_J = 2.0**-14
HEADER = [
    "Delta", "Time", "CPU_USAGE_0", "CPU_USAGE_1", "DRAM_ENERGY (J)", "GPU0_MEMORY_TOTAL",
    "GPU0_POWER (mWatts)", "PACKAGE_ENERGY (J)", "PP0_ENERGY (J)", "TOTAL_MEMORY", "USED_SWAP",
]  # fmt: skip


@dataclass
class Synthetic:
    """A run whose energies are known: the CPU draws 50 W, the GPU ramps by 1 W a second from 100 W.

    Args:
        start_j: Where the package counter starts.
        seconds: Length of the log; a row every 200 ms, the first one twice.
        prompts: Start and end of each prompt, s after 1_700_000_000.
    """

    start_j: float = 1000.0
    seconds: float = 20.0
    prompts: Sequence[tuple[str, str]] = (
        ("1700000002", "1700000005"),
        ("1700000005", "1700000015"),
    )
    header: list[str] = field(default_factory=lambda: list(HEADER))
    grades: Sequence[str] = ("1.0", "")
    tokens: Sequence[str] = ("10", "30")

    def rows(self) -> list[list[str]]:
        """Give the rows of the log."""
        first = self._row(0)
        return [first, first, *(self._row(k) for k in range(1, round(self.seconds * 5) + 1))]

    def _row(self, k: int) -> list[str]:
        t_s = 0.2 * k
        joules = round((self.start_j + 50 * t_s) / STEP_J) * STEP_J % WRAP_J
        core = round((7 + 30 * t_s) / STEP_J) * STEP_J
        cells = [200, ORIGIN_MS + 200 * k, 1, 2, 0, 24564, 1000 * (100 + t_s), joules, core, 64, 0]
        return [repr(cell) for cell in cells]

    def log(self) -> str:
        """Give the log's text."""
        return "".join(",".join(row) + "\n" for row in [self.header, *self.rows()])

    def tsv(self) -> str:
        """Give the prompts file's text, a quoted newline and tab in its answers."""
        lines = ["start\tend\tprompt\tresponse\tresponse_tokens\taccuracy\n"]
        for (start, end), tokens, grade in zip(self.prompts, self.tokens, self.grades, strict=True):
            lines.append(f'{start}\t{end}\tWhy?\t"a\n""b""\tç"\t{tokens}\t{grade}\n')
        return "".join(lines)

    def write(self, folder: Path, name: str = "run_0_repetition_0") -> Path:
        """Write the run folder."""
        place = folder / name
        place.mkdir(parents=True)
        (place / "energibridge.csv").write_text(self.log(), encoding="utf-8")
        (place / "prompts_out.tsv").write_text(self.tsv(), encoding="utf-8")
        return place

    @property
    def cpu_j(self) -> float:
        """Energy of the package from 2 to 15 s after the whole second."""
        return 50.0 * 13

    @property
    def gpu_j(self) -> float:
        """Energy of the GPU over the same stretch; the log begins at 0.25 s."""
        return 13 * (100 + (1.75 + 14.75) / 2)
