"""The recorder keeps its pace, outlives nobody, and loses nothing but its last moment."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import ABSENT, MeterSpec
from joulebench.meters.registry import resolve
from joulebench.testbed.recorder import FLUSH_S, Sampler
from joulebench.testbed.recording import Recording, read_traces, stamped

COUNTER = {"simulated": {"board": "rapl", "watts": 40.0}}
POWER = {"simulated": {"board": "volta", "watts": 150.0, "device": "gpu3"}}


class Flaky:
    """Gives nothing every second time, breaks every fifth, and has two channels."""

    def __init__(self) -> None:
        self.channels = [Channel("a:power", "W"), Channel("b:power", "W")]
        self._reads = 0

    def read(self) -> list[float]:
        self._reads += 1
        if self._reads % 5 == 0:
            raise OSError("the bus hiccuped")
        return [ABSENT if self._reads % 2 else 7.0, 3.0]

    def close(self) -> None:
        pass


class Unopenable:
    def __init__(self, how: str) -> None:
        if how == "absent":
            raise Unavailable("The sensor is absent.", "plug it in")
        raise RuntimeError("the plugin is broken")


def test_two_channels_of_one_name_are_refused(tmp_path: Path) -> None:
    specs = resolve(["estimate", "estimate"])
    with pytest.raises(UsageError, match="both give the channel 'cpu:estimate'"):
        Sampler(specs, tmp_path, 0.1)


def test_an_endless_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finite"):
        Recording([], tmp_path, interval_s=math.inf)


def flaky() -> MeterSpec:
    return MeterSpec("flaky", {}, f"{__name__}:Flaky")


@pytest.fixture(autouse=True)
def _meters_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the recorder process import the meters above."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def recorder_pid(recording: Recording) -> int:
    pid: int = recording._recorder.pid  # type: ignore[union-attr]
    return pid


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_records_what_the_sensor_drew(tmp_path: Path, mode: str) -> None:
    specs = resolve([COUNTER, POWER])
    with Recording(specs, tmp_path / "new", interval_s=0.02, mode=mode) as recording:
        start_s = time.monotonic()
        time.sleep(0.6)
        stop_s = time.monotonic()
        recording.settle()
        assert recording.watts() == pytest.approx(190.0, rel=0.01)
        live = recording.latest()
        assert live["gpu3:power"][1] == 150.0
        assert start_s < live["gpu3:power"][0] <= time.monotonic()
    traces = recording.traces()
    window = Window("measure", start_s, stop_s)
    counted = traces["cpu0:package"].energy(window)
    assert counted.joules == pytest.approx(40 * window.duration_s, rel=0.01)
    assert counted.interval_95[0] <= 40 * window.duration_s <= counted.interval_95[1]
    drawn = traces["gpu3:power"].energy(window)
    assert drawn.joules == pytest.approx(150 * window.duration_s, rel=0.01)
    facts = recording.facts()
    assert facts["mode"] == mode
    assert facts["samples"] >= 15
    assert 0 <= facts["lateness_p50_s"] <= facts["lateness_p99_s"]
    assert 0 < facts["cpu_s"] < 0.6
    assert isinstance(facts["priority"], str)


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_starts_with_a_sample_and_samples_when_asked(tmp_path: Path, mode: str) -> None:
    recording = Recording(resolve([COUNTER]), tmp_path, interval_s=60.0, mode=mode)
    recording.start()
    assert recording.latest().keys() == {"cpu0:package"}
    before_s = time.monotonic()
    recording.sample()
    after_s = time.monotonic()
    [trace] = recording.traces().values()
    assert len(trace) == 2
    assert before_s - 0.001 < trace.t_s[1] < after_s
    recording.stop()
    recording.stop()
    recording.sample()
    assert len(recording.traces()["cpu0:package"]) == 3


def test_keeps_absolute_deadlines(tmp_path: Path) -> None:
    with Recording(resolve([COUNTER]), tmp_path, interval_s=0.05) as recording:
        time.sleep(1.5)
    t_s = recording.traces()["cpu0:package"].t_s[1:-1]
    ticks = (t_s - t_s[0]) / 0.05
    # A loop that sleeps between samples drifts by its own work; deadlines do not.
    assert ticks[-1] == pytest.approx(round(ticks[-1]), abs=0.5)
    assert round(ticks[-1]) in range(20, 31)


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_a_broken_meter_does_not_end_the_recording(tmp_path: Path, mode: str) -> None:
    specs = [flaky(), *resolve([COUNTER])]
    with Recording(specs, tmp_path, interval_s=0.01, mode=mode) as recording:
        time.sleep(0.5)
    traces = recording.traces()
    assert set(traces["a:power"].v) == {7.0}
    assert len(traces["a:power"]) < len(traces["b:power"]) < len(traces["cpu0:package"])
    assert "the bus hiccuped" in recording.facts()["errors"]["flaky"]


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_a_meter_that_is_absent_says_so_at_the_start(tmp_path: Path, mode: str) -> None:
    spec = MeterSpec("x", {"how": "absent"}, f"{__name__}:Unopenable")
    with pytest.raises(Unavailable) as caught:
        Recording([*resolve([COUNTER]), spec], tmp_path, mode=mode).start()
    assert (caught.value.what, caught.value.remedy) == ("The sensor is absent.", "plug it in")


def test_a_meter_that_breaks_at_the_start_is_named(tmp_path: Path) -> None:
    spec = MeterSpec("x", {"how": "broken"}, f"{__name__}:Unopenable")
    with pytest.raises(UsageError, match="the plugin is broken"):
        Recording([spec], tmp_path).start()


def test_refuses_a_folder_that_holds_a_recording(tmp_path: Path) -> None:
    with Recording(resolve([COUNTER]), tmp_path, mode="thread"):
        pass
    with pytest.raises(UsageError, match="already holds"):
        Recording(resolve([COUNTER]), tmp_path, mode="thread").start()


@pytest.mark.parametrize("wrong", [{"mode": "fiber"}, {"interval_s": 0.0}])
def test_refuses_what_cannot_be(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Recording(resolve([COUNTER]), tmp_path, **wrong)


def test_a_killed_recorder_leaves_what_it_read(tmp_path: Path) -> None:
    recording = Recording(resolve([COUNTER]), tmp_path, interval_s=0.01)
    recording.start()
    start_s = time.monotonic()
    time.sleep(1.5)
    killed_s = time.monotonic()
    os.kill(recorder_pid(recording), signal.SIGKILL)
    until(lambda: gone(recorder_pid(recording)))
    recording.sample()
    recording.stop()
    for traces in (recording.traces(), read_traces(tmp_path)):
        trace = traces["cpu0:package"]
        assert trace.t_s[-1] > killed_s - 2 * FLUSH_S
        window = Window("w", start_s + 0.1, start_s + 0.8)
        assert trace.energy(window).joules == pytest.approx(28.0, rel=0.05)
    assert recording.facts()["ended"] == "with status -9"


def test_half_a_row_is_left_out(tmp_path: Path) -> None:
    with Recording(resolve([COUNTER]), tmp_path, mode="thread") as recording:
        recording.sample()
    whole = len(recording.traces()["cpu0:package"])
    with (tmp_path / "0-simulated.f64").open("ab") as file:
        file.write(b"\x00" * 11)
    assert len(read_traces(tmp_path)["cpu0:package"]) == whole


def test_outlives_its_parent_by_no_more_than_a_sample(tmp_path: Path) -> None:
    program = f"""
        import os, sys, time
        from pathlib import Path
        from joulebench.meters.registry import resolve
        from joulebench.testbed.recording import Recording
        recording = Recording(resolve([{COUNTER!r}]), Path({str(tmp_path)!r}), interval_s=0.05)
        recording.start()
        if os.fork() == 0:
            time.sleep(60)  # a child that holds the recorder's pipe open
            os._exit(0)
        print(recording._recorder.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.3)
    assert not gone(pid)
    parent.kill()
    parent.wait()
    try:
        until(lambda: gone(pid))
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()
    assert len(read_traces(tmp_path)["cpu0:package"]) > 4
    assert json.loads((tmp_path / "recorder-facts.json").read_text())["samples"] > 4


