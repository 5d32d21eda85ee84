"""Synthetic results of the frontier study in both forms: right numbers, levels and findings."""

from __future__ import annotations

import json
from pathlib import Path

import nlpfrontiers_folders as folders
import numpy as np
import pytest
from nlpfrontiers_folders import EXAMPLES, energy_j, span_s, write

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.nlpfrontiers import NlpFrontiersImporter
from joulebench.importers.nlpfrontiers_levels import Row, match_row
from joulebench.importers.nlpfrontiers_trace import board_channel, integrate
from joulebench.importers.nlpfrontiers_tree import pair_of
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces
from joulebench.run_row import row
from joulebench.sensor_gains import NVML_GAIN


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of results, called as the study's own is."""
    return tmp_path / "nlpfrontiers"


def look(source: Path) -> Imported:
    return NlpFrontiersImporter().read(source, ImportOptions("s"))


def runs_in(source: Path) -> dict[str, Run]:
    imported = look(source)
    read = [imported.run(place).run for place in range(imported.count)]
    return {run.run_id: run for run in read}


def joules(run: Run) -> float:
    value: float = run.energy["gpu0:power"]["measure"]["joules"]
    return value


def rules(run: Run) -> dict[str, str]:
    return {finding.rule: finding.severity for finding in run.findings}


def test_first_form(source: Path) -> None:
    folders.layers_sweep(source / "v1/outputs/sst2/phase_2_layers")
    runs = runs_in(source)
    assert list(runs) == [f"v1.outputs.sst2.phase_2_layers.num_layers_{k}" for k in (12, 4)]
    run = runs["v1.outputs.sst2.phase_2_layers.num_layers_12"]
    assert run.status == "done"
    assert joules(run) == pytest.approx(energy_j(0, span_s(41 * 12)), rel=1e-8)
    assert run.windows[0].start_s == 0.0
    assert run.windows[0].stop_s == pytest.approx(span_s(41 * 12))
    assert run.work == {"requests": EXAMPLES}
    assert run.score == {
        "accuracy": 36 / EXAMPLES,
        "n_graded": EXAMPLES,
        "n_correct": 36,
        "scorer": "prediction equals label",
    }
    assert run.levels == {"task": "sst2", "sweep": "phase_2_layers", "num_encoder_layers": "12"}
    assert run.findings == []
    assert (run.origin, run.testbed) == ("imported", "imported")


def test_what_is_stated_stands_beside_what_is_ours(source: Path) -> None:
    folders.layers_sweep(source)
    run = list(runs_in(source).values())[1]
    published = run.facts["published"]
    assert (published["table"], published["line"]) == ("pareto_layers.csv", 3)
    assert published["values"]["num_encoder_layers"] == 4
    each_j, each_ms = folders.figures(41 * 4)
    assert published["values"]["energy_per_example_j"] == each_j
    assert run.facts["stated_duration_s"] == pytest.approx(span_s(41 * 4) + 0.03)
    assert run.facts["stated_energy_j"] == pytest.approx(each_j * EXAMPLES)
    assert run.facts["recorder"] == {"tool": "NVML", "interval_s": 0.05, "samples": 41 * 4}
    assert each_ms > 0


def test_channel_carries_what_is_known(source: Path) -> None:
    folders.layers_sweep(source)
    (channel,) = next(iter(runs_in(source).values())).channels
    assert (channel.name, channel.gain, channel.scope) == ("gpu0:power", NVML_GAIN, "gpu board")
    assert (channel.stamp_s, channel.averaging_s, channel.resolution) == (0.5, 0.0, 1e-3)


def test_any_part_of_the_tree(source: Path) -> None:
    sweep = folders.layers_sweep(source / "v1/outputs/sst2/phase_2_layers")
    task = {run.run_id: run.levels for run in runs_in(source / "v1/outputs/sst2").values()}
    assert task["phase_2_layers.num_layers_4"]["num_encoder_layers"] == "4"
    alone = runs_in(sweep)
    assert alone["num_layers_12"].levels["sweep"] == "phase_2_layers"
    (point,) = runs_in(sweep / "num_layers_4").values()
    # Nothing outside the folder is read: neither its table nor its settings.
    assert point.run_id == "num_layers_4"
    assert point.levels == {}
    assert "published" not in point.facts
    assert point.score is not None
    assert joules(point) == pytest.approx(energy_j(0, span_s(41 * 4)), rel=1e-8)


