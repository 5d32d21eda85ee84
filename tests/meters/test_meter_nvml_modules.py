"""Superchips: a module of GPUs and their processor is read once, and counters as they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulated_nvml import FakeGpu, FakeNvml, by_name, opened, running

from joulebench.nesting import headline_channels


def board(place: int, counts_w: float = 300, **answers: Any) -> FakeGpu:
    """A GPU of 300 W on a module of 500 W, in PCI slot 0000:0<place>:00.0."""
    fields = {
        83: running(counts_w),
        186: 300_000,
        185: 295_000,
        (186, 1): 500_000,
        (185, 1): 490_000,
        (185, 2): 60_000,
        (190, 1): 1_000_000,
    }
    return FakeGpu(
        f"GPU-{place}",
        name="NVIDIA GH200",
        fields=fields | answers,
        bus_id=f"00000000:0{place}:00.0".encode(),
        field_type=3,
    )


def slots(folder: Path, *nodes: int) -> str:
    """Lay out the NUMA node of each PCI slot."""
    for place, node in enumerate(nodes):
        slot = folder / f"0000:0{place}:00.0"
        slot.mkdir()
        (slot / "numa_node").write_text(f"{node}\n")
    return str(folder)


def headline(meter: Any) -> list[str]:
    return [channel.name for channel in headline_channels(meter.channels)]


def test_a_single_superchip_has_a_module_beside_its_board() -> None:
    meter = opened(FakeNvml(board(0)))
    values = by_name(meter)
    assert values["gpu0:module_power"] == 500.0
    [module] = [c for c in meter.channels if c.name == "gpu0:module_power"]
    assert (module.scope, module.limit_w, module.unit) == ("gpu module", 1000.0, "W")
    assert next(c for c in meter.channels if c.name == "gpu0:energy").scope == "gpu board"
    assert headline(meter) == ["gpu0:module_power"]


def test_a_counter_that_counts_the_module_is_labelled_so() -> None:
    meter = opened(FakeNvml(board(0, counts_w=500)))
    energy = next(c for c in meter.channels if c.name == "gpu0:energy")
    assert (energy.scope, energy.limit_w) == ("gpu module", 1000.0)
    assert any("gpu0:energy counts the whole module" in note for note in meter.notes)
    assert headline(meter) == ["gpu0:energy"]


def test_a_counter_that_agrees_with_neither_is_left_out() -> None:
    meter = opened(FakeNvml(board(0, counts_w=1500)))
    assert "gpu0:energy" not in by_name(meter)
    assert any("it agrees with neither and is left out" in note for note in meter.notes)


def test_a_counter_that_stands_still_is_left_out() -> None:
    still = board(0)
    still.fields[83] = 123_456
    meter = opened(FakeNvml(still))
    assert "gpu0:energy" not in by_name(meter)
    assert any("gpu0:energy stood still" in note for note in meter.notes)


def test_the_energy_of_the_module_is_read_where_it_is_one() -> None:
    counted = board(0)
    counted.fields[191, 1] = running(500)
    assert headline(opened(FakeNvml(counted))) == ["gpu0:module_energy"]
    counted.fields[191, 1] = running(300)  # the driver ignores the scope
    meter = opened(FakeNvml(counted))
    assert "gpu0:module_energy" not in by_name(meter)
    assert headline(meter) == ["gpu0:module_power"]


def test_a_module_energy_without_module_power_is_not_believed() -> None:
    gpu = FakeGpu(fields={186: 300_000, (191, 1): 5_000_000})
    assert set(by_name(opened(FakeNvml(gpu)))) == {"gpu0:energy", "gpu0:power"}


def test_two_gpus_of_one_module_count_it_once(tmp_path: Path) -> None:
    gpus = [board(place) for place in range(4)]
    meter = opened(FakeNvml(*gpus), pci=slots(tmp_path, 0, 0, 1, 1))
    modules = [c.name for c in meter.channels if c.scope == "gpu module"]
    assert modules == ["gpu0+gpu1:module_power", "gpu2+gpu3:module_power"]
    assert headline(meter) == modules


def test_a_module_counts_whole_where_only_one_of_its_gpus_is_read(tmp_path: Path) -> None:
    gpus = [board(place, counts_w=500) for place in range(2)]
    meter = opened(FakeNvml(*gpus), 1, pci=slots(tmp_path, 0, 0))
    assert headline(meter) == ["gpu0+gpu1:energy"]
    assert {c.device for c in meter.channels} == {"gpu1", "gpu0+gpu1"}


@pytest.mark.parametrize("nodes", [(-1, -1), ()])
def test_modules_that_cannot_be_told_apart_are_left_out(
    tmp_path: Path, nodes: tuple[int, ...]
) -> None:
    meter = opened(FakeNvml(board(0), board(1)), pci=slots(tmp_path, *nodes))
    assert headline(meter) == ["gpu0:energy", "gpu1:energy"]
    assert sum("might be counted twice" in note for note in meter.notes) == 2
