"""Synthetic EnergiBridge folders: right numbers and findings, refusals that name the line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_runs import STEP_J, WRAP_J, Synthetic

from joulebench.energibridge_columns import describe_counters, find_sensors
from joulebench.errors import UsageError
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import EnergiBridgeImporter
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces
from joulebench.sensor_gains import NVML_GAIN


@pytest.fixture
def synthetic() -> Synthetic:
    """A run with known energies."""
    return Synthetic()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty folder for run folders."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def imported(source: Path, options: ImportOptions | None = None) -> list[Run]:
    study = EnergiBridgeImporter().read(source, options or ImportOptions("s"))
    return [study.run(place).run for place in range(study.count)]


def rules(run: Run) -> dict[str, str]:
    return {finding.rule: finding.severity for finding in run.findings}


def joules(run: Run, channel: str) -> float:
    value: float = run.energy[channel]["measure"]["joules"]
    return value


def test_energies_tokens_and_score(source: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    (run,) = imported(source)
    assert run.status == "done"
    assert joules(run, "cpu0:package") == pytest.approx(synthetic.cpu_j, abs=4 * STEP_J)
    assert joules(run, "gpu0:power") == pytest.approx(synthetic.gpu_j, rel=1e-9)
    assert joules(run, "cpu0:core") == pytest.approx(30.0 * 13, abs=4 * STEP_J)
    assert run.work == {"requests": 2, "tokens_out": 40}
    assert run.score == {"accuracy": 1.0, "n_graded": 1, "n_correct": 1, "scorer": "imported"}
    assert rules(run) == {"repeated-timestamp": "note", "sub-second-stamps": "note"}
    assert run.started_at == "2023-11-14T22:13:20.250Z"
    assert (run.trial["order"], run.trial["block"], run.trial["repetition"]) == (1, 0, 0)


def test_absent_is_not_zero(source: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    (run,) = imported(source)
    assert "cpu0:dram" not in run.energy
    assert run.facts["recorder"]["silent_columns"] == ["DRAM_ENERGY (J)"]
    assert "tokens_in" not in run.work


def test_channels_carry_what_is_known(source: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    (run,) = imported(source)
    channels = {channel.name: channel for channel in run.channels}
    assert channels["cpu0:package"].wrap_j == WRAP_J
    assert channels["cpu0:package"].resolution == STEP_J
    gpu = channels["gpu0:power"]
    assert (gpu.gain, gpu.stamp_s, gpu.averaging_s, gpu.scope) == (NVML_GAIN, 0.5, 0.0, "gpu board")


def test_window_and_doubt_of_whole_seconds(source: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    (run,) = imported(source)
    (window,) = run.windows
    assert (window.name, window.start_s, window.stop_s) == ("measure", 1.75, 14.75)
    assert window.edge_s == pytest.approx(3**-0.5)
    noise = run.energy["cpu0:package"]["measure"]["noise"]
    assert noise == pytest.approx(50 * (2 / 3) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("stamps", "edge_s"),
    [
        (("1700000002.123456", "1700000015.0"), 0.0),
        (("1700000002.12", "1700000015.5"), 0.01 / 3**0.5),
        (("1700000002.0", "1700000015.0"), 3**-0.5),
        (("1700000002000", "1700000015000"), 1e-3 / 3**0.5),
        (("1700000002,25", "1700000015,75"), 0.01 / 3**0.5),
    ],
)
def test_edge_doubt_follows_the_stamps(
    source: Path, stamps: tuple[str, str], edge_s: float
) -> None:
    Synthetic(prompts=[stamps], grades=[""], tokens=["5"]).write(source)
    (run,) = imported(source)
    assert run.windows[0].edge_s == pytest.approx(edge_s)
    assert ("sub-second-stamps" in rules(run)) == (edge_s > 0.1)
    assert 12.8 < run.windows[0].duration_s < 13.6


@given(start_j=st.floats(min_value=WRAP_J - 1010, max_value=WRAP_J - 1))
@settings(max_examples=20, deadline=None)
def test_a_wrap_at_any_point(tmp_path_factory: pytest.TempPathFactory, start_j: float) -> None:
    source = tmp_path_factory.mktemp("wrap")
    run = Synthetic(start_j=start_j)
    run.write(source)
    (read,) = imported(source)
    assert joules(read, "cpu0:package") == pytest.approx(run.cpu_j, abs=4 * STEP_J)


def test_summary_that_missed_the_wrap(source: Path) -> None:
    folder = Synthetic(start_j=WRAP_J - 300).write(source)
    text = f"Energy consumption in joules: {990 - WRAP_J} for 20.1 sec of execution."
    (folder / "energibridge-summary.txt").write_text(text)
    (run,) = imported(source)
    assert rules(run)["counter-wrap"] == "warning"
    assert "stale-summary" not in rules(run)


@pytest.mark.parametrize(("said", "stale"), [(995.0, False), (500.0, True), (-3.0, True)])
def test_summary_against_the_log(
    source: Path, synthetic: Synthetic, said: float, *, stale: bool
) -> None:
    folder = synthetic.write(source)
    text = f"Energy consumption in joules: {said} for 20.1 sec of execution."
    (folder / "energibridge-summary.txt").write_text(text)
    (run,) = imported(source)
    assert ("stale-summary" in rules(run)) == stale
    assert "counter-wrap" not in rules(run)


def test_part_grades_and_grades_beyond_one(source: Path) -> None:
    Synthetic(grades=("0.5", "1")).write(source, "run_0_repetition_0")
    Synthetic(grades=("50", "100")).write(source, "run_0_repetition_1")
    part, percent = imported(source)
    assert part.score is not None
    assert part.score["accuracy"] == 0.75
    assert "n_correct" not in part.score
    assert rules(part)["fractional-grades"] == "note"
    assert percent.score is None
    assert rules(percent)["accuracy-scale"] == "warning"


def test_no_grade_no_score_and_partial_tokens(source: Path) -> None:
    Synthetic(grades=("", "nan"), tokens=("10", "")).write(source)
    (run,) = imported(source)
    assert run.score is None
    assert run.work == {"requests": 2}
    assert rules(run)["missing-tokens"] == "warning"


def test_prompts_without_stamps_are_left_out(source: Path) -> None:
    prompts = [("1700000002", "1700000015"), ("", "")]
    Synthetic(prompts=prompts).write(source)
    (run,) = imported(source)
    assert run.work["requests"] == 1
    assert rules(run)["missing-stamps"] == "warning"


def test_without_prompts_the_whole_log_is_measured(source: Path, synthetic: Synthetic) -> None:
    (synthetic.write(source) / "prompts_out.tsv").unlink()
    (run,) = imported(source)
    assert joules(run, "cpu0:package") == pytest.approx(1000, abs=4 * STEP_J)
    assert rules(run)["window-unknown"] == "warning"
    assert run.work == {}


def test_window_beyond_the_log_fails_the_run(source: Path, synthetic: Synthetic) -> None:
    synthetic.seconds = 5.0
    synthetic.write(source)
    (run,) = imported(source)
    assert run.status == "failed"
    assert run.energy == {}
    assert run.error is not None
    assert "record from before" in run.error


def test_folder_without_log_is_a_failed_run(source: Path, synthetic: Synthetic) -> None:
    synthetic.write(source, "run_0_repetition_0")
    (source / "run_0_repetition_1").mkdir()
    done, failed = imported(source)
    assert done.status == "done"
    assert failed.status == "failed"
    assert failed.error == "run_0_repetition_1 holds no energibridge.csv"


def test_last_line_cut_short(source: Path, synthetic: Synthetic) -> None:
    folder = synthetic.write(source)
    (folder / "energibridge.csv").write_text(synthetic.log()[:-60])
    (run,) = imported(source)
    assert rules(run)["truncated-file"] == "warning"
    assert joules(run, "cpu0:package") == pytest.approx(synthetic.cpu_j, abs=4 * STEP_J)


def test_last_reading_cut_short_in_the_last_column(source: Path) -> None:
    run = Synthetic(header=["Delta", "Time", "GPU0_POWER (mWatts)"])
    rows = [run.header, *([r[0], r[1], r[6]] for r in run.rows())]
    folder = source / "run_0_repetition_0"
    folder.mkdir()
    text = "\n".join(",".join(row) for row in rows)
    (folder / "energibridge.csv").write_text(text[:-4])
    (read,) = imported(source)
    assert rules(read)["truncated-file"] == "warning"
    assert read.windows[0].stop_s == pytest.approx(19.8)


def test_readings_that_are_not_finite(source: Path, synthetic: Synthetic) -> None:
    folder = synthetic.write(source)
    lines = synthetic.log().splitlines()
    for number in (30, 31):
        cells = lines[number].split(",")
        cells[6] = "NaN" if number == 30 else ""
        lines[number] = ",".join(cells)
    (folder / "energibridge.csv").write_text("\n".join(lines) + "\n")
    (run,) = imported(source)
    (finding,) = [f for f in run.findings if f.rule == "non-finite"]
    assert (finding.where, finding.seen) == ("GPU0_POWER (mWatts)", "2")
    assert joules(run, "gpu0:power") == pytest.approx(synthetic.gpu_j, rel=1e-9)


def test_clock_that_steps_back(source: Path, synthetic: Synthetic) -> None:
    folder = synthetic.write(source)
    lines = synthetic.log().splitlines()
    cells = lines[40].split(",")
    cells[1] = str(int(cells[1]) - 5000)
    lines[40] = ",".join(cells)
    (folder / "energibridge.csv").write_text("\n".join(lines) + "\n")
    (run,) = imported(source)
    assert rules(run)["clock-stepped-back"] == "warning"
    assert joules(run, "cpu0:package") == pytest.approx(synthetic.cpu_j, abs=4 * STEP_J)


def test_stuck_counter_is_left_out(source: Path, synthetic: Synthetic) -> None:
    folder = synthetic.write(source)
    rows = synthetic.rows()
    for row in rows:
        row[8] = "17.5"
    text = "".join(",".join(row) + "\n" for row in [synthetic.header, *rows])
    (folder / "energibridge.csv").write_text(text)
    (run,) = imported(source)
    assert "cpu0:core" not in run.energy
    assert rules(run)["stuck-counter"] == "warning"


def _spoilt(line: int, column: int, text: str) -> str:
    rows = Synthetic().log().splitlines()
    cells = rows[line - 1].split(",")
    cells[column] = text
    rows[line - 1] = ",".join(cells)
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", "line 1: the file is empty"),
        (",".join(Synthetic().header) + "\n", "line 2: no row"),
        ("Delta,Time\n0,1\n", "line 1: no column of energy"),
        ("Delta,PACKAGE_ENERGY (J)\n0,1\n", "line 1: column 'Time' is missing"),
        (_spoilt(1, 8, "PACKAGE_ENERGY (J)"), "line 1: column 'PACKAGE_ENERGY (J)' is there twice"),
        (_spoilt(17, 7, "12x4"), "line 17, column 8: invalid value '12x4'"),
        (_spoilt(2, 1, "soon"), "line 2: 'Time' is no time in ms"),
        (_spoilt(2, 1, "1e300"), "line 2: 'Time' is no time in ms"),
        ("\r" + Synthetic().log(), "line 1 or 2: "),
        (_spoilt(9, 3, "1,2"), "line 9 has 12 cells where the header has 11"),
        (_spoilt(9, 3, "x" * 3_000_000), "line 9 is longer than 1048576 bytes"),
        (_spoilt(1, 8, "y" * 3_000_000), "line 1 is longer than 1048576 bytes"),
    ],
)
def test_damage_is_named_by_file_and_line(
    source: Path, synthetic: Synthetic, log: str, says: str
) -> None:
    folder = synthetic.write(source)
    (folder / "energibridge.csv").write_text(log)
    with pytest.raises(UsageError) as caught:
        imported(source)
    message = str(caught.value)
    assert says in message
    assert str(folder / "energibridge.csv") in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("start\t", "begin\t", "line 1: missing column(s) start"),
        ("prompt\t", "start\t", "line 1: column 'start' is there twice"),
        ("1700000005\t1700000015", "1700000005\t1700000001", "line 5: the prompt ends before"),
        ("1700000005\t1700000015", "soon\t1700000015", "line 5: 'start' is not a number: 'soon'"),
        ("\t30\t", "\tmany\t", "line 5: 'response_tokens' is not a number: 'many'"),
        ("\t30\t", "\t-30\t", "line 5: -30 is not a number of tokens"),
        ("\t30\t\n", "\t30\n", "line 5 has 5 cells where the header has 6"),
    ],
)
def test_damage_in_the_prompts_is_named(
    source: Path, synthetic: Synthetic, old: str, new: str, says: str
) -> None:
    folder = synthetic.write(source)
    text = synthetic.tsv()
    assert old in text
    (folder / "prompts_out.tsv").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        imported(source)
    assert says in str(caught.value)
    assert "prompts_out.tsv" in str(caught.value)


def test_wrong_encodings_are_named(source: Path, synthetic: Synthetic) -> None:
    folder = synthetic.write(source)
    (folder / "prompts_out.tsv").write_bytes(synthetic.tsv().encode("latin-1"))
    with pytest.raises(UsageError, match="line 3 is not UTF-8"):
        imported(source)
    (folder / "energibridge.csv").write_bytes(synthetic.log().encode("utf-16"))
    with pytest.raises(UsageError, match="line 1 is not UTF-8"):
        imported(source)


@given(cut=st.integers(0, 10_000), junk=st.binary(max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_ends_in_an_error_or_a_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    source = tmp_path_factory.mktemp("fuzz")
    folder = Synthetic().write(source)
    for name in ("energibridge.csv", "prompts_out.tsv"):
        whole = (folder / name).read_bytes()
        place = cut % len(whole)
        (folder / name).write_bytes(whole[:place] + junk + whole[place + len(junk) :])
    outcome = _outcome(source)
    assert outcome == ["run_0_repetition_0"] or str(source) in outcome[0]
    assert "\n" not in outcome[0]


def _outcome(source: Path) -> list[str]:
    try:
        return [run.run_id for run in imported(source)]
    except UsageError as error:
        return [str(error)]


def test_links_out_of_the_tree_are_refused(
    source: Path, tmp_path: Path, synthetic: Synthetic
) -> None:
    elsewhere = synthetic.write(tmp_path / "elsewhere")
    os.symlink(elsewhere, source / "run_1_repetition_0")
    with pytest.raises(UsageError, match="link that leads out"):
        imported(source)
    (source / "run_1_repetition_0").unlink()
    folder = synthetic.write(source)
    (folder / "prompts_out.tsv").unlink()
    os.symlink(elsewhere / "prompts_out.tsv", folder / "prompts_out.tsv")
    with pytest.raises(UsageError, match="link that leads out"):
        imported(source)


def test_folder_without_runs_names_the_nearest(tmp_path: Path, synthetic: Synthetic) -> None:
    synthetic.write(tmp_path / "experiments" / "llama")
    with pytest.raises(UsageError, match=r"did you mean .*experiments/llama\?"):
        imported(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        imported(tmp_path / "nowhere")


def test_order_is_that_of_the_first_stamps(source: Path) -> None:
    late, early = Synthetic(), Synthetic()
    late.write(source, "run_0_repetition_0")
    folder = early.write(source, "run_0_repetition_1")
    shifted = early.log().replace("1700000", "1699990")
    (folder / "energibridge.csv").write_text(shifted)
    (folder / "prompts_out.tsv").write_text(early.tsv().replace("17000000", "16999900"))
    runs = imported(source)
    assert [run.run_id for run in runs] == ["run_0_repetition_1", "run_0_repetition_0"]
    assert [run.trial["order"] for run in runs] == [1, 2]
    assert [run.trial["block"] for run in runs] == [1, 0]


def test_study_on_disk_round_trips(source: Path, tmp_path: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    study = EnergiBridgeImporter().read(source, ImportOptions("named"))
    write_study(study, tmp_path / "out")
    table = RunTable.load(tmp_path / "out")
    assert table.study["origin"] == "imported"
    assert table.study["study"] == "named"
    (host,) = table.hosts.values()
    assert (host["logical_cpus"], host["gpus"]) == (2, [{"index": 0, "memory_mib": 24564}])
    (run,) = table.runs
    assert run.host in table.hosts
    traces = load_traces(table.trace_path(run.run_id))
    again = traces["gpu0:power"].energy(run.windows[0]).to_dict()
    assert again == run.energy["gpu0:power"]["measure"]
    lines = table.responses_path(run.run_id).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    row = table.frame().iloc[0]
    assert row["energy_j"] == pytest.approx(synthetic.cpu_j + synthetic.gpu_j, rel=1e-6)
    assert (table.folder / "run_table.csv").exists()


def test_columns_of_other_machines() -> None:
    header = ["CPU_ENERGY (J)", "CORE0_ENERGY (J)", "CORE11_ENERGY (J)", "GPU1_POWER (Watts)"]
    sensors = find_sensors([*header, "CORE0_VOLT (V)", "CORE0_FREQ (MHZ)", "GPU1_USAGE"])
    found = {s.column: (s.channel.name, s.channel.method, s.factor) for s in sensors}
    assert found == {
        "CPU_ENERGY (J)": ("cpu0:package", "modelled", 1.0),
        "CORE0_ENERGY (J)": ("cpu0:core0", "modelled", 1.0),
        "CORE11_ENERGY (J)": ("cpu0:core11", "modelled", 1.0),
        "GPU1_POWER (Watts)": ("gpu1:power", "measured", 1.0),
    }
    old = find_sensors(["PACAKGE_ENERGY (W)", "GPU0_POWER"])
    assert [(s.channel.name, s.channel.unit, s.factor) for s in old] == [
        ("cpu0:package", "J", 1.0),
        ("gpu0:power", "W", 1e-3),
    ]
    mac = find_sensors(["CPU_POWER (Watts)", "SYSTEM_POWER (Watts)", "GPU_POWER (Watts)"])
    assert [s.channel.scope for s in mac] == ["cpu package", "platform", "gpu board"]


def test_energy_unit_is_read_from_the_readings() -> None:
    (sensor,) = find_sensors(["CPU_ENERGY (J)"])
    fine = np.arange(100, dtype=np.float64) * 37 * 2.0**-16
    (described,) = describe_counters([sensor], {"CPU_ENERGY (J)": fine})
    assert (described.channel.resolution, described.channel.wrap_j) == (2.0**-16, 65536.0)
    finer = np.arange(100, dtype=np.float64) * 37 * 2.0**-18
    (described,) = describe_counters([sensor], {"CPU_ENERGY (J)": finer})
    assert described.channel.wrap_j == 16384.0
    coarse = np.arange(100, dtype=np.float64) * 10.0
    (common,) = describe_counters(find_sensors(["PP0_ENERGY (J)"]), {"PP0_ENERGY (J)": coarse})
    assert common.channel.wrap_j == WRAP_J
    wide = fine + 70000.0
    (unwrapped,) = describe_counters([sensor], {"CPU_ENERGY (J)": wide})
    assert unwrapped.channel.wrap_j is None