def test_ctrl_c_is_for_the_parent(tmp_path: Path) -> None:
    with Recording(resolve([COUNTER]), tmp_path, interval_s=0.02) as recording:
        os.kill(recorder_pid(recording), signal.SIGINT)
        time.sleep(0.2)
        assert not gone(recorder_pid(recording))
    assert "ended" not in recording.facts()


def test_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    specs = [spec.to_dict() for spec in resolve(["estimate", COUNTER])]
    asked = {"meters": specs, "folder": str(tmp_path), "interval_s": 0.01, "parent": os.getpid()}
    spec.write_text(json.dumps(asked))
    program = (
        "import sys; from joulebench.testbed.recorder import main; main(sys.argv[1:]);"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(spec)],
        input="ss",
        capture_output=True,
        text=True,
        check=True,
    )
    ready, rest = done.stdout.split("\n", 1)
    assert json.loads(ready) == {"ready": True}
    loaded = set(json.loads(rest.removeprefix("ss").replace("'", '"')))
    assert not loaded & {"numpy", "pandas", "pyarrow", "psutil", "rich", "typer", "yaml"}


def test_a_stall_is_a_gap_and_no_burst(tmp_path: Path) -> None:
    sampler = Sampler(resolve([COUNTER]), tmp_path, 0.02)
    stalls = iter([False] * 5 + [True])
    wakes: list[float] = []

    def wait(timeout_s: float) -> bool:
        time.sleep(max(timeout_s, 0) + (0.11 if len(wakes) == 2 else 0.0))
        wakes.append(time.monotonic())
        return next(stalls)

    sampler.run(wait, time.process_time)
    sampler.close()
    spacing = np.diff(read_traces(tmp_path)["cpu0:package"].t_s)
    assert (spacing[1:-1] > 0.005).all()
    assert sampler.facts()["missed"] >= 5


def test_stamps_are_set_back_to_the_sensors_update() -> None:
    slow = Channel("a:power", "W", period_s=0.1, stamp_s=0.01)
    known, shift_s = stamped(slow, 0.02)
    assert (known, shift_s) == (slow, 0.0)  # polled so often that its updates are seen
    doubted, shift_s = stamped(slow, 0.1)
    assert shift_s == pytest.approx(0.05)
    assert doubted.stamp_s == pytest.approx(math.hypot(0.01, 0.1 / math.sqrt(12)))
    counter = Channel("b:energy", "J", period_s=0.1)
    assert stamped(counter, 1.0) == (counter, 0.05)
    continuous = Channel("c:power", "W")
    assert stamped(continuous, 1.0) == (continuous, 0.0)


def test_traces_from_a_time_on(tmp_path: Path) -> None:
    with Recording(resolve([COUNTER]), tmp_path, interval_s=0.01, mode="thread") as recording:
        time.sleep(0.4)
    whole = recording.traces()["cpu0:package"]
    middle_s = float(whole.t_s[len(whole) // 2])
    part = recording.traces(middle_s)["cpu0:package"]
    assert part.t_s[0] <= middle_s < part.t_s[2]
    assert part.t_s[-1] == whole.t_s[-1]


def test_a_folder_without_a_recording_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no recording"):
        read_traces(tmp_path)
