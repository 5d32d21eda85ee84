"""One small valid source of every kind that is imported, to be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nlpfrontiers_folders
from synthetic_runs import Synthetic

from joulebench.importers.contract import ImportOptions

TABLE = """__run_id;__done;size;energy;cpu_joules;gpu_joules;time_ms;tokens;accuracy
run_0_repetition_0;DONE;7B;1000;99,5;800;9000;40;1.0
run_0_repetition_1;DONE;7B;1001;99,5;801;9010;41;0.5
run_1_repetition_0;DONE;8B;1100;100,5;900.25;10000;50;0.5
run_1_repetition_1;TODO;8B;;;;;;
"""

_PROFILE = {
    f"{passing}_{figure}": value * factor
    for passing, factor in (("forward", 1.0), ("backward", 3.0))
    for figure, value in (
        ("energy_sum", 54.0),
        ("energy_mean", 0.55),
        ("energy_sem", 0.02),
        ("flops_sum", 395_500_987_424),
        ("cpu_time_mean", 25_596.8),
        ("gpu_time_mean", 32_591.9),
        ("gpu_time_sem", 69.2),
    )
}

_COUNTERS = """,Kernel Name,Metric Name,Metric Value
0,"void gemm<float>(int, T3)",smsp__sass_thread_inst_executed_op_ffma_pred_on.sum,1024.0
1,"void gemm<float>(int, T3)",smsp__sass_thread_inst_executed_op_fadd_pred_on.sum,12.0
"""

_EMISSIONS = """timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,\
cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,os,\
python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,tracking_mode,pue
2025-09-22T11:06:57,llama,aa-1,e1,100.5,0.01,0.0001,42.5,250.0,3.0,0.0011,0.0069,0.0001,0.0081,\
Netherlands,Linux,3.11,3.0.4,32,Xeon,1,1 x L4,machine,1.0
2025-09-22T11:26:57,llama,aa-2,e1,110.5,0.01,0.0001,42.5,250.0,3.0,0.0013,0.0076,0.0001,0.0090,\
Netherlands,Linux,3.11,3.0.4,32,Xeon,1,1 x L4,machine,1.0
"""

_MAP = """rows: runs
run_id: name
factors: [size]
repetition: rep
duration: {column: time_s, unit: s}
energy:
  gpu0: {column: gpu_j, unit: J, method: measured}
tokens_out: tokens
"""

_FIGURES = """name,size,rep,time_s,gpu_j,tokens
a,7B,0,10.5,2000,100
b,7B,1,10.75,2100,101
c,8B,0,12.5,2500,110
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it would be imported.

    Args:
        kind: Of the importer.
        path: What is imported.
        options: What the user says besides.
    """

    kind: str
    path: Path
    options: ImportOptions

    def at(self, old: Path, new: Path) -> Source:
        """Give the same source where it was copied to."""

        def moved(path: Path) -> Path:
            return new / path.relative_to(old)

        table, mapping = self.options.table, self.options.mapping
        options = replace(
            self.options,
            table=None if table is None else moved(table),
            mapping=None if mapping is None else moved(mapping),
        )
        return Source(self.kind, moved(self.path), options)


def _energibridge(folder: Path) -> Source:
    short = replace(Synthetic(), seconds=16.0)
    for name in ("run_0_repetition_0", "run_1_repetition_0"):
        place = short.write(folder, name)
        text = "Energy consumption in joules: 795.1 for 16.1 sec of execution."
        (place / "energibridge-summary.txt").write_text(text)
    (folder / "run_table.csv").write_text(TABLE)
    options = ImportOptions("fuzz", folder / "run_table.csv", ("size",))
    return Source("energibridge", folder, options)


def _run_table(folder: Path) -> Source:
    (folder / "run_table.csv").write_text(TABLE)
    return Source("energibridge", folder / "run_table.csv", ImportOptions("fuzz"))


def _nlpfrontiers(folder: Path) -> Source:
    nlpfrontiers_folders.layers_sweep(folder / "layers", (12,))
    nlpfrontiers_folders.baseline(folder / "baseline")
    return Source("nlpfrontiers", folder, ImportOptions("fuzz"))


def _nlpfrontiers_later(folder: Path) -> Source:
    nlpfrontiers_folders.trained(folder / "trained")
    nlpfrontiers_folders.later_sweep(folder / "sweep")
    return Source("nlpfrontiers", folder, ImportOptions("fuzz"))


def _flopmetrics(folder: Path) -> Source:
    lines = [json.dumps(_PROFILE), json.dumps(_PROFILE | {"forward_energy_sum": 55.0})]
    (folder / "a100_fp16_llama3.2_1b_energy_results.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "raw").mkdir()
    (folder / "raw" / "mlp_n2_d512_m64_setup.csv").write_text(_COUNTERS)
    (folder / "summary.csv").write_text("model,energy\na,5\nb,6\n")
    return Source("flopmetrics", folder, ImportOptions("fuzz"))


def _codecarbon(folder: Path) -> Source:
    (folder / "emissions.csv").write_text(_EMISSIONS)
    return Source("codecarbon", folder, ImportOptions("fuzz"))


def _nvidia_smi(folder: Path) -> Source:
    rows = [
        f"2025/09/22 11:06:{50 + k // 10:02d}.{k % 10}00, {board}, NVIDIA L4, {60 + k} W, 72.00 W\n"
        for k in range(90)
        for board in (0, 1)
    ]
    header = "timestamp, index, name, power.draw [W], power.limit [W]\n"
    (folder / "smi.csv").write_text(header + "".join(rows))
    return Source("nvidia-smi", folder, ImportOptions("fuzz"))


def _csv(folder: Path) -> Source:
    (folder / "figures.csv").write_text(_FIGURES)
    mapping = folder / "map.yaml"
    mapping.write_text(_MAP)
    return Source("csv", folder / "figures.csv", ImportOptions("fuzz", mapping=mapping))


SOURCES: Mapping[str, Callable[[Path], Source]] = {
    "energibridge": _energibridge,
    "run table": _run_table,
    "nlpfrontiers": _nlpfrontiers,
    "nlpfrontiers, later": _nlpfrontiers_later,
    "flopmetrics": _flopmetrics,
    "codecarbon": _codecarbon,
    "nvidia-smi": _nvidia_smi,
    "csv": _csv,
}
"""Name -> writes a valid source into an empty folder."""
