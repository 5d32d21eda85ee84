"""Rates and efficiencies against what devices can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from runs import view
from tables import table

from joulebench.audit.compute_bounds import RULES
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.channel import Channel, Window
from joulebench.energy import Energy
from joulebench.finding import Finding

PEAK, BOUND = RULES


def found(
    check: Callable[[AuditTable], Iterator[Finding]] | None, data: AuditTable
) -> list[Finding]:
    assert check is not None
    return list(check(data))


def profile(
    gpu: str = "NVIDIA A100-SXM4-80GB",
    precision: str = "bf16",
    tflops: tuple[float, ...] = (150, 200, 250),
    joules: tuple[float, ...] = (0.5, 0.5, 0.5),
    **more: list[object],
) -> AuditTable:
    """Make rows of so many TFLOP in one second each."""
    return table(
        {
            "gpu": [gpu] * len(tflops),
            "precision": [precision] * len(tflops),
            "flops": [value * 1e12 for value in tflops],
            "duration_s": [1.0] * len(tflops),
            "energy_j": [value * each * 1e3 for value, each in zip(joules, tflops, strict=True)],
            **more,
        }
    )


def test_a_rate_above_the_peak_is_an_error() -> None:
    (finding,) = found(PEAK.table, profile(tflops=(150, 320, 400)))
    assert (finding.severity, finding.where) == ("error", "t.csv: flops")
    assert "2 of 3 rows (line 3, line 4)" in finding.message
    assert finding.seen == "400 TFLOP/s"
    assert finding.possible == "at most 312 TFLOP/s"


@pytest.mark.parametrize(
    ("gpu", "precision", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", "bf16", 311),
        ("h100", "bf16", 1040),  # at 1980 MHz; the data sheet's 989 are at 1830 MHz
        ("RTX 4090", "fp16", 330),  # with fp16 accumulators
        ("A100", "int8", 600),
        ("A100", "int4", 600),  # a precision that the table does not know
        ("Tesla V100-SXM2-16GB", "bf16", 100),
        ("some accelerator", "bf16", 1e6),
    ],
)
def test_what_a_device_can_do_is_no_finding(gpu: str, precision: str, tflops: float) -> None:
    assert found(PEAK.table, profile(gpu, precision, (tflops, tflops, tflops))) == []


def test_fp32_may_have_run_as_tf32() -> None:
    (finding,) = found(PEAK.table, profile(precision="fp32", tflops=(19, 100, 150)))
    assert finding.severity == "warning"
    assert "only where TF32 was on" in finding.message
    (finding,) = found(PEAK.table, profile(precision="fp32", tflops=(19, 100, 170)))
    assert finding.severity == "error"
    (finding,) = found(PEAK.table, profile("v100", "fp32", tflops=(10, 11, 17)))
    assert finding.severity == "error", "no TF32 on this device"


def test_several_devices_do_more_together() -> None:
    fast = (300.0, 1000.0, 1200.0)
    assert found(PEAK.table, profile(tflops=fast, num_gpus=[4, 4, 4])) == []
    assert found(PEAK.table, profile("4x A100", tflops=fast)) == []
    (finding,) = found(PEAK.table, profile("4x A100", tflops=(300, 1000, 1300)))
    assert finding.seen == "1300 TFLOP/s"


def test_a_published_rate_is_judged_too() -> None:
    data = table({"device": ["L4", "L4"], "dtype": ["fp16", "fp16"], "TFLOPs/s": [100, 200]})
    (finding,) = found(PEAK.table, data)
    assert finding.where == "t.csv: TFLOPs/s"
    plain = table({"device": ["L4", "L4"], "tflops": [100, 2000], "time_s": [1, 1]})
    assert found(PEAK.table, plain) == [], "tflops may be a count or a rate"


def test_an_efficiency_above_peak_over_limit() -> None:
    # 312 TFLOP/s over 400 W are 780 GFLOP/J.
    def at(*gflops_per_joule: float) -> AuditTable:
        return table(
            {
                "gpu": ["NVIDIA A100-SXM4-40GB"] * 3,
                "precision": ["fp16"] * 3,
                "gflops_per_joule": list(gflops_per_joule),
            }
        )

    assert found(BOUND.table, at(300, 500, 790)) == []
    (doubt,) = found(BOUND.table, at(300, 500, 1000))
    assert (doubt.severity, doubt.seen) == ("warning", "1000 GFLOP/J")
    (error,) = found(BOUND.table, at(300, 1000, 1600))
    assert error.severity == "error"
    assert "2 of 3 rows" in error.message
    assert "780 GFLOP/J" in error.possible


@pytest.mark.parametrize("column", ["tflops_per_joule", "TFLOP/J", "TFLOPS/W", "tflops_per_watt"])
def test_prefixes_and_watts(column: str) -> None:
    data = table({"gpu": ["A40", "A40"], "precision": ["fp16", "fp16"], column: [0.2, 3.0]})
    (finding,) = found(BOUND.table, data)
    assert (finding.severity, finding.seen) == ("error", "3000 GFLOP/J")


def test_operations_over_energy_are_judged_where_no_efficiency_is_published() -> None:
    # 200 TFLOP in 100 J are 2000 GFLOP/J.
    (finding,) = found(BOUND.table, profile(tflops=(200, 200), joules=(0.5e-3, 2e-3)))
    assert (finding.severity, finding.seen) == ("error", "2000 GFLOP/J")
    assert "1 of 2 rows" in finding.message


def test_the_power_that_was_drawn_rules_out_the_frugal_forms() -> None:
    """At 380 W an A100 is no PCIe card, so that its limit is 400 W, not 250 W."""
    columns: dict[str, list[Any]] = {
        "gpu": ["a100", "a100"],
        "precision": ["fp16", "fp16"],
        "gflops_per_joule_forward": [1000, 1100],
        "forward_flops": [1e12, 2e12],
        "backward_flops": [1e14, 2e14],
        "backward_time_s": [1, 2],
    }
    drawn = table({**columns, "backward_energy_j": [380, 760]})
    (finding,) = found(BOUND.table, drawn)
    assert "780 GFLOP/J" in finding.possible
    unknown = table({**columns, "backward_energy_j": [200, 400]})
    assert found(BOUND.table, unknown) == [], "1248 GFLOP/J for a PCIe card of 250 W"


def run(flops: float, joules: float, seconds: float = 1.0) -> AuditRun:
    each = view(window=Window("measure", 0, seconds), levels={"gpu": "L40S", "dtype": "bf16"})
    each.run.channels = [Channel("gpu0:power", "W", scope="gpu board")]
    each.run.energy = {"gpu0:power": {"measure": Energy(joules, 0).to_dict()}}
    each.run.work = {"flops": flops}
    return each


def test_runs_of_our_own_are_judged() -> None:
    assert PEAK.run is not None
    assert BOUND.run is not None
    assert list(PEAK.run(run(300e12, 340))) == []
    assert list(BOUND.run(run(300e12, 340))) == []
    (finding,) = PEAK.run(run(400e12, 340))
    assert finding.where == "run_0_repetition_0: measure"
    (finding,) = BOUND.run(run(300e12, 100))
    assert finding.severity == "error"


def test_what_is_absent_is_no_finding() -> None:
    assert found(PEAK.table, profile(precision="", tflops=(150, 200, 600))) == []
    gaps = table({"gpu": ["A40", ""], "flops": [None, 1e30], "duration_s": [1, 0]})
    assert found(PEAK.table, gaps) == found(BOUND.table, gaps) == []
    zero = table({"gpu": ["A40", "A40"], "gflops_per_joule_backward": [0.0, 100]})
    assert found(BOUND.table, zero) == []
