"""Damaged results of the frontier study: every one ends in a line that names file and line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nlpfrontiers_folders as folders
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nlpfrontiers_folders import write

from joulebench.errors import UsageError
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.nlpfrontiers import NlpFrontiersImporter
from joulebench.record import Run, RunTable


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with both forms."""
    tree = tmp_path / "nlpfrontiers"
    folders.layers_sweep(tree / "v1/sst2/phase_2_layers", (4, 2))
    folders.trained(tree / "outputs/base")
    folders.later_sweep(tree / "outputs/precision_sweep")
    return tree


def runs_in(source: Path) -> list[Run]:
    imported = NlpFrontiersImporter().read(source, ImportOptions("s"))
    return [imported.run(place).run for place in range(imported.count)]


def refusal(source: Path) -> str:
    with pytest.raises(UsageError) as caught:
        runs_in(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def swap(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


TRACE = "v1/sst2/phase_2_layers/num_layers_4/power_trace.csv"
ANSWERS = "v1/sst2/phase_2_layers/num_layers_4/predictions.jsonl"
TABLE = "v1/sst2/phase_2_layers/pareto_layers.csv"
CONFIG = "v1/sst2/phase_2_layers/config.json"
METER = "outputs/base/energy_train.json"
SUMMARY = "outputs/base/summary.json"
RESULT = "outputs/precision_sweep/precision_fp32/result.json"
STATE = "outputs/base/huggingface_trainer/checkpoint-30/trainer_state.json"


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (TRACE, lambda _: "", "line 1: the file is empty"),
        (TRACE, swap("power_w", "watts"), "line 1: missing column(s) power_w; it has"),
        (TRACE, swap("timestamp_s", "power_w"), "line 1: missing column(s) timestamp_s"),
        (TRACE, swap("power_w", "power_w,power_w"), "line 1: column 'power_w' is there twice"),
        (TRACE, swap("0.050000,60.1", "0.050000,6x.1"), "line 3: 'power_w' is no reading: '6x.1"),
        (TRACE, swap("0.050000,60.1", "0.050000,1e300,60.1"), "line 3 has 3 cells where the head"),
        (TRACE, swap("0.050000,60.100000", "0.050000,1e300"), "line 3: 'power_w' is no reading"),
        (TRACE, swap("\n0.100000", "\n" + "y" * 100_000), "line 4 is longer than 65536 bytes"),
        (ANSWERS, swap("{", "["), "line 1 is not JSON: "),
        (ANSWERS, swap("\n{", "\n\n\n7 {"), "line 4 is not JSON: Extra data"),
        (ANSWERS, swap("\n{", "\n[1]\n{"), "line 2: neither 'prediction' nor"),
        (ANSWERS, swap('"prediction"', '"guess"'), "line 1: neither 'prediction' nor"),
        (ANSWERS, swap("\n{", "\n" + "{" * 2_000_000), "line 2 is longer than 1048576 bytes"),
        (TABLE, swap("\r\n4,4,", "\r\n4,"), "line 2 has 7 cells where the header has 8"),
        (TABLE, swap("accuracy", "label"), "line 1: column 'label' is there twice"),
        (CONFIG, swap("{", "["), "line 2 is not JSON: "),
        (CONFIG, lambda _: "[]", "line 1: {...} is expected, not a list"),
        (METER, lambda text: text[: len(text) // 2], "is not JSON: "),
        (METER, swap('"samples"', '"sample"'), "line 1: no list 'samples'"),
        (METER, swap('"power_watts": 60.2', '"watts": 60.2'), "sample 1 lacks 'timestamp_seconds"),
        (METER, swap('"power_watts": 60.7', '"power_watts": "x"'), "sample 2: 'power_watts' is no"),
        (METER, swap('"power_watts": 60.2', '"power_watts": 1e999'), "sample 1: 'power_watts' is"),
        (METER, swap("{", "[" * 200_000), "line 1 is not JSON: "),
        (METER, swap("60.0", "9" * 5000), "line 1 is not JSON: "),
        (SUMMARY, swap(":", ";"), "line 2 is not JSON: "),
        (RESULT, lambda _: "7", "line 1: {...} is expected, not a number"),
        (STATE, swap(",", ""), "is not JSON: "),
    ],
)
def test_damage_is_named_by_file_and_line(
    source: Path, name: str, change: Callable[[str], str], says: str
) -> None:
    path = source / name
    path.write_text(change(path.read_bytes().decode()), newline="")
    message = refusal(source)
    assert says in message
    assert str(path) in message
    assert " line " in message


def test_samples_are_named_by_the_line_they_are_on(source: Path) -> None:
    path = source / METER
    lines = path.read_text().splitlines()
    (place,) = [number for number, line in enumerate(lines) if '"power_watts": 61.2' in line]
    lines[place] = lines[place].replace("61.2", "true")
    path.write_text("\n".join(lines))
    # The sample opens on the line before its power.
    assert f"line {place}: sample 3" in refusal(source)


@pytest.mark.parametrize("name", [TRACE, ANSWERS, TABLE, CONFIG, METER, SUMMARY, RESULT, STATE])
def test_wrong_encodings_are_named(source: Path, name: str) -> None:
    path = source / name
    path.write_bytes(path.read_text().encode("utf-16"))
    assert f"{path} line 1 is not UTF-8" in refusal(source)


def test_yaml_that_is_none(source: Path) -> None:
    path = write(source / "outputs/base/config_resolved.yaml", "dataset:\n  a: [1,\n")
    assert f"{path} line 3 is not YAML" in refusal(source)
    path.write_text("- 1\n")
    assert f"{path} line 1: no settings" in refusal(source)


def test_a_file_that_is_too_large(source: Path) -> None:
    with (source / METER).open("r+b") as file:
        file.truncate((1 << 26) + 1)
    assert f"{source / METER} is larger than 64 MiB" in refusal(source)


def test_lines_cut_short_are_left_out(source: Path) -> None:
    for name in (TRACE, ANSWERS):
        path = source / name
        path.write_bytes(path.read_bytes()[:-6])
    run = runs_in(source)[0]
    assert [finding.rule for finding in run.findings][:2] == ["truncated-file", "truncated-file"]
    assert run.facts["recorder"]["samples"] == 41 * 4 - 1
    assert run.work["requests"] == folders.EXAMPLES - 1


def test_numbers_that_no_one_can_mean(source: Path) -> None:
    """Published figures are kept as they stand; only finite ones are reckoned with."""
    path = source / METER
    text = path.read_text().replace('"duration_seconds": 60.0', '"duration_seconds": 1e999')
    path.write_text(text.replace('"energy_joules": ', '"energy_joules": NaN, "was": '))
    training = next(run for run in runs_in(source) if run.facts["phase"] == "training")
    assert training.facts["meter"]["duration_seconds"] == "inf"
    assert training.facts["meter"]["energy_joules"] == "NaN"
    assert not {"stated_duration_s", "stated_energy_j"} & training.facts.keys()
    assert training.status == "done"


def test_text_that_no_file_can_hold(source: Path, tmp_path: Path) -> None:
    """Half a surrogate pair is JSON, but no UTF-8."""
    half = r"\ud800"
    for name, old in ((SUMMARY, "bert-base-uncased"), (RESULT, "fp32"), (ANSWERS, "label")):
        path = source / name
        path.write_text(path.read_text().replace(old, half, 1))
    (source / "outputs/precision_sweep/pareto.csv").unlink()
    write_study(NlpFrontiersImporter().read(source, ImportOptions("s")), tmp_path / "out")
    runs = {run.run_id: run for run in RunTable.load(tmp_path / "out").runs}
    assert runs["outputs.base.inference"].facts["settings"]["model_name_or_path"] == "?"


def test_links_out_of_the_tree_are_refused(source: Path, tmp_path: Path) -> None:
    elsewhere = folders.layers_sweep(tmp_path / "elsewhere")
    link = source / "v1/latest"
    link.symlink_to(elsewhere)
    assert "is a link that leads out" in refusal(source)
    link.unlink()
    (source / TRACE).unlink()
    (source / TRACE).symlink_to(elsewhere / "num_layers_4/power_trace.csv")
    assert "is a link that leads out" in refusal(source)


def test_a_link_inside_shows_no_run_twice(source: Path) -> None:
    before = len(runs_in(source))
    (source / "v1/latest").symlink_to(source / "v1/sst2")
    assert len(runs_in(source)) == before


def test_a_pipe_is_not_waited_for(source: Path) -> None:
    (source / TRACE).unlink()
    os.mkfifo(source / TRACE)
    assert "is a pipe, not a file" in refusal(source)
    assert NlpFrontiersImporter().recognise(source) is not None


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    assert "holds neither a power_trace.csv" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    file = write(tmp_path / "power_trace.csv", folders.trace_csv(9))
    assert "name a folder of results" in refusal(file)


def test_out_is_complete_or_absent(source: Path, tmp_path: Path) -> None:
    (source / "outputs/precision_sweep/precision_bf16/energy_infer.json").write_text("{")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="line 1 is not JSON"):
        write_study(NlpFrontiersImporter().read(source, ImportOptions("s")), out)
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["nlpfrontiers"]


@given(
    place=st.integers(0, 10_000),
    junk=st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"NaN", b"1e999", b"-", b"\xff", b'\\ud800"', b"0", b"{", b",", b"\n"]),
    ),
    name=st.sampled_from([TRACE, ANSWERS, TABLE, CONFIG, METER, SUMMARY, RESULT, STATE]),
    cut=st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_ends_in_an_error_or_a_study(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes, name: str, *, cut: bool
) -> None:
    tmp_path = tmp_path_factory.mktemp("fuzz")
    source = tmp_path / "nlpfrontiers"
    folders.layers_sweep(source / "v1/sst2/phase_2_layers", (4,))
    folders.trained(source / "outputs/base")
    folders.later_sweep(source / "outputs/precision_sweep")
    whole = (source / name).read_bytes()
    at = place % len(whole)
    rest = b"" if cut else whole[at + len(junk) :]
    (source / name).write_bytes(whole[:at] + junk + rest)
    outcome = _outcome(source, tmp_path / "out")
    if isinstance(outcome, str):
        assert str(source / name) in outcome
        assert "\n" not in outcome
        assert not (tmp_path / "out").exists()
    else:
        assert outcome == 5


def _outcome(source: Path, out: Path) -> int | str:
    try:
        write_study(NlpFrontiersImporter().read(source, ImportOptions("s")), out)
    except UsageError as error:
        return str(error)
    return len(RunTable.load(out).runs)