def test_baseline_takes_the_only_row(source: Path) -> None:
    folders.baseline(source / "sst2/phase_1_baseline")
    folders.layers_sweep(source / "sst2/phase_2_layers")
    runs = runs_in(source)
    first = runs["sst2.phase_1_baseline"]
    assert first.trial["order"] == 1
    assert first.facts["published"]["values"]["label"] == "bert_base"
    assert first.levels["num_encoder_layers"] == "12"
    assert {run.facts["settings"].get("model_name") for run in runs.values()} == {
        "bert-base-uncased",
        None,
    }


def test_nested_folders_are_joined_by_both_names(source: Path) -> None:
    rows = ["label,precision,max_sequence_length,energy_per_example_j\n"]
    for precision in ("fp32", "fp16"):
        for length in (32, 16):
            point = source / f"precision_{precision}" / f"max_sequence_length_{length}"
            write(point / "power_trace.csv", folders.trace_csv(60))
            rows.append(f"{precision}-{length},{precision},{length},{len(rows)}\n")
    write(source / "pareto.csv", "".join(rows))
    runs = runs_in(source)
    assert next(iter(runs)) == "precision_fp32.max_sequence_length_32"
    assert [run.facts["published"]["values"]["energy_per_example_j"] for run in runs.values()] == [
        1, 2, 3, 4,
    ]  # fmt: skip
    last = runs["precision_fp16.max_sequence_length_16"]
    assert (last.levels["precision"], last.levels["max_sequence_length"]) == ("fp16", "16")


def test_unlabelled_answers_are_no_count(source: Path) -> None:
    folders.baseline(source, questions=5)
    (run,) = runs_in(source).values()
    assert run.score is None
    assert run.work == {"requests": EXAMPLES}
    assert rules(run) == {"inferred-count": "note"}
    # What was used to count says nothing about the energy.
    assert "stated_energy_j" not in run.facts
    assert run.facts["stated_duration_s"] == pytest.approx(span_s(400) + 0.03)


def test_unlabelled_answers_that_last_as_long_are_counted(source: Path) -> None:
    folders.baseline(source, questions=EXAMPLES)
    (run,) = runs_in(source).values()
    assert run.work == {"requests": EXAMPLES}
    assert rules(run) == {}


@pytest.mark.parametrize("factor", [1.0123, 1000.0])
def test_nothing_is_counted_from_joules_that_do_not_fit(source: Path, factor: float) -> None:
    folders.baseline(source, questions=5)
    each_j, each_ms = folders.figures(400)
    text = f"label,energy_per_example_j,average_latency_per_example_ms\nb,{each_j * factor},"
    write(source / "pareto.csv", f"{text}{each_ms}\n")
    (run,) = runs_in(source).values()
    assert "requests" not in run.work
    assert "inferred-count" not in rules(run)


def test_later_form(source: Path) -> None:
    folders.later_sweep(source / "outputs/precision_sweep_bert_full")
    runs = runs_in(source)
    assert list(runs) == [
        f"outputs.precision_sweep_bert_full.precision_{mode}.inference" for mode in ("fp32", "bf16")
    ]
    run = next(iter(runs.values()))
    assert joules(run) == pytest.approx(energy_j(0.1, 19.85), rel=1e-12)
    assert run.work == {"requests": EXAMPLES, "tokens_in": 4000, "feature_windows": 45}
    assert run.score is None
    assert run.facts["stated_duration_s"] == 20.0
    assert run.facts["stated_energy_j"] == pytest.approx(joules(run), rel=1e-12)
    assert run.facts["published"]["values"]["exact"] == 73.2
    assert run.facts["published"]["values"]["precision_supported"] == "True"
    assert run.levels["precision"] == "fp32"
    assert run.channels[0].resolution == 0.01


