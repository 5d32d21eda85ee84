"""Trials on computed time: their cost is known, and nothing depends on the place or the hour."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from joulebench.channel import Window
from joulebench.errors import UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.meters.simulated import SimulatedMeter
from joulebench.meters.simulated_phases import PhasePowers, at_levels, steps
from joulebench.record import Run
from joulebench.record_traces import load_traces
from joulebench.run_row import headline_energy
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.protocol import OneTrial, run_trial
from joulebench.testbed.recording import Recording
from joulebench.testbed.sensors import sensors
from joulebench.testbed.virtual import refuse_other_time

WATTS = {"idle": 60.0, "load": 120.0, "warmup": 250.0, "prefill": 400.0, "decode": 300.0}
ECHO = {"kind": "echo", "token_s": 0.0437, "prefill_s": 0.31, "load_s": 4.0}
ITEMS, TOKENS = 2, 24
FACTS = {"host": "here", "testbed": "local", "process": "fork server", "imported": ["numpy"]}


def study(board: Mapping[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    protocol = {"clock": "virtual", "idle_s": 20.0, "idle_after_s": 5.0} | keys.pop("protocol", {})
    return {
        "study": "s",
        "model": "m",
        "task": "copa",
        "engine": ECHO,
        "tasks": {"items": ITEMS},
        "sampling": {"max_tokens": TOKENS, "min_tokens": TOKENS},
        "protocol": protocol,
        "meters": [{"simulated": {"board": "counter", "watts": WATTS} | dict(board or {})}],
    } | keys


def plans(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    planned = plan(parse(raw, "s"))
    specs = sensors(planned[0]["meters"]).specs
    return [{**trial, "meters": specs} for trial in planned]


def rooms(folder: Path) -> Path:
    for room in ("traces", "responses", "logs"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    return folder


def silent(_message: dict[str, Any]) -> None:
    return None


def ran(trial: Mapping[str, Any], folder: Path, **facts: Any) -> Run:
    return run_trial(trial, rooms(folder), silent, facts=FACTS | facts, root_pid=1)


def timeless(run: Run) -> dict[str, Any]:
    record = run.to_dict()
    for key in ("started_at", "host", "testbed"):
        del record[key]
    record["facts"].pop("wall_s", None)
    return record


def truths_j(trial: OneTrial, watts: Mapping[str, float]) -> dict[str, float]:
    """Give what each phase cost: its length times its power."""
    cost: dict[str, float] = {}
    for window in trial._all_windows():
        power = watts.get(window.name, watts["idle"])
        cost[window.name] = cost.get(window.name, 0.0) + window.duration_s * power
    return cost | {"measure": cost["prefill"] + cost["decode"]}


def test_a_trial_of_half_an_hour_takes_no_time_and_has_all_its_parts(tmp_path: Path) -> None:
    [trial] = plans(study(protocol={"idle_s": 1800.0}))
    begun_s = time.monotonic()
    run = ran(trial, tmp_path)
    assert time.monotonic() - begun_s < 600  # it did not wait
    assert (run.status, run.error, run.findings) == ("done", None, [])
    assert [w.name for w in run.windows] == ["idle", "load", "warmup", "measure", "idle_after"]
    lengths = {w.name: w.duration_s for w in run.windows}
    tokens_s = TOKENS * 0.0437
    assert lengths["idle"] == pytest.approx(1800)
    assert lengths["load"] == pytest.approx(4)
    assert lengths["measure"] == pytest.approx(ITEMS * (0.31 + tokens_s))
    assert run.facts["clock"] == "virtual"
    assert run.facts["recorder"]["mode"] == "virtual"
    assert run.facts["recorder"]["samples"] > 18_000
    assert {c.method for c in run.channels} == {"simulated"}
    energies = run.energy["gpu0:energy"]
    assert energies.keys() == {*lengths, "prefill", "decode"}
    assert {energy["method"] for energy in energies.values()} == {"simulated"}
    trace = load_traces(tmp_path / "traces" / f"{run.run_id}.parquet")["gpu0:energy"]
    assert trace.t_s[-1] - trace.t_s[0] > 1800
    answers = (tmp_path / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    assert all(json.loads(line)["energy_decode_j"] > 0 for line in answers)


@pytest.mark.parametrize(
    ("board", "trials"), [("counter", 20), ("rapl", 20), ("a100", 5), ("turing", 5)]
)
def test_energies_are_those_of_the_phases_within_their_intervals(
    board: str, trials: int, tmp_path: Path
) -> None:
    """Gain apart: the simulated board has no error of gain, though its intervals allow for one."""
    random = Random(7)
    held = told = 0
    for seed in range(trials):
        engine = ECHO | {"token_s": random.uniform(0.02, 0.08), "prefill_s": random.uniform(0.3, 1)}
        watts = {phase: random.uniform(40, 400) for phase in WATTS}
        raw = study({"board": board, "watts": watts}, order={"seed": seed}, engine=engine)
        trial = OneTrial(plans(raw)[0], rooms(tmp_path), silent, 1)
        trial.measure()
        trial.settle()
        assert trial.run.status == "done"
        [energies] = trial.run.energy.values()
        for name, truth_j in truths_j(trial, watts).items():
            energy = energies[name]
            biases = [j for cause, j in energy["biases"].items() if not cause.startswith("gain")]
            doubt_j = math.hypot(energy["noise"], *biases)
            away_j = abs(energy["joules"] - truth_j)
            assert away_j <= 3.5 * doubt_j + 1e-6 * truth_j, (name, energy, truth_j)
            told += 1
            held += away_j <= 1.96 * doubt_j + 1e-6 * truth_j
    assert held >= 0.93 * told - 1, f"{held} of {told}"


@pytest.mark.parametrize("board", ["counter", "hopper", "ada"])
def test_the_record_is_the_same_wherever_and_whenever_it_is_made(
    board: str, tmp_path: Path
) -> None:
    noisy = {"board": board, "noise_rel": 0.05, "faults": {"noise_w": 3, "drop": 0.05}}
    [trial] = plans(study(noisy))
    one = ran(trial, tmp_path / "one")
    time.sleep(0.03)
    other = ran(trial, tmp_path / "other", process="fresh", imported=[], testbed="elsewhere")
    assert timeless(one) == timeless(other)
    for name in (f"traces/{one.run_id}.parquet", f"responses/{one.run_id}.jsonl"):
        digests = {
            hashlib.sha256((tmp_path / place / name).read_bytes()).hexdigest()
            for place in ("one", "other")
        }
        assert len(digests) == 1, name


def test_a_testbed_and_another_process_give_the_same_record(tmp_path: Path) -> None:
    raw = study({"noise_rel": 0.05})
    here = ran(plans(raw)[0], tmp_path / "here")
    testbed = LocalTestbed(rooms(tmp_path / "there"))
    trial = plan(parse(raw, "s"))[0]
    testbed.prepare([trial])
    assert timeless(testbed.run(trial, 1, silent)) == timeless(here)
    script = (
        "import json, sys; from pathlib import Path;"
        "from joulebench.testbed.local import LocalTestbed;"
        "trial = json.loads(sys.argv[1]); testbed = LocalTestbed(Path(sys.argv[2]));"
        "testbed.prepare([trial]);"
        "print(json.dumps(testbed.run(trial, 1, lambda message: None).to_dict()))"
    )
    asked = [sys.executable, "-c", script, json.dumps(trial), str(tmp_path / "else")]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert timeless(Run.from_dict(json.loads(told))) == timeless(here)


def test_the_trace_of_an_error_goes_to_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trial = plan(parse(study(protocol={"timeout_s": 26.0}), "s"))[0]
    testbed = LocalTestbed(tmp_path)
    testbed.prepare([trial])
    run = testbed.run(trial, 1, silent)
    assert run.status == "failed"
    assert "timed out" in run.facts["log_tail"][-1]
    assert "Traceback" in (tmp_path / "logs" / f"{run.run_id}.txt").read_text()
    assert "".join(capfd.readouterr()) == ""


def test_what_was_measured_of_this_machines_sensors_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [trial] = plans(study())
    plain = ran(trial, tmp_path / "one")

    def refuse(*_: Any) -> None:
        raise AssertionError("a sensor profile was asked for")

    monkeypatch.setattr("joulebench.meters.meter.apply", refuse)
    assert timeless(ran(trial, tmp_path / "other")) == timeless(plain)


def test_repetitions_scatter_as_much_as_asked_for(tmp_path: Path) -> None:
    raw = study({"noise_rel": 0.05}, repetitions=50, protocol={"interval_s": 1.0})
    powers = []
    for trial in plans(raw):
        run = ran(trial, tmp_path)
        [idle] = [w for w in run.windows if w.name == "idle"]
        powers.append(run.energy["gpu0:energy"]["idle"]["joules"] / idle.duration_s)
    mean = sum(powers) / len(powers)
    spread = math.sqrt(sum((p - mean) ** 2 for p in powers) / (len(powers) - 1))
    assert mean == pytest.approx(60, rel=4 * 0.05 / math.sqrt(50))
    assert 0.035 < spread / mean < 0.065


def test_cells_of_one_repetition_do_not_share_their_noise(tmp_path: Path) -> None:
    raw = study({"noise_rel": 0.05}, factors={"model": ["a", "b"]})
    del raw["model"]
    one, other = (ran(trial, tmp_path) for trial in plans(raw))
    energies = [run.energy["gpu0:energy"]["measure"]["joules"] for run in (one, other)]
    assert energies[0] != pytest.approx(energies[1], rel=1e-4)


def test_the_power_may_differ_between_levels(tmp_path: Path) -> None:
    watts = WATTS | {"decode": {"model": {"a": 200, "b": 400}}}
    raw = study({"watts": watts}, factors={"model": ["a", "b"]})
    del raw["model"]
    found = {}
    for trial in plans(raw):
        refuse_other_time(trial)
        run = ran(trial, tmp_path)
        decode_s = ITEMS * (TOKENS - 1) * ECHO["token_s"]  # type: ignore[operator]
        found[run.levels["model"]] = run.energy["gpu0:energy"]["decode"]["joules"] / decode_s
    assert found == {"a": pytest.approx(200, rel=0.05), "b": pytest.approx(400, rel=0.05)}


def test_a_board_that_vanishes_fails_the_run(tmp_path: Path) -> None:
    [trial] = plans(study({"faults": {"vanish_s": 22}}))
    run = ran(trial, tmp_path)
    assert run.status == "failed"
    assert "lost" in str(run.error)
    assert run.energy["gpu0:energy"]["idle"]["joules"] > 0


def test_a_trial_that_is_too_long_is_stopped_on_its_own_clock(tmp_path: Path) -> None:
    [trial] = plans(study(protocol={"timeout_s": 26.0}))
    run = ran(trial, tmp_path)
    assert (run.status, run.error) == ("failed", "timed out after 26 s (protocol.timeout_s)")
    assert run.energy["gpu0:energy"]["idle"]["joules"] == pytest.approx(1200, rel=0.02)


def test_a_log_that_stamps_its_readings_works_too(tmp_path: Path) -> None:
    jump = {"clock_jump_s": 30.0, "clock_jump_at_s": 10.0}
    run = ran(plans(study({"board": "a100", "faults": jump}))[0], tmp_path)
    assert run.status == "done"
    assert run.energy["gpu0:power"]["measure"]["joules"] > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"meters": "auto"}, "'auto' reads real sensors"),
        ({"meters": ["estimate"]}, "'estimate' reads real sensors"),
        ({"engine": {"kind": "transformers"}}, "engine 'transformers' does real work"),
        (
            {"workload": "command", "command": ["true"], "model": None, "task": None},
            "workload 'command' does real work",
        ),
        ({"protocol": {"clock": "real"}}, "protocol.clock: virtual"),
    ],
)
def test_real_and_computed_time_do_not_mix(
    changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    raw = {key: value for key, value in (study() | changes).items() if value is not None}
    raw["protocol"] = {"clock": "virtual"} | raw["protocol"]
    testbed = LocalTestbed(rooms(tmp_path))
    try:
        with pytest.raises(UsageError, match=says) as refused:
            testbed.prepare(plan(parse(raw, "s")))
    finally:
        testbed.close()
    assert "\n" not in str(refused.value)


def test_tables_say_that_time_was_computed(tmp_path: Path) -> None:
    run = ran(plans(study())[0], tmp_path)
    energy = headline_energy(run)
    assert energy is not None
    assert (energy.method, energy.scope) == ("simulated", "gpu board, virtual clock")


def test_an_attempt_that_answers_nothing_leaves_no_files_of_an_earlier_one(tmp_path: Path) -> None:
    [good] = plans(study())
    first = ran(good, tmp_path)
    assert set(first.facts["files"]) == {"traces", "responses"}
    second = ran(good | {"engine": {"kind": "transformers"}}, tmp_path)
    assert second.status == "failed"
    assert second.facts["files"] == {}
    assert not [*(tmp_path / "traces").iterdir(), *(tmp_path / "responses").iterdir()]


def test_a_real_recorder_refuses_powers_by_phase(tmp_path: Path) -> None:
    spec = MeterSpec("simulated", {"watts": WATTS}, "joulebench.meters.simulated:SimulatedMeter")
    for mode in ("thread", "process"):
        with pytest.raises(UsageError, match=r"protocol\.clock: virtual"):
            Recording([spec], tmp_path / mode, mode=mode).start()
    with pytest.raises(UsageError, match=r"protocol\.clock: virtual"):
        SimulatedMeter(watts=WATTS).read()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"watts": {"decode": 100}}, "idle as well"),
        ({"watts": {"idle": 1, "decod": 100}}, "did you mean 'decode'"),
        ({"watts": {"idle": -1}}, "at least 0 W"),
        ({"watts": {"idle": True}}, "at least 0 W"),
        ({"watts": {"idle": {"a": 1, "b": 2}}}, "one factor"),
        ({"watts": {"idle": {"model": {"a": "x"}}}}, "at least 0 W"),
        ({"watts": {"idle": 1}, "noise_rel": 2.0}, "from 0 to"),
        ({"watts": 100.0, "noise_rel": 0.1}, "watts by phase"),
    ],
)
def test_powers_by_phase_that_cannot_be_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        SimulatedMeter(**options)


def test_a_level_without_its_power_is_refused() -> None:
    watts = {"idle": 1, "decode": {"model": {"a": 2}}}
    assert at_levels(watts, {"model": "a"}) == {"idle": 1, "decode": 2}
    with pytest.raises(UsageError, match="no power for 'b'"):
        at_levels(watts, {"model": "b"})
    with pytest.raises(UsageError, match="factor 'model' is not known"):
        at_levels(watts, {"task": "a"})


def test_the_innermost_window_says_what_is_drawn() -> None:
    windows = [
        Window("measure", 10, 20),
        Window("decode", 12, 20),
        Window("idle", 0, 10),
        Window("prefill", 10, 12),
    ]
    assert steps(windows)[-1] == (20, "idle")
    profile = PhasePowers({"idle": 10, "measure": 20, "decode": 30}).profile(windows, 0.0, Random())
    assert [profile.power_w(t) for t in (-5, 5, 11, 15, 25)] == [10, 10, 20, 30, 10]
    assert profile.energy_j(0, 20) == pytest.approx(100 + 40 + 240)
