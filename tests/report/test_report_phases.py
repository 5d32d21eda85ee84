"""Energy by phase: what was measured, what is in doubt, and nothing made up."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from synthetic_study import CPU, Recipe, make_study

from joulebench.channel import Window
from joulebench.record import RunTable
from joulebench.report.build import write_report
from joulebench.report.content import content
from joulebench.report.evidence import Evidence
from joulebench.report.phase_rows import phase_heads, phase_notes, phase_rows
from joulebench.report.phases import CellPhases, cell_phases

WHOLE = ["load", "warmup"]


def with_phases(folder: Path, recipe: Recipe | None = None, *, below: int = 0) -> RunTable:
    """Make a study whose runs have prefill (a tenth) and decode, the first few below resolution."""
    table = make_study(folder, recipe)
    for place, run in enumerate(table.runs):
        for windows in run.energy.values():
            measured = windows["measure"]
            for name, share in (("prefill", 0.1), ("decode", 0.88)):
                biases = {source: share * bias for source, bias in measured["biases"].items()}
                joules = share * measured["joules"]
                noise = joules / 2 if place < below and name == "prefill" else measured["noise"]
                windows[name] = {
                    **measured, "joules": joules, "noise": noise, "biases": biases,
                    "below_resolution": place < below and name == "prefill",
                }  # fmt: skip
    return table


def test_phases_are_means_of_the_records(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    (cell,) = cell_phases(Evidence(table))
    assert list(cell.phases) == ["load", "warmup", "prefill", "decode"]
    frame = table.frame()
    for name in ("load", "prefill", "decode"):
        mean = frame[f"{name}_energy_j"].mean()
        assert cell.phases[name].energy.value == pytest.approx(mean)
    assert (cell.method, cell.scope) == ("measured", "gpu board + cpu package")


def test_tokens_are_those_of_the_phase(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    (cell,) = cell_phases(Evidence(table))
    sums = table.frame()[["prefill_energy_j", "decode_energy_j", "tokens_in", "tokens_out"]].sum()
    prefill, decode = cell.phases["prefill"].per_token, cell.phases["decode"].per_token
    assert prefill is not None
    assert decode is not None
    assert prefill.value == pytest.approx(sums["prefill_energy_j"] / sums["tokens_in"])
    assert decode.value == pytest.approx(sums["decode_energy_j"] / sums["tokens_out"])
    assert cell.phases["load"].per_token is None


def test_a_gain_cancels_from_a_share(tmp_path: Path) -> None:
    recipe = Recipe(factors={"model": ["tiny_a"]}, channels=(CPU,))
    (cell,) = cell_phases(Evidence(with_phases(tmp_path, recipe)))
    share, energy = cell.phases["prefill"].share, cell.phases["prefill"].energy
    assert share is not None
    assert share.value == pytest.approx(0.1)
    assert energy.bias / energy.value == pytest.approx(0.02, rel=0.01)
    assert share.bias / share.value < 5e-3  # of the edges, between two readings of the counter
    assert cell.phases["load"].share is None


def test_tokens_that_were_not_counted_are_absent(tmp_path: Path) -> None:
    table = with_phases(tmp_path)
    for run in table.runs:
        del run.work["tokens_in"]
    found = cell_phases(Evidence(table))
    assert all(cell.phases["prefill"].per_token is None for cell in found)
    assert "Prefill per input token" not in [head["title"] for head in phase_heads(found)]


def test_below_resolution_is_marked_and_never_zero(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(factors={"model": ["tiny_a"]}), below=2)
    found = cell_phases(Evidence(table))
    assert found[0].phases["prefill"].below == 2
    (row,) = phase_rows(found, ["model"])
    titles = [head["title"] for head in phase_heads(found)]
    below = dict(zip(titles, (figure["below"] for figure in row["figures"]), strict=True))
    assert below["Prefill"] == "below resolution in 2 of 3 runs"
    assert below["Decode"] == ""
    assert phase_notes(found)[0].startswith("† below resolution")
    text = write_report(content(Evidence(table))).read_text()
    assert text.count("†</abbr>") == 3, "energy, share and energy per token"


def test_doubt_of_one_reading_stays_in_the_mean(tmp_path: Path) -> None:
    recipe = Recipe(factors={"model": ["tiny_a"]}, repetitions=1, channels=(CPU,))
    (cell,) = cell_phases(Evidence(with_phases(tmp_path, recipe, below=1)))
    for estimate in cell.phases["prefill"].estimates.values():
        assert estimate.half_width > 0.97 * estimate.value


def test_the_page_and_the_table_hold_them(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(traces=False))
    text = write_report(content(Evidence(table))).read_text()
    assert '<a href="#phases">' in text
    section = text[text.index('id="phases"') : text.index('id="answers"')]
    assert len(re.findall(r'<span class="badge measured">', section)) == 6
    rows = pd.read_csv(tmp_path / "report" / "tables" / "phases.csv")
    assert len(rows) == 6 * 4
    assert rows[rows["phase"].isin(WHOLE)]["share"].isna().all()
    prefill = rows[rows["phase"] == "prefill"]
    assert set(prefill["tokens"]) == {"tokens_in"}
    assert (prefill["energy_j_low"] < prefill["energy_j"]).all()


def test_absent_where_not_measured(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(factors={"model": ["tiny_a"]}, traces=False))
    assert "Energy by phase" in write_report(content(Evidence(table))).read_text()
    for run in table.runs:
        run.energy = {name: {"measure": w["measure"]} for name, w in run.energy.items()}
    assert "Energy by phase" not in write_report(content(Evidence(table))).read_text()
    assert not (tmp_path / "report" / "tables" / "phases.csv").exists()


def test_a_phase_of_some_cells_is_absent_from_the_others(tmp_path: Path) -> None:
    table = with_phases(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}))
    for run in table.runs:
        if run.levels["model"] == "tiny_b":
            for windows in run.energy.values():
                del windows["prefill"]
    found: list[CellPhases] = cell_phases(Evidence(table))
    assert [sorted(cell.phases) for cell in found] == [
        ["decode", "load", "prefill", "warmup"], ["decode", "load", "warmup"],
    ]  # fmt: skip
    place = [head["title"] for head in phase_heads(found)].index("Prefill")
    assert phase_rows(found, ["model", "task"])[1]["figures"][place]["text"] == "–"


def test_windows_that_stand_for_themselves_need_no_measured_one(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    for place, run in enumerate(table.runs):
        for windows in run.energy.values():
            windows["forward"] = windows.pop("measure")
            windows["backward"] = {**windows["forward"], "joules": 2 * windows["forward"]["joules"]}
        run.windows = [Window("forward", 0, 2), Window("backward", 2, 3)]
        if place == 0:
            run.trial["levels"] = {"width": 4}
    found = content(Evidence(table))
    assert found.cells == []
    assert "forward, backward" in str(found.headline)
    names = list(found.evidence.factors)
    rows = phase_rows(found.phases, names)
    assert sorted(row["levels"] for row in rows) == [["tiny_a", "–"], ["–", "4"]]
    ratio = [c.phases["backward"].energy.value / c.phases["forward"].energy.value
             for c in found.phases]  # fmt: skip
    assert ratio == pytest.approx([2.0, 2.0])
    page = write_report(found).read_text(encoding="utf-8")
    assert "Backward" in page
    row = table.frame().iloc[1]
    assert row["backward_energy_j"] == pytest.approx(2 * row["forward_energy_j"])
    assert (row["forward_s"], row["backward_s"]) == (2, 1)
    assert "energy_j" not in row
