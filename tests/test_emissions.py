"""Carbon dioxide: of the measured joules, with their doubt; of a remote model, never a number."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel, Window
from joulebench.emissions import J_PER_KWH, REMOTE, add_emissions, emissions_kg, emissions_of
from joulebench.energy import Energy
from joulebench.engines.echo import EchoEngine
from joulebench.meters.registry import resolve
from joulebench.record import Run, RunTable
from joulebench.report.build import build_report
from joulebench.report.emission_rows import described
from joulebench.run_row import row
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.protocol import run_trial

BOARD = Channel("gpu0:energy", "J", scope="gpu board", gain=0.03)
CPU = Channel("cpu:codecarbon", "J", method="estimated", scope="cpu package", gain=0.5)
RAM = Channel("ram:codecarbon", "J", method="estimated", scope="dram", gain=0.5)

TOLD = {
    "final_emissions_data": {"emissions": 0.004, "energy_consumed": 0.015, "duration": 90.0},
    "methods": {"cpu:codecarbon": "estimated", "ram:codecarbon": "estimated"},
    "intensity": {
        "kg_per_kwh": 0.25,
        "country": "Netherlands",
        "country_iso_code": "NLD",
        "source": "CodeCarbon 3.3.2, mean of the electricity of NLD in 2023",
    },
}


def energy(channel: Channel, joules: float) -> Energy:
    return Energy(joules, 0.0, {f"gain {channel.name}": channel.gain * joules}, channel.method,
                  channel.scope)  # fmt: skip


def run(*channels: Channel, told: dict[str, Any] | None = TOLD, **changes: Any) -> Run:
    found = {c.name: {"measure": energy(c, 3600.0).to_dict()} for c in channels}
    facts = {} if told is None else {"recorder": {"meters": {"codecarbon": told}}}
    fields: dict[str, Any] = {
        "run_id": "model-a.r01",
        "study": "s",
        "trial": {"order": 1, "block": 1, "repetition": 1, "levels": {"model": "a"}},
        "windows": [Window("measure", 0.0, 10.0)],
        "channels": list(channels),
        "energy": found,
        "facts": facts | changes.pop("facts", {}),
    }
    return Run(**{**fields, **changes})


def test_are_the_measured_energy_times_the_intensity_with_its_doubt() -> None:
    done = run(BOARD)
    add_emissions(done)
    found = done.emissions
    assert found is not None
    assert found["emissions_kg"] == pytest.approx(0.25e-3)
    low, high = found["interval_95_kg"]
    assert (high - low) / 2 == pytest.approx(1.96 * 0.03 * 0.25e-3, rel=1e-4)
    assert found["energy_kwh"] == pytest.approx(1e-3)
    assert (found["window"], found["scope"], found["country"]) == (
        "measure", "gpu board", "Netherlands",
    )  # fmt: skip
    assert "2023" in found["intensity_from"]
    assert "region" not in found


def test_codecarbons_own_total_stands_beside_with_its_label() -> None:
    done = run(BOARD, CPU, RAM)
    add_emissions(done)
    assert done.emissions is not None
    own = done.emissions["codecarbon"]
    assert (own["emissions_kg"], own["energy_kwh"], own["window"]) == (0.004, 0.015, "recording")
    assert own["method"] == "estimated"
    assert "ram:codecarbon" in own["includes"]
    # Ours are of the board and the processor; what was assumed for memory is in none of them.
    assert done.emissions["energy_kwh"] == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("channels", "method"),
    [((BOARD,), "modelled"), ((BOARD, CPU), "estimated"), ((CPU,), "estimated")],
)
def test_are_never_called_measured(channels: tuple[Channel, ...], method: str) -> None:
    done = run(*channels)
    add_emissions(done)
    assert done.emissions is not None
    assert done.emissions["method"] == method
    assert row(done)["emissions_method"] == method
    assert row(done)["emissions_kg"] == done.emissions["emissions_kg"]


def test_without_an_intensity_nothing_is_said() -> None:
    for told in (None, {"error": "it broke"}, {}):
        done = run(BOARD, told=told)
        add_emissions(done)
        assert "emissions" not in done.to_dict()
        assert not {"emissions_kg", "emissions_method"} & set(row(done))


def test_without_an_energy_they_are_null_with_the_reason() -> None:
    done = run(BOARD, energy={})
    add_emissions(done)
    assert done.to_dict()["emissions"] is None
    assert "no energy" in done.facts["no_emissions"]


@pytest.mark.parametrize("told", [TOLD, None])
def test_of_a_remote_model_they_are_null(told: dict[str, Any] | None, tmp_path: Path) -> None:
    done = run(BOARD, told=told, facts={"engine": {"kind": "a stand-in", "remote": True}})
    add_emissions(done)
    table = RunTable.create(tmp_path / "study", {"study": "s"}, {})
    table.append(done)
    line = json.loads((table.folder / "runs.jsonl").read_text())
    assert line["emissions"] is None
    assert line["facts"]["no_emissions"] == REMOTE
    assert "emissions_kg" not in table.frame().columns
    assert RunTable.load(table.folder).runs == [done]


def test_the_table_has_an_empty_cell_for_a_remote_model(tmp_path: Path) -> None:
    here, away = run(BOARD), run(BOARD, run_id="model-b.r01", facts={"engine": {"remote": True}})
    table = RunTable.create(tmp_path / "study", {"study": "s"}, {})
    for each in (here, away):
        add_emissions(each)
        table.append(each)
    frame = table.frame()
    assert frame["emissions_kg"].isna().tolist() == [False, True]
    assert frame["emissions_method"].isna().tolist() == [False, True]
    page = build_report(table.folder).read_text()
    assert f"not known: {REMOTE}" in page
    assert "<dt>emissions of 1 run</dt><dd>250 ± 15 mg CO₂e (modelled; CodeCarbon 3.3.2" in page
    rows = (table.folder / "report" / "tables" / "emissions.csv").read_text().splitlines()
    assert len(rows) == 3
    assert REMOTE in rows[2]


def test_a_study_without_emissions_shows_none(tmp_path: Path) -> None:
    table = RunTable.create(tmp_path / "study", {"study": "s"}, {})
    table.append(run(BOARD, told=None))
    assert "CO₂e" not in build_report(table.folder).read_text()
    assert not (table.folder / "report" / "tables" / "emissions.csv").exists()


def test_of_a_command_they_are_of_its_window() -> None:
    found = emissions_of(energy(BOARD, 36_000.0), {"meters": {"codecarbon": TOLD}})
    assert found is not None
    assert described(found).startswith("2.50 ± 0.15 g CO₂e (modelled; CodeCarbon")
    assert emissions_of(energy(BOARD, 1.0), {}) is None


def test_a_kilowatt_hour_emits_the_intensity() -> None:
    kg, low, high = emissions_kg(Energy(J_PER_KWH, 0.0), 0.4)
    assert (kg, low, high) == (0.4, 0.4, 0.4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    return tmp_path


def _trial(folder: Path, *meters: dict[str, Any]) -> Run:
    """Run a short trial of the echo engine in this process, the recorder in its own."""
    study = {
        "study": "s",
        "model": "any",
        "task": "copa",
        "engine": {"kind": "echo", "token_s": 0.05},
        "tasks": {"items": 2},
        "sampling": {"max_tokens": 6},
        "protocol": {"idle_s": 0.3, "idle_after_s": 0.3, "warmup_prompts": 0},
    }
    specs = [spec.to_dict() for spec in resolve(["estimate", *meters])]
    facts = {"host": "h", "testbed": "local", "process": "fresh"}
    trial = plan(parse(study, "s"))[0] | {"meters": specs}
    return run_trial(trial, folder, _silent, facts=facts, root_pid=0)


def _silent(_message: dict[str, Any]) -> None:
    return None


@pytest.mark.skipif(find_spec("codecarbon") is None, reason="needs joulebench[carbon]")
def test_a_trial_beside_codecarbon_records_them(folder: Path) -> None:
    done = _trial(folder, {"codecarbon": {"country_iso_code": "SWE", "interval_s": 0.2}})
    assert (done.status, done.error) == ("done", None)
    found = json.loads(json.dumps(done.to_dict(), allow_nan=False))["emissions"]
    assert found["country_iso_code"] == "SWE"
    assert 0 < found["emissions_kg"] < found["codecarbon"]["emissions_kg"]
    final = done.facts["recorder"]["meters"]["codecarbon"]["final_emissions_data"]
    assert found["codecarbon"]["emissions_kg"] == final["emissions"]
    assert found["intensity_kg_per_kwh"] == pytest.approx(
        final["emissions"] / final["energy_consumed"]
    )
    assert "dram_energy_j" not in row(done)
    assert done.energy["ram:codecarbon"]["measure"]["joules"] > 0


def test_a_trial_of_an_engine_elsewhere_records_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = EchoEngine.facts
    # Stands in for an engine that asks a service.
    monkeypatch.setattr(EchoEngine, "facts", lambda engine: here(engine) | {"remote": True})
    done = _trial(folder)
    assert done.status == "done"
    assert done.to_dict()["emissions"] is None
    assert done.facts["no_emissions"] == REMOTE