def test_training_and_inference_are_two_runs(source: Path) -> None:
    folders.trained(source / "base_baseline_squad_v2")
    runs = runs_in(source)
    training, inference = runs.values()
    assert list(runs) == [f"base_baseline_squad_v2.{p}" for p in ("training", "inference")]
    assert joules(training) == pytest.approx(energy_j(0.1, 59.85), rel=1e-12)
    assert training.work == {"requests": 600, "tokens_in": 9000, "steps": 75}
    # The latest state holds the history of the earlier one: it is not counted twice.
    assert (training.facts["evaluation_s"], training.facts["evaluations"]) == (16.0, 2)
    assert "evaluation_s" not in inference.facts
    # Its 45 "examples" are windows; 40 questions were graded.
    assert inference.work == {"requests": EXAMPLES, "tokens_in": 4000}
    assert inference.facts["published"]["values"]["number_of_inference_examples"] == 45
    assert inference.facts["published"]["values"]["exact"] == 73.2
    assert inference.facts["published"]["line"] > 1
    assert [run.levels["phase"] for run in runs.values()] == ["training", "inference"]


def test_energy_without_a_trace_is_as_published(source: Path) -> None:
    folders.trained(source / "base", keep_training_trace=False)
    training, inference = runs_in(source).values()
    assert training.status == "done"
    assert joules(training) == pytest.approx(energy_j(0.1, 59.85), rel=1e-12)
    energy = training.energy["gpu0:power"]["measure"]
    assert (energy["noise"], energy["method"]) == (0.0, "measured")
    assert energy["biases"] == {"gain gpu0:power": pytest.approx(NVML_GAIN * joules(training))}
    assert training.windows[0].duration_s == 59.5
    assert rules(training) == {"no-trace": "note"}
    (finding,) = training.findings
    assert finding.where.startswith("summary.json:")
    assert rules(inference) == {}


def test_result_without_its_meter(source: Path) -> None:
    sweep = folders.later_sweep(source / "precision_sweep")
    (sweep / "precision_fp32" / "energy_infer.json").unlink()
    first, second = runs_in(source).values()
    assert rules(first) == {"no-trace": "note"}
    assert first.work == {"requests": EXAMPLES}
    assert first.levels["precision"] == "fp32"
    assert rules(second) == {}


def test_task_and_model_come_from_what_a_sweep_started_from(source: Path) -> None:
    folders.trained(source / "base_baseline_squad_v2")
    folders.later_sweep(source / "precision_sweep_bert_full")
    write(source / "precision_sweep_other/precision_fp16/energy_infer.json", folders.meter(5.0))
    write(source / "precision_sweep_other/summary.json", {"model_label": "distilbert"})
    runs = runs_in(source)
    levels = runs["precision_sweep_bert_full.precision_fp32.inference"].levels
    assert (levels["task"], levels["model"]) == ("squad_v2", "bert_full")
    assert runs["base_baseline_squad_v2.inference"].levels["model"] == "bert_full"
    # Where nothing says it, nothing is made up.
    other = runs["precision_sweep_other.precision_fp16.inference"].levels
    assert (other["task"], other["model"], other["precision"]) == (
        "", "distilbert", "fp16",
    )  # fmt: skip
    assert len({tuple(run.levels) for run in runs.values()}) == 1


def test_sweep_rows_of_early_exit(source: Path) -> None:
    sweep = source / "bert_early_exit_threshold_sweep"
    report = folders.meter(
        5.0, number_of_measurement_passes=2, number_of_raw_evaluation_examples=10
    )
    rows = ["early_exit_confidence_threshold,f1,exact,number_of_measurement_passes\n"]
    for threshold in ("1.01", "0.6"):
        point = sweep / f"threshold_{threshold.replace('.', '_')}"
        write(point / "energy_infer.json", report)
        rows.append(f"{threshold},76.6,73.4,2\n")
    write(sweep / "sweep_rows.csv", "".join(rows))
    yaml = "dataset:\n  dataset_name: squad_v2\nmodel_label: bert_ee\ncheckpoint_path: null\n"
    write(sweep / "config_resolved.yaml", yaml)
    imported = look(source)
    first, second = (imported.run(place).run for place in range(2))
    assert first.levels == {
        "task": "squad_v2",
        "sweep": "bert_early_exit_threshold_sweep",
        "early_exit_confidence_threshold": "1.01",
    }
    assert second.facts["published"]["line"] == 3
    assert second.work["requests"] == 20
    assert imported.tables == (sweep / "sweep_rows.csv",)


