"""Sensors that vanish, lie or start again while work is measured: told, and the rest is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel, Window
from joulebench.meters.meter import ABSENT, MeterSpec
from joulebench.meters.registry import resolve
from joulebench.record_traces import load_traces
from joulebench.run_row import headline_energy
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.doubts import Circumstances, doubts, late_recorder
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.recorded import covering
from joulebench.testbed.recording import Recording
from joulebench.testbed.sensors import Sensors
from joulebench.testbed.suspension import asleep_s, suspended

CPU: dict[str, Any] = {"simulated": {"board": "rapl", "watts": 40.0}}


def board(name: str = "hopper-instant", **options: Any) -> dict[str, Any]:
    return {"simulated": {"board": name, "watts": 300.0, **options}}


def trial(*meters: Any, length_s: float = 1.2) -> dict[str, Any]:
    study = {
        "study": "s",
        "workload": "command",
        "command": ["sleep", str(length_s)],
        "protocol": {"idle_s": 0.3, "idle_after_s": 0.3, "interval_s": 0.02},
    }
    specs = [spec.to_dict() for spec in resolve(list(meters))]
    return plan(parse(study, "s"))[0] | {"meters": specs}


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[LocalTestbed]:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    testbed = LocalTestbed(tmp_path, "here", find=lambda meters: Sensors(_given(meters), []))
    yield testbed
    testbed.close()


def _given(meters: Any) -> list[dict[str, Any]]:
    return list(meters)


def silent(_message: dict[str, Any]) -> None:
    return None


class Fading:
    """Reads for a while, then gives nothing, or breaks, without saying that it is lost."""

    def __init__(self, *, breaks: bool = False, reads: int = 10) -> None:
        self.channels = [Channel("gpu0:power", "W", scope="gpu board", method="simulated")]
        self._left, self._breaks = reads, breaks

    def read(self) -> list[float]:
        self._left -= 1
        if self._left >= 0:
            return [50.0]
        if self._breaks:
            raise OSError("the bus is gone")
        return [ABSENT]

    def close(self) -> None:
        pass


def test_a_lost_meter_fails_the_run_and_keeps_the_rest(
    testbed: LocalTestbed, tmp_path: Path
) -> None:
    run = testbed.run(trial(board(faults={"vanish_s": 1.2}), {**CPU}), 1, silent)
    assert run.status == "failed"
    assert "the meter 'simulated gpu0' was lost while the trial ran" in (run.error or "")
    [found] = [f for f in run.findings if f.rule == "sensor-vanished"]
    assert (found.where, found.severity) == ("gpu0:power", "error")
    assert "gave no reading after 1." in found.message
    assert "vanished 1.2 s after" in found.message
    traces = load_traces(tmp_path / "traces" / f"{run.run_id}.parquet")
    assert traces.keys() == {"gpu0:power", "cpu0:package"}
    assert run.energy["gpu0:power"].keys() == {"idle"}
    assert run.energy["cpu0:package"].keys() == {"idle", "measure", "idle_after"}
    assert headline_energy(run) is None  # a sum without the lost one would be smaller


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("reads", [10, 0])
def test_a_sensor_that_falls_silent_is_named(tmp_path: Path, breaks: bool, reads: int) -> None:
    specs = [
        MeterSpec("fading", {"breaks": breaks, "reads": reads}, f"{__name__}:Fading"),
        *resolve([CPU]),
    ]
    with Recording(specs, tmp_path, interval_s=0.02, mode="thread") as recording:
        start_s = time.monotonic()
        time.sleep(0.8)
        window = Window("measure", start_s, time.monotonic())
        recording.sample()
    found = {f.rule: f for f in doubts(Circumstances.of(recording), [window])}
    vanished = found["sensor-vanished"]
    assert (vanished.severity, vanished.where) == ("error", "gpu0:power")
    says = "no reading after 0." if reads else "no reading at all"
    assert says in vanished.message
    assert ("failed-readings" in found) is breaks
    assert recording.traces().keys() == ({"gpu0:power"} if reads else set()) | {"cpu0:package"}


def test_a_counter_that_starts_again_costs_its_own_energy_alone(testbed: LocalTestbed) -> None:
    counter = board("counter", faults={"reset_s": 1.2})
    run = testbed.run(trial(counter, CPU), 1, silent)
    assert run.status == "done"
    [finding] = [f for f in run.findings if f.where == "gpu0:energy measure"]
    assert (finding.rule, finding.severity) == ("counter", "error")
    assert "went backwards" in finding.message
    assert "measure" not in run.energy.get("gpu0:energy", {})
    assert run.energy["cpu0:package"]["measure"]["joules"] > 0
    assert headline_energy(run) is None


def test_impossible_power_is_left_out_of_trace_and_energy(
    testbed: LocalTestbed, tmp_path: Path
) -> None:
    spiky = board(limit_w=700.0, faults={"spike_every_s": 0.4})
    run = testbed.run(trial(spiky, length_s=2.5), 1, silent)
    [finding] = [f for f in run.findings if f.rule == "power-above-limit"]
    assert (finding.severity, finding.seen) == ("error", "3000 W")
    [trace] = load_traces(tmp_path / "traces" / f"{run.run_id}.parquet").values()
    assert trace.v.max() == 300.0
    measured_s = next(w.duration_s for w in run.windows if w.name == "measure")
    energy = run.energy["gpu0:power"]["measure"]
    assert energy["joules"] == pytest.approx(300 * measured_s, rel=0.02)


def test_an_impossible_mean_is_refused(testbed: LocalTestbed) -> None:
    run = testbed.run(trial(board("counter", limit_w=100.0), CPU), 1, silent)
    assert "measure" not in run.energy.get("gpu0:energy", {})
    rules = {f.where: f for f in run.findings}
    assert rules["gpu0:energy measure"].severity == "error"
    assert "more than 2 times the limit of 100 W" in rules["gpu0:energy measure"].message


def test_a_recorder_that_kept_its_pace_is_not_late() -> None:
    assert not list(late_recorder({"samples": 1000, "missed": 5}))
    assert not list(late_recorder({}))


def test_a_late_recorder_is_told() -> None:
    [some] = late_recorder({"samples": 950, "missed": 50, "lateness_p99_s": 0.03})
    assert (some.rule, some.severity) == ("late-recorder", "note")
    assert "missed 50 of 1000 samples, and 1 % of them came 0.03 s late" in some.message
    [many] = late_recorder({"samples": 500, "missed": 500})
    assert many.severity == "warning"


def test_the_time_asleep_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asleep_s() >= 0
    assert suspended(0.1) == []
    recording = Recording(resolve([CPU]), tmp_path, interval_s=0.02, mode="thread")
    recording.start()
    now_s = asleep_s()
    monkeypatch.setattr("joulebench.testbed.recording.asleep_s", lambda: now_s + 61.0)
    recording.stop()
    facts = recording.facts()
    assert facts["suspended_s"] == pytest.approx(61.0, abs=0.1)
    [finding] = [f for f in doubts(Circumstances.of(recording), []) if f.rule == "suspended"]
    assert "suspended for 61.0 s" in finding.message


class Watched:
    """A device that another process came to while it was read."""

    channels = (Channel("gpu0:power", "W", scope="gpu board", method="simulated"),)

    def __init__(self) -> None:
        self._since_s = time.monotonic()

    def read(self) -> list[float]:
        return [50.0]

    def observe(self) -> list[dict[str, Any]]:
        late = time.monotonic() > self._since_s + 0.5
        guests = [{"pid": 1, "name": "init", "memory_bytes": 2_000_000_000}] if late else []
        return [
            {"device": "gpu0", "utilisation": 0.0, "temperature_c": 40, "processes": guests},
            {"device": "gpu1", "temperature_c": math.nan, "throttle": ["power brake"]},
        ]

    def close(self) -> None:
        pass


def test_a_trial_keeps_the_state_of_its_devices_and_names_guests(
    testbed: LocalTestbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    spec = MeterSpec("watched", {}, f"{__name__}:Watched").to_dict()
    run = testbed.run(trial(CPU, length_s=2.2) | {"meters": [spec]}, 1, silent)
    assert run.facts["devices"]["gpu0"]["temperature_c"]["max"] == 40.0
    assert "temperature_c" not in run.facts["devices"]["gpu1"]
    assert run.facts["devices"]["gpu1"]["throttle"] == {"power brake": 1.0}
    rules = {(f.rule, f.where): f for f in run.findings}
    assert rules["throttled", "gpu1"].severity == "warning"
    assert "init (pid 1) with 2 GB" in rules["shared-device", "gpu0"].message


def test_a_channel_that_gave_nothing_is_stood_in_for_by_its_equal_alone() -> None:
    counter = Channel("gpu0:energy", "J", scope="gpu board")
    power = Channel("gpu0:power", "W", scope="gpu board")
    cpu = Channel("cpu0:package", "J", scope="cpu package")
    assert covering([counter, power, cpu], {"gpu0:power", "cpu0:package"}) == [power, cpu]
    assert covering([counter, power, cpu], {"cpu0:package"}) == [counter, power, cpu]
    assert covering([counter, cpu], {"gpu0:energy", "cpu0:package"}) == [counter, cpu]
