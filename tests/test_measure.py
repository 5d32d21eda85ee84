"""Windows around code and around commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import joulebench as jb
from joulebench.errors import EnergyError, UsageError
from joulebench.testbed.recording import Recording

BOARD: dict[str, Any] = {"simulated": {"board": "rapl", "watts": 80.0}}


def joulebench(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def test_a_window_gives_its_energy() -> None:
    with jb.measure("decode", meters=[BOARD]) as m:
        time.sleep(0.2)
    assert m.duration_s == pytest.approx(0.2, abs=0.1)
    assert m.energy.joules == pytest.approx(80 * m.duration_s, rel=0.02)
    low, high = m.energy.interval_95
    assert low <= 80 * m.duration_s <= high
    assert m.energy.method == "simulated"
    assert m.channels.keys() == {"cpu0:package"}
    assert str(m).startswith("decode: ")


def test_a_short_window_is_covered_and_says_what_it_cannot_resolve() -> None:
    slow = {"simulated": {"board": "counter", "watts": 80.0}}
    with jb.measure("blink", meters=[slow], interval_s=0.5) as m:
        pass
    assert m.energy.below_resolution
    assert m.energy.joules > 0


def test_windows_nest_and_share_one_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    really = Recording.start

    def counted(self: Recording) -> None:
        started.append(self)
        really(self)

    monkeypatch.setattr(Recording, "start", counted)
    with jb.measure("outer", meters=[BOARD]) as outer:
        with jb.measure("first", meters=[BOARD]) as first:
            time.sleep(0.1)
        with jb.measure("second", meters=[BOARD]) as second:
            time.sleep(0.15)
    assert len(started) == 1
    assert first.energy.joules + second.energy.joules < outer.energy.joules
    assert outer.energy.joules == pytest.approx(80 * outer.duration_s, rel=0.02)


def test_windows_may_overlap() -> None:
    first = jb.measure("first", meters=[BOARD])
    second = jb.measure("second", meters=[BOARD])
    first.__enter__()
    time.sleep(0.1)
    second.__enter__()
    time.sleep(0.1)
    first.__exit__(None, None, None)
    time.sleep(0.1)
    second.__exit__(None, None, None)
    for window in (first, second):
        assert window.energy.joules == pytest.approx(80 * window.duration_s, rel=0.02)


def test_threads_measure_at_once() -> None:
    found: dict[int, Any] = {}

    def work(place: int) -> None:
        with jb.measure(f"thread {place}", meters=[BOARD]) as m:
            time.sleep(0.05 + 0.05 * place)
        found[place] = m

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for m in found.values():
        # On a busy machine a stamp and its reading may be milliseconds apart.
        assert m.energy.joules == pytest.approx(80 * m.duration_s, abs=80 * 0.02)
    assert not [t for t in threading.enumerate() if t.name == "joulebench-recorder"]


def test_the_recorder_may_be_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    really = Recording.start

    def noted(self: Recording) -> None:
        modes.append(self.mode)
        really(self)

    monkeypatch.setattr(Recording, "start", noted)
    with jb.measure("process", meters=[BOARD], recorder="process") as m:
        threads = [thread.name for thread in threading.enumerate()]
        with jb.measure("inner", meters=[BOARD], recorder="process") as inner:
            time.sleep(0.1)
        with jb.measure("thread", meters=[BOARD]) as other:
            time.sleep(0.1)
    assert modes == ["process", "thread"]
    assert "joulebench-recorder" not in threads
    for window in (m, inner, other):
        assert window.energy.joules == pytest.approx(80 * window.duration_s, abs=80 * 0.02)


def test_a_fork_that_lives_on_does_not_hold_a_recorder_process_up() -> None:
    with jb.measure("parent", meters=[BOARD], recorder="process") as outer:
        pid = os.fork()
        if pid == 0:
            time.sleep(30)
            os._exit(0)
        left_s = time.monotonic()
    try:
        assert time.monotonic() - left_s < 5
        assert outer.energy.joules > 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_recorder_that_is_neither_is_refused() -> None:
    window = jb.measure("x", meters=[BOARD], recorder="fibre")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'process' or 'thread'"), window:
        pass


def test_the_end_of_an_averaging_sensor_is_waited_for() -> None:
    ada = {
        "simulated": {"board": "ada", "watts": [[0, 60], [1.6, 300], [2.1, 60]], "repeat": False}
    }
    with jb.measure("outer", meters=[ada], interval_s=0.02):
        time.sleep(0.4)
        with jb.measure("burst", meters=[ada], interval_s=0.02) as m:
            time.sleep(0.7)
    [trace] = m.measurement.traces.values()
    assert trace.t_s[-1] > m.measurement.window.stop_s + 1.0
    assert "averaging gpu0:power" in m.energy.biases


def test_a_function_is_measured_at_every_call() -> None:
    @jb.measure("step", meters=[BOARD])
    def step(pause_s: float, *, answer: int = 1) -> int:
        time.sleep(pause_s)
        return answer

    assert [step(0.05), step(0.1, answer=2)] == [1, 2]
    first, second = step.measurements
    assert first.duration_s < second.duration_s
    assert second.energy.joules == pytest.approx(80 * second.duration_s, rel=0.05)
    assert step.__name__ == "step"


def test_a_function_may_call_itself() -> None:
    @jb.measure("deep", meters=[BOARD])
    def deep(levels: int) -> None:
        time.sleep(0.02)
        if levels:
            deep(levels - 1)

    deep(2)
    inner, _, outer = deep.measurements
    assert inner.duration_s < outer.duration_s


def test_work_that_fails_is_measured_and_its_error_kept() -> None:
    window = jb.measure("failing", meters=[BOARD])

    def work() -> float:
        time.sleep(0.05)
        return 1 / 0

    with pytest.raises(ZeroDivisionError), window:
        work()
    assert window.energy.joules > 0
    assert not [t for t in threading.enumerate() if t.name == "joulebench-recorder"]


def test_functions_whose_work_is_not_done_are_refused() -> None:
    async def coroutine() -> None: ...

    async def stream() -> AsyncIterator[int]:
        yield 1

    def generator() -> Iterator[int]:
        yield 1

    for function in (coroutine, stream, generator):
        with pytest.raises(UsageError, match="before its work is done"):
            jb.measure("late", meters=[BOARD])(function)


def test_energy_is_not_known_before_the_end() -> None:
    with (
        jb.measure("open", meters=[BOARD]) as m,
        pytest.raises(UsageError, match="once the with-block has ended"),
    ):
        _ = m.energy


def test_a_window_cannot_be_entered_twice() -> None:
    window = jb.measure("twice", meters=[BOARD])
    with window, pytest.raises(UsageError, match="open already"):
        window.__enter__()
    with window:
        time.sleep(0.02)
    assert window.energy.joules > 0


def test_an_unknown_meter_is_said_on_entering() -> None:
    with pytest.raises(UsageError, match="did you mean 'rapl'"), jb.measure("x", meters=["rappl"]):
        pass


def test_a_channel_that_cannot_be_integrated_is_refused_not_zero(tmp_path: Path) -> None:
    trace = tmp_path / "short.csv"
    trace.write_text("t_s,v\n0,100\n0.05,100\n0.1,100\n")
    with jb.measure("x", meters=[{"replay": {"path": str(trace)}}], interval_s=0.01) as m:
        time.sleep(0.4)
    assert m.channels == {}
    with pytest.raises(EnergyError, match="replay:power"):
        _ = m.energy
    assert "energy" not in m.measurement.to_dict()


def test_a_forked_child_starts_anew() -> None:
    with jb.measure("parent", meters=[BOARD]) as outer:
        pid = os.fork()
        if pid == 0:
            with jb.measure("child", meters=[BOARD]) as inner:
                time.sleep(0.1)
            os._exit(0 if inner.energy.joules > 0 else 1)
        assert os.waitpid(pid, 0)[1] == 0
    assert outer.energy.joules > 0


def test_import_is_light_and_lazy() -> None:
    program = (
        "import sys, joulebench; heavy = {'numpy', 'pandas', 'rich', 'pydantic', 'typer'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "import joulebench.measurement; assert callable(joulebench.measure);"
        "[getattr(joulebench, name) for name in joulebench.__all__];"
        "assert set(joulebench.__all__) <= set(dir(joulebench))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no_such"):
        _ = jb.no_such


def test_command_prints_energy_and_keeps_its_status(tmp_path: Path) -> None:
    place = tmp_path / "result.json"
    done = joulebench(
        "measure", "--json", str(place), "--meters", "simulated:board=rapl,watts=80",
        "--", "sh", "-c", "echo out; sleep 0.4; exit 7",
    )  # fmt: skip
    assert done.returncode == 7
    assert done.stdout == "out\n"
    assert "cpu0:package" in done.stderr
    assert "simulated" in done.stderr
    result = json.loads(place.read_text())
    assert result["exit_status"] == 7
    assert result["energy"]["joules"] == pytest.approx(80 * result["duration_s"], rel=0.02)
    assert result["mean_power_w"] == pytest.approx(80, rel=0.02)
    assert result["headline"] == ["cpu0:package"]
    assert result["recorder"]["mode"] == "process"
    assert result["sensors"][0]["method"] == "simulated"


def test_command_needs_no_dashes_and_keeps_its_own_options() -> None:
    done = joulebench("measure", "--meters", "estimate", sys.executable, "-c", "print('-x')")
    assert done.returncode == 0
    assert done.stdout == "-x\n"
    assert "estimated" in done.stderr
    assert "no measurement" in done.stderr


def test_command_that_a_signal_ended_says_so_as_a_shell_does() -> None:
    done = joulebench("measure", "--meters", "estimate", "--", "sh", "-c", "kill -TERM $$")
    assert done.returncode == 128 + signal.SIGTERM


def test_ending_the_measurement_ends_the_command_and_keeps_its_energy() -> None:
    words = ("measure", "--meters", "simulated:board=rapl,watts=80", "--", "sleep", "60")
    process = subprocess.Popen(
        [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    process.terminate()
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert "mean 80" in said or "mean 79.9" in said


def test_json_on_standard_output_is_pure() -> None:
    done = joulebench("measure", "--json", "-", "--meters", "estimate", "--", "echo", "its own")
    assert json.loads(done.stdout)["exit_status"] == 0
    assert "its own" in done.stderr


def test_a_file_that_cannot_be_written_is_refused_before_the_command_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    place = tmp_path / "no" / "such.json"
    done = joulebench("measure", "--json", str(place), "--", "touch", str(trace))
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert not trace.exists()


def test_a_file_that_is_no_program_says_what_it_is(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text("#!/bin/sh\n")
    for program, says in ((script, "chmod +x"), (tmp_path, "is a folder")):
        done = joulebench("measure", "--", str(program))
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


def test_what_failed_while_it_was_read_is_told() -> None:
    meter = "simulated:board=ada,watts=1e308"  # more than a reading can hold
    done = joulebench("measure", "--meters", meter, "--", "sleep", "0.3")
    assert "no energy" in done.stderr
    assert "warning (failed-readings): readings failed" in done.stderr
    assert "OverflowError" in done.stderr
    assert "error (sensor-vanished): gpu0:power gave no reading at all" in done.stderr


def test_a_command_too_short_for_its_sensor_says_so_wherever_its_power_stands() -> None:
    meter = "simulated:board=counter,watts=80"
    done = joulebench("measure", "--json", "-", "--meters", meter, "--", "true")
    result = json.loads(done.stdout)
    assert result["below_resolution"] is True
    assert [f["rule"] for f in result["findings"] if f["where"].startswith("gpu0")] == [
        "below-resolution"
    ]
    assert "W (below the sensor's resolution)" in done.stderr


VANISHING: dict[str, Any] = {
    "simulated": {"board": "volta", "watts": 100.0, "faults": {"vanish_s": 0.6}}
}


def test_a_meter_lost_within_a_window_gives_no_smaller_sum() -> None:
    with jb.measure("x", meters=[VANISHING, BOARD], interval_s=0.02) as m:
        time.sleep(1.0)
    assert m.channels.keys() == {"cpu0:package"}
    assert "its meter was lost: the simulated board vanished" in m.refusals["gpu0:power"]
    with pytest.raises(EnergyError, match="its meter was lost"):
        _ = m.energy
    found = {finding.rule: finding for finding in m.findings}
    assert found["sensor-vanished"].where == "gpu0:power"
    assert "energy" not in m.measurement.to_dict()


def test_a_command_whose_meter_is_lost_says_so_and_keeps_the_rest() -> None:
    meters = ("--meters", json_meter(VANISHING), "--meters", "simulated:board=rapl,watts=80")
    done = joulebench("measure", "--json", "-", "--interval", "0.02", *meters, "--", "sleep", "1.2")
    result = json.loads(done.stdout)
    assert "lost" in result["refused"]["gpu0:power"]
    assert result["channels"]["cpu0:package"]["joules"] == pytest.approx(96, rel=0.1)
    assert "energy" not in result
    assert "no energy: " in done.stderr


def json_meter(meter: dict[str, Any]) -> str:
    [(kind, options)] = meter.items()
    return f"{kind}:" + ",".join(f"{name}={json.dumps(v)}" for name, v in options.items())


def test_impossible_readings_are_told() -> None:
    spiky = {
        "simulated": {
            "board": "volta",
            "watts": 100.0,
            "limit_w": 300.0,
            "faults": {"spike_every_s": 0.5},
        }
    }
    with jb.measure("outer", meters=[spiky], interval_s=0.02):
        time.sleep(0.2)
        with jb.measure("x", meters=[spiky], interval_s=0.02) as m:
            time.sleep(1.3)
        time.sleep(0.2)
    assert "power-above-limit" in {finding.rule for finding in m.findings}
    assert m.measurement.traces["gpu0:power"].v.max() == 100.0
    assert m.energy.joules == pytest.approx(100 * m.duration_s, rel=0.05)


def test_a_busy_machine_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        pid = int(busy.stdout.readline())
        try:
            done = joulebench(
                "measure", "--json", "-", "--meters", "estimate", "--", "sleep", "1.5"
            )
        finally:
            os.kill(pid, signal.SIGKILL)
    [finding] = [f for f in json.loads(done.stdout)["findings"] if f["rule"] == "shared-machine"]
    assert finding["where"] == "measurement"
    assert f"(pid {pid})" in finding["message"]


SPIN = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--interval", "inf", "--", "true"), "--interval"),
        (("--meters", "estimate", "--meters", "estimate", "--", "true"), "both give the channel"),
        (("--", "no-such-program-anywhere"), "no program"),
        (("--meters", "rappl", "--", "true"), "did you mean 'rapl'"),
        (("--meters", "simulated:board", "--", "true"), "option=value"),
        (("--meters", "simulated:board=b200", "--", "true"), "b200"),
        (("--json", "/no/such/folder/x.json", "--meters", "estimate", "--", "true"), "--json"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], says: str) -> None:
    done = joulebench("measure", *words)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_inner_window_does_not_lengthen_the_outer_one() -> None:
    """An averaging sensor needs a second to show an end; the outer window must not wait for it."""
    ada = {"simulated": {"board": "ada", "watts": 200}}
    with jb.measure("outer", meters=[ada], interval_s=0.05) as outer:
        with jb.measure("inner", meters=[ada], interval_s=0.05) as inner:
            time.sleep(0.2)
        time.sleep(0.3)
    assert outer.duration_s < 0.7
    assert inner.energy.joules / outer.energy.joules == pytest.approx(0.4, abs=0.05)


def test_an_inner_windows_energy_may_be_asked_for_while_another_is_open() -> None:
    with jb.measure("outer", meters=[BOARD]) as outer:
        with jb.measure("inner", meters=[BOARD]) as inner:
            time.sleep(0.1)
        assert inner.energy.joules == pytest.approx(80 * inner.duration_s, abs=80 * 0.02)
        with pytest.raises(UsageError, match="with-block has ended"):
            _ = outer.energy
    assert outer.energy.joules > inner.energy.joules