def test_a_sampler_that_stalled_throughout_resolves_nothing(source: Path) -> None:
    """Three samples in 66 s: their own median spacing is the stall, the asked interval is not."""
    report = folders.meter(66.1)
    report["samples"] = [
        {"power_watts": watts, "timestamp_seconds_since_start": t}
        for t, watts in ((0.0, 34.9), (65.9, 34.9), (66.1, 62.6))
    ]
    write(source / "energy_infer.json", report)
    (run,) = runs_in(source).values()
    energy = run.energy["gpu0:power"]["measure"]
    assert energy["joules"] == pytest.approx(34.9 * 65.9 + 0.2 * (34.9 + 62.6) / 2)
    assert energy["noise"] >= 0.5 * energy["joules"]
    assert energy["below_resolution"]
    (finding,) = run.findings
    assert (finding.rule, finding.seen, finding.possible) == (
        "sampling-gap", "3 samples", "330 samples",
    )  # fmt: skip


def test_a_hole_in_a_long_trace_is_bridged_with_its_finding(source: Path) -> None:
    report = folders.meter(60.0)
    report["samples"] = [
        sample
        for sample in report["samples"]
        if not 20 < sample["timestamp_seconds_since_start"] < 30
    ]
    write(source / "energy_infer.json", report)
    (run,) = runs_in(source).values()
    assert rules(run) == {"sampling-gap": "warning"}
    assert joules(run) == pytest.approx(energy_j(0.1, 59.85), rel=1e-9)
    assert not run.energy["gpu0:power"]["measure"]["below_resolution"]


@pytest.mark.parametrize("samples", [0, 1])
def test_an_energy_needs_two_samples(source: Path, samples: int) -> None:
    report = folders.meter(92.0)
    report["samples"] = report["samples"][:samples]
    report["energy_joules"] = 0.0
    write(source / "max_sequence_length_160" / "energy_infer.json", report)
    (run,) = runs_in(source).values()
    assert run.status == "failed"
    assert run.energy == {}
    assert run.error is not None
    assert f"{samples} sample(s)" in run.error
    assert run.facts["stated_energy_j"] == 0.0


@pytest.mark.parametrize(("length_s", "unresolved"), [(0.3, True), (0.7, False), (2.0, False)])
def test_short_windows_are_doubted(length_s: float, *, unresolved: bool) -> None:
    """A sensor that averages over 1 s misses D (1 s - T/2) of work that begins with the window."""
    true_w, idle_w = 72.0, 36.0
    t_s = np.arange(0.0, length_s + 1e-9, 0.05)
    readings = idle_w + (true_w - idle_w) * np.minimum(t_s, 1.0)
    trace = Trace(board_channel(0, smi=False), t_s, readings)
    window = Window("measure", 0.0, float(t_s[-1]))
    energy = integrate(trace, window, 0.05)
    missed_j = true_w * window.duration_s - energy.joules
    assert energy.biases["stamp gpu0:power"] == pytest.approx(missed_j, rel=1e-6)
    assert energy.below_resolution == unresolved
    assert (energy.noise >= 0.5 * energy.joules) == unresolved


def test_samples_out_of_order_are_left_out(source: Path) -> None:
    lines = folders.trace_csv(200).splitlines()
    lines[50] = lines[49]
    lines[100] = lines[60]
    lines[120] = lines[120].split(",")[0] + ",nan"
    write(source / "power_trace.csv", "\r\n".join(lines) + "\r\n")
    (run,) = runs_in(source).values()
    assert rules(run) == {
        "non-finite": "warning",
        "repeated-timestamp": "note",
        "clock-stepped-back": "warning",
    }
    assert joules(run) == pytest.approx(energy_j(0, span_s(200)), rel=1e-6)
    assert run.facts["recorder"]["samples"] == 197


def test_decimal_commas(source: Path) -> None:
    text = folders.trace_csv(60).replace(",", ";").replace(".", ",")
    write(source / "power_trace.csv", text)
    (run,) = runs_in(source).values()
    assert joules(run) == pytest.approx(energy_j(0, span_s(60)), rel=1e-6)


