"""Times that grow with the work, and times that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tables import table

from joulebench.audit.compute_scaling import RULES
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

LENGTHS = (256, 512, 1024, 2048)


def found(data: AuditTable) -> list[Finding]:
    check = RULES[0].table
    assert check is not None
    return list(check(data))


def profile(seconds: list[float], gpu: str = "NVIDIA A100-SXM4-80GB", **more: Any) -> AuditTable:
    """Make forward passes of 20 GFLOP a token at several lengths."""
    count = len(seconds)
    return table(
        {
            "gpu": [gpu] * count,
            "precision": ["bf16"] * count,
            "config_name": ["small", "mid", "large", "huge"][:count],
            "input_length": list(LENGTHS[:count]),
            "forward_flops": [20e9 * length for length in LENGTHS[:count]],
            "forward_time_s": seconds,
            **more,
        }
    )


def at(share_of_peak: float) -> list[float]:
    """Give times of the work at one share of 312 TFLOP/s."""
    return [20e9 * length / (share_of_peak * 312e12) for length in LENGTHS]


def test_launch_times_are_found() -> None:
    """26 ms whatever is asked for: 5 times the peak at the largest work."""
    (finding,) = found(profile([0.0260, 0.0262, 0.0261, 0.0263]))
    assert finding.severity == "error"
    assert finding.where == "t.csv: forward_time_s"
    assert "5 times the peak" in finding.message
    assert "power 0.00" in finding.seen
    busy = found(profile([0.150, 0.152, 0.151, 0.153]))
    assert [each.severity for each in busy] == ["warning"], "0.86 of the peak, but flat"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_work_at_one_efficiency_is_no_finding(share: float) -> None:
    rng = np.random.default_rng(7)
    seconds = [t * rng.normal(1, 0.05) for t in at(share)]
    assert found(profile(seconds)) == []


def test_small_work_bound_by_its_launch_is_no_finding() -> None:
    """The time is that of the launches, but the device could do far more in it: 2 to 13 %."""
    assert found(profile([1.0, 1.01, 1.0, 1.02])) == []
    slow = profile([0.9, 0.91, 0.9, 0.92], backward_flops=[4e10 * n for n in LENGTHS],
                   backward_time_s=[1.8, 1.82, 1.8, 1.84])  # fmt: skip
    assert found(slow) == []


def test_memory_bound_work_is_no_finding() -> None:
    """Decoding reads all weights a step whatever the batch: flat, at a hundredth of the peak."""
    batches = [1, 2, 4, 8]
    data = table(
        {
            "gpu": ["h100"] * 4,
            "dtype": ["fp16"] * 4,
            "batch_size": batches,
            "flops": [16e9 * batch for batch in batches],
            "time_ms": [5.0, 5.02, 5.05, 5.1],
        }
    )
    assert found(data) == []


def test_an_unknown_device_is_held_against_its_other_pass() -> None:
    work = [20e9 * length for length in LENGTHS]
    slow = [2 * each / 120e12 for each in work]
    more: dict[str, Any] = {"backward_flops": [2 * w for w in work], "backward_time_s": slow}
    (finding,) = found(profile([0.0260, 0.0262, 0.0261, 0.0263], gpu="chip x", **more))
    assert finding.severity == "warning"
    assert "a rate that grows alike" in finding.message
    honest = [each / 140e12 for each in work]
    assert found(profile(honest, gpu="chip x", **more)) == []
    assert found(profile([0.0260, 0.0262, 0.0261, 0.0263], gpu="chip x")) == []


def test_few_and_scattered_sizes_are_not_judged() -> None:
    assert found(profile([0.0260, 0.0262])) == [], "no scatter can be told from two sizes"
    sem = [1e-4, 1e-4]
    assert len(found(profile([0.0260, 0.0262], forward_time_sem_s=sem))) == 1
    scattered = profile([0.010, 0.060, 0.005, 0.060])
    assert found(scattered) == [], "an interval that holds proportional growth"


def test_groups_are_kept_apart() -> None:
    """Two models of one size each are no sweep of work, however fast the larger one seems."""
    data = profile([0.026, 0.0262, 0.0261, 0.0263], model=["a", "b", "c", "c"])
    assert found(data) == []
    mixed = table(
        {
            "gpu": ["A100", "H100"] * 2,
            "precision": ["bf16"] * 4,
            "flops": [5e12, 40e12, 5e12, 40e12],
            "duration_s": [0.1, 0.1, 0.1, 0.1],
        }
    )
    assert found(mixed) == []
