"""Importing FLOP metrics studies: profiles and counter files, whole and damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from flopmetrics_tree import COUNTER_HEADER, forward_only, record, study, write
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from joulebench.cli import app
from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.flopmetrics import FlopMetricsImporter
from joulebench.record import Run, RunTable, dumps
from joulebench.sensor_gains import NVML_GAIN


def read(source: Path) -> Imported:
    return FlopMetricsImporter().read(source, ImportOptions("s"))


def runs(source: Path) -> dict[str, Run]:
    imported = read(source)
    found = [imported.run(place).run for place in range(imported.count)]
    assert [run.trial["order"] for run in found] == list(range(1, len(found) + 1))
    return {run.run_id: run for run in found}


def test_a_record_is_a_run_with_two_windows(tmp_path: Path) -> None:
    path = write(tmp_path / "a40_fp16_llama_small_result.jsonl", record())
    (run,) = runs(path).values()
    assert run.run_id == "a40_fp16_llama_small_result"
    assert (run.status, run.origin, run.testbed) == ("done", "imported", "imported")
    assert run.levels == {
        "gpu": "a40", "precision": "fp16", "config": "small", "batch_size": 8, "input_length": 256,
    }  # fmt: skip
    assert [w.name for w in run.windows] == ["forward", "backward"]
    assert [w.duration_s for w in run.windows] == pytest.approx([0.020, 0.060])
    assert run.windows[0].edge_s * math.sqrt(2) == pytest.approx(12e-6)
    energy = run.energy["gpu0:power"]["backward"]
    assert (energy["joules"], energy["noise"]) == pytest.approx((15.0, 0.3))
    assert energy["biases"] == {"gain gpu0:power": pytest.approx(15 * NVML_GAIN)}
    assert (energy["method"], energy["scope"]) == ("measured", "gpu board")
    assert run.work == {
        "flops": 8_000_000_000_000,
        "flops_by_window": {"forward": 2_000_000_000_000, "backward": 6_000_000_000_000},
        "requests": 8,
        "tokens_in": 2048,
    }
    assert [finding.rule for finding in run.findings] == ["no-trace"]


def test_what_was_published_is_kept_as_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path / "x" / "a40_fp16_r.jsonl", record(), forward_only(config_name="mid"))
    first, second = runs(tmp_path).values()
    told = second.facts["published"]
    assert (told["table"], told["line"]) == ("x/a40_fp16_r.jsonl", 2)
    assert told["values"] == forward_only(config_name="mid")
    assert first.facts["published"]["values"] == record()
    assert [first.run_id, second.run_id] == [f"{path.stem}.line1", f"{path.stem}.line2"]


def test_an_absent_pass_stays_absent(tmp_path: Path) -> None:
    """The source writes an efficiency of 0.0 for it; that is kept, and made into nothing."""
    (run,) = runs(write(tmp_path / "a40_fp16_r.jsonl", forward_only())).values()
    assert [w.name for w in run.windows] == ["forward"]
    assert list(run.energy["gpu0:power"]) == ["forward"]
    assert run.work["flops"] == 2_000_000_000_000
    assert run.facts["published"]["values"]["gflops_per_joule_backward"] == 0.0


def test_a_copy_is_imported_once(tmp_path: Path) -> None:
    folder = study(tmp_path) / "architecture" / "results_optimized"
    imported = read(folder)
    ids = [imported.run(place).run.run_id for place in range(imported.count)]
    assert ids == ["a40_fp16_llama_large_result", "a40_fp16_llama_small_result"]
    (finding,) = imported.findings
    assert (finding.rule, finding.seen) == ("record-copied", "2 copies")
    assert finding.where == "a40_fp16_llama_all_configs_results.jsonl"
    write(folder / "a40_fp16_llama_all_configs_results.jsonl", record(forward_energy_mean=5.01))
    found = runs(folder)
    assert len(found) == 3, "a record that differs in one figure is no copy"
    assert sorted(run.trial["repetition"] for run in found.values()) == [0, 0, 1]


def test_a_baseline_is_named_by_its_file(tmp_path: Path) -> None:
    folder = study(tmp_path) / "architecture" / "results_baseline"
    imported = read(folder)
    (run,) = [imported.run(place).run for place in range(imported.count)]
    assert run.levels == {"gpu": "l40", "precision": "fp32"}
    assert imported.hosts[run.host]["gpus"] == [{"index": 0, "name": "l40"}]
    assert [path.name for path in imported.tables] == ["gpu_efficiency_combined.csv"]
    (finding,) = imported.findings
    assert (finding.rule, finding.seen, finding.possible) == ("label-inconsistent", "L40S", "l40")


def test_a_record_at_odds_with_its_file_is_kept_with_a_finding(tmp_path: Path) -> None:
    (run,) = runs(write(tmp_path / "l40s_bf16_r.jsonl", record(gpu_config="L40"))).values()
    assert (run.levels["gpu"], run.levels["precision"]) == ("L40", "fp16")
    found = [finding for finding in run.findings if finding.rule == "label-inconsistent"]
    assert [(f.seen, f.possible) for f in found] == [("L40", "l40s"), ("fp16", "bf16")]


def test_counter_files_are_named_and_not_read(tmp_path: Path) -> None:
    results = study(tmp_path) / "metrics"
    large = results / "surface-1" / "raw" / "surface_n2_d64_m16_setup_forward.csv"
    with large.open("r+b") as file:
        file.truncate(1 << 34)  # a hole: 16 GiB that nobody could read in time
    first, second = runs(results).values()
    assert first.levels == {"n": 2, "d": 64, "m": 16}
    assert (first.status, first.energy, first.windows) == ("done", {}, [])
    programs = [each["program"] for each in first.facts["raw_files"]]
    assert programs == ["setup", "setup_forward", "setup_forward_backward"]
    assert first.facts["raw_files"][1]["bytes"] == 1 << 34
    assert first.facts["raw_files"][1]["path"] == f"surface-1/raw/{large.name}"
    assert first.facts["published"]["values"]["ncu_total_flops_fwd"] == 4096
    assert second.facts["raw_files"] == [], "the summary has a configuration without raw files"
    assert second.facts["published"]["line"] == 3


def test_one_configuration_in_two_folders_is_told_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        raw = tmp_path / f"surface-{number}" / "raw"
        raw.mkdir(parents=True)
        (raw / "surface_n2_d64_m16_setup.csv").write_text(COUNTER_HEADER)
    assert list(runs(tmp_path)) == [f"surface-{n}.surface_n2_d64_m16" for n in (1, 2)]


@pytest.mark.parametrize("part", ["", "architecture", "metrics/surface-1/raw"])
def test_any_part_of_the_tree_may_be_named(tmp_path: Path, part: str) -> None:
    source = study(tmp_path) / part
    count = {"": 5, "architecture": 3, "metrics/surface-1/raw": 1}[part]
    assert len(runs(source)) == count
    sighting = FlopMetricsImporter().recognise(source)
    assert sighting is not None
    assert sighting.kind == "flopmetrics"


@pytest.mark.parametrize("name", ["absent", "empty", "other.csv", "other.jsonl"])
def test_what_is_something_else_is_not_recognised(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.csv").write_text("run,energy_j\n1,2\n")
    (tmp_path / "other.jsonl").write_text('{"prediction": 1}\n')
    assert FlopMetricsImporter().recognise(tmp_path / name) is None
    with pytest.raises(UsageError, match=name):
        read(tmp_path / name)


LINE = json.dumps(record()).encode()

DAMAGED = {
    "cut short": (LINE[:200], "line 1 is not JSON"),
    "second line cut short": (LINE + b"\n" + LINE[:90], "line 2 is not JSON"),
    "a list": (b'["forward_energy_mean", 1]\n' + LINE, None),
    "no object below": (LINE + b"\n[1]\n", "line 2 holds no record"),
    "another encoding": (LINE.replace(b'"small"', b'"sm\xe4ll"'), "line 1 is not UTF-8"),
    "UTF-16": (LINE.decode().encode("utf-16"), None),
    "a key twice": (LINE[:-1] + b', "precision": "fp32"}', "key 'precision' is there twice"),
    "a line without end": (LINE + b"\n" + b"9" * (2 << 20), "line 2 is longer than 1 MiB"),
    "nested without end": (LINE + b"\n" + b"[" * 100_000, "line 2 is not JSON"),
    "a number without end": (LINE[:-1] + b', "x": ' + b"9" * 5000 + b"}", "line 1 is not JSON"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    content, message = DAMAGED[name]
    path = tmp_path / "a40_fp16_r.jsonl"
    path.write_bytes(content)
    out = tmp_path / "out"
    with pytest.raises(UsageError) as caught:
        write_study(read(path), out)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert message is None or message in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "status", "rules"),
    [
        ({"forward_energy_mean": math.nan}, "done", {"non-finite", "no-trace"}),
        ({"forward_energy_mean": 10**400}, "done", {"non-finite", "no-trace"}),
        ({"forward_energy_mean": "5 J"}, "done", {"non-finite", "no-trace"}),
        ({"forward_energy_mean": ..., "backward_energy_mean": ...}, "failed", set()),
        ({"forward_gpu_time_mean": -1.0, "forward_gpu_time_sem": math.inf}, "done", {"no-trace"}),
        ({"batch_size": 1e999, "input_length": None, "config_name": ["a"]}, "done", {"no-trace"}),
        ({"config_name": "\ud800", "batch_size": True}, "done", {"no-trace"}),
    ],
)
def test_odd_values_end_in_findings(
    tmp_path: Path, changes: dict[str, Any], status: str, rules: set[str]
) -> None:
    path = write(tmp_path / "a40_fp16_r.jsonl", record(**changes))
    table = written(path, tmp_path / "out")
    (run,) = table.runs
    assert run.status == status
    assert {finding.rule for finding in run.findings} == rules
    assert len(table.frame()) == 1


def written(source: Path, out: Path) -> RunTable:
    write_study(read(source), out)
    return RunTable.load(out)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "a40_fp16_r.jsonl", record())
    inside = tmp_path / "study"
    write(inside / "a40_fp32_r.jsonl", record())
    for place, target in (("f.jsonl", "a40_fp16_r.jsonl"), ("folder", "")):
        link = inside / place
        link.symlink_to(tmp_path / "elsewhere" / target)
        with pytest.raises(UsageError, match="leads out of"):
            read(inside)
        assert FlopMetricsImporter().recognise(inside) is None
        link.unlink()
    assert len(runs(inside)) == 1


def test_import_report_and_table_by_the_door(tmp_path: Path) -> None:
    source, out = study(tmp_path / "src"), tmp_path / "out"
    call = ["import", "flopmetrics", str(source), "--out", str(out)]
    first = CliRunner().invoke(app, call)
    assert first.exit_code == 0, first.output
    assert "5 runs imported" in first.output
    again = CliRunner().invoke(app, call)
    assert "nothing to do" in again.output
    write(source / "architecture/results_optimized/a40_fp16_llama_small_result.jsonl", record())
    changed = FlopMetricsImporter().read(source, ImportOptions("out", out=out)).fingerprint
    assert changed != RunTable.load(out).study["source"]["fingerprint"]
    frame = RunTable.load(out).frame().set_index("run_id")
    row = frame.loc["a40_fp16_llama_small_result"]
    assert (row["forward_energy_j"], row["backward_energy_j"]) == (5, 15)
    assert (row["forward_s"], row["backward_s"]) == pytest.approx((0.02, 0.06))
    assert frame["backward_energy_j"].isna()["a40_fp16_llama_large_result"]
    report = CliRunner().invoke(app, ["report", str(out)])
    assert report.exit_code == 0, report.output
    assert "forward, backward" in report.output


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_ends_in_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes that were changed, cut out or put in give runs that can be written, or a UsageError."""
    content = bytearray(LINE + b"\n" + LINE + b"\n")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(len(content), start + 40)))
        content[start:stop] = data.draw(st.binary(max_size=12))
    path = tmp_path_factory.getbasetemp() / "a40_fp16_fuzzed.jsonl"
    path.write_bytes(content)
    FlopMetricsImporter().recognise(path)
    try:
        imported = read(path)
        for place in range(imported.count):
            dumps(imported.run(place).run.to_dict()).encode()
    except UsageError as error:
        refusal = str(error)
    else:
        refusal = str(path)
    assert str(path) in refusal