def test_labels_that_are_hidden_are_not_graded(source: Path) -> None:
    write(source / "power_trace.csv", folders.trace_csv(60))
    lines = ['{"prediction": 1, "label": -1}', '{"prediction": 0, "label": 0}']
    write(source / "predictions.jsonl", "\n".join(lines) + "\n")
    (run,) = runs_in(source).values()
    assert run.score is not None
    assert (run.score["n_graded"], run.score["n_correct"]) == (1, 1)


def test_study_on_disk_and_a_second_import(source: Path, tmp_path: Path) -> None:
    folders.layers_sweep(source / "v1/outputs/sst2/phase_2_layers")
    folders.trained(source / "outputs/base")
    out = tmp_path / "study"
    assert not write_study(look(source), out).unchanged
    table = RunTable.load(out)
    assert table.study["factors"]["num_encoder_layers"] == ["4", "12"]
    assert len(table.hosts) == 2
    for run in table.runs:
        assert run.host in table.hosts
        (trace,) = load_traces(table.trace_path(run.run_id)).values()
        again = integrate(trace, run.windows[0], run.facts["recorder"]["interval_s"])
        assert again.joules == joules(run)
        assert row(run)["gpu_energy_j"] == joules(run)
    sst2 = table.responses_path("v1.outputs.sst2.phase_2_layers.num_layers_4")
    assert len(sst2.read_text(encoding="utf-8").splitlines()) == EXAMPLES
    assert write_study(look(source), out).unchanged
    (source / "outputs/base/energy_infer.json").write_text(json.dumps(folders.meter(13.0)))
    with pytest.raises(UsageError, match="holds another study"):
        write_study(look(source), out)


def test_what_is_recognised(source: Path, tmp_path: Path) -> None:
    importer = NlpFrontiersImporter()
    assert importer.recognise(tmp_path / "nowhere") is None
    source.mkdir()
    write(source / "energy_other.json", {"kwh": 1})
    write(source / "power_trace.csv", "time,watts\n0,1\n")
    assert importer.recognise(source) is None
    folders.layers_sweep(source / "phase_2_layers")
    folders.trained(source / "base")
    seen = importer.recognise(source)
    assert seen is not None
    assert (seen.kind, seen.weak) == ("nlpfrontiers", False)
    assert seen.seen == "2 power_trace.csv and 2 energy_*.json with samples"


def test_options_for_other_kinds_are_refused(source: Path) -> None:
    folders.layers_sweep(source)
    options = ImportOptions("s", levels={"a": ("1", "2")})
    with pytest.raises(UsageError, match="takes no --factors: leave it out"):
        NlpFrontiersImporter().read(source, options)


def test_run_ids_are_safe_and_unique(source: Path) -> None:
    for name in ("a b/c", "a?b/c", "A_b/c", "x" * 240):
        write(source / name / "power_trace.csv", folders.trace_csv(30))
    ids = list(runs_in(source))
    assert len({run_id.casefold() for run_id in ids}) == 4
    assert all(len(run_id) < 200 and not set(run_id) & set("/ ?") for run_id in ids)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("num_layers_4", ("num_layers", "4")),
        ("precision_fp16", ("precision", "fp16")),
        ("token_pruning_keep_ratio_0_60", ("token_pruning_keep_ratio", "0.60")),
        ("precision_sweep_bert_freeze_bottom_6", None),
        ("phase_1_baseline", None),
        ("checkpoint-32940", None),
    ],
)
def test_what_names_of_folders_say(name: str, pair: tuple[str, str] | None) -> None:
    assert pair_of(name) == pair


def test_rows_are_joined_by_numbers_not_spelling() -> None:
    rows = [
        Row(Path("pareto.csv"), line, {"label": "x", "token_pruning_keep_ratio": ratio})
        for line, ratio in ((2, 1.0), (3, 0.6))
    ]
    assert match_row(rows, ["token_pruning_keep_ratio_0_60"]) is rows[1]
    assert match_row(rows, ["token_pruning_keep_ratio_0_61"]) is None
    assert match_row([*rows, rows[1]], ["token_pruning_keep_ratio_0_60"]) is None
    assert match_row(rows, ["x"]) is None
    assert match_row([], []) is None
