"""EnergiBridge as a meter, against a stand-in that writes its exact format and fails as it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.channel import Window
from joulebench.energibridge_columns import READING_S
from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.importers.energibridge_head import read_head
from joulebench.importers.energibridge_log import read_log
from joulebench.meters import energibridge_process
from joulebench.meters.energibridge import EnergiBridgeMeter
from joulebench.meters.registry import resolve
from joulebench.sensor_gains import NVML_GAIN, RAPL_GAINS
from joulebench.testbed.recording import Recording

STAND_IN = Path(__file__).with_name("energibridge_stand_in.py")
WRAP_J = 2.0**18
INTERVAL_MS = 50


class Bench:
    """A folder with a stand-in to call, and the meters that were opened on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kept = folder / "kept"
        self.opened: list[EnergiBridgeMeter] = []

    def program(self, **pretended: Any) -> str:
        """Write an executable that pretends something, and give its path."""
        path = self.folder / "energibridge"
        configuration = self.folder / "pretended.json"
        configuration.write_text(json.dumps(pretended), encoding="utf-8")
        call = f'exec "{sys.executable}" "{STAND_IN}" --configuration "{configuration}" "$@"'
        path.write_text(f"#!/bin/sh\n{call}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def open(self, *, keep: bool = False, label: str = "", **pretended: Any) -> EnergiBridgeMeter:
        program = self.program(**pretended)
        meter = EnergiBridgeMeter(
            program, INTERVAL_MS, keep=str(self.kept) if keep else "", label=label
        )
        self.opened.append(meter)
        return meter


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    bench = Bench(tmp_path)
    yield bench
    for meter in bench.opened:
        meter.close()


def until(true: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def gather(meter: EnergiBridgeMeter, count: int) -> list[tuple[float, list[float]]]:
    """Read until so many rows have come."""
    rows: list[tuple[float, list[float]]] = []

    def enough() -> bool:
        rows.extend(meter.rows())
        return len(rows) >= count

    until(enough)
    return rows


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def children(pid: int) -> list[int]:
    """Give the processes that a process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found.append(int(folder.name))
    return found


def running(meter: EnergiBridgeMeter) -> int:
    return meter._bridge._process.pid


def test_channels_are_those_of_the_importer(bench: Bench) -> None:
    meter = bench.open()
    by_name = {channel.name: channel for channel in meter.channels}
    assert list(by_name) == ["gpu0:power", "cpu0:package", "cpu0:core"]
    package, power = by_name["cpu0:package"], by_name["gpu0:power"]
    assert (package.unit, package.wrap_j, package.resolution) == ("J", WRAP_J, 2.0**-14)
    assert (package.gain, package.scope) == (RAPL_GAINS["cpu package"], "cpu package")
    assert package.stamp_s == pytest.approx(READING_S / 3**0.5)
    assert (power.unit, power.gain, power.stamp_s) == ("W", NVML_GAIN, 0.5)
    assert "DRAM_ENERGY (J), PP1_ENERGY (J): absent" in meter.notes[0]
    assert "average of the last second" in meter.notes[1]
    assert meter.notes[2:] == [
        "energibridge: this is energibridge-stand-in 0.0.7; its log is known of 0.0.7"
    ]


def test_another_version_is_told(bench: Bench) -> None:
    assert not any("known of" in n for n in bench.open(version="energibridge 0.0.7").notes)
    assert any("this is 0.0.9;" in n for n in bench.open(version="energibridge 0.0.9").notes)


def test_rows_are_stamped_in_monotonic_time(bench: Bench) -> None:
    before_s = time.monotonic()
    meter = bench.open()
    rows = gather(meter, 6)
    stamps = [stamp_s for stamp_s, _ in rows]
    assert stamps == sorted(set(stamps))
    # A stamp is cut to whole milliseconds.
    assert before_s - 0.002 < stamps[0] < stamps[-1] < time.monotonic()
    power_w, package_j, core_j = rows[0][1]
    assert power_w == 150.0
    assert 1000 <= package_j < 1400
    assert core_j == pytest.approx(package_j / 2, abs=2.0**-14)


def test_rows_are_exactly_what_the_importer_reads(bench: Bench) -> None:
    meter = bench.open(keep=True, start_j=WRAP_J - 4.0)
    rows = gather(meter, 10)
    meter.close()
    rows += meter.rows()
    assert meter.rows() == []
    [log] = bench.kept.glob("*/energibridge.csv")
    read = read_log(read_head(log))
    assert [trace.channel for trace in read.traces] == meter.channels
    stamps = np.array([stamp_s for stamp_s, _ in rows])
    for place, trace in enumerate(read.traces):
        assert trace.v.tolist() == [values[place] for _, values in rows]
        assert np.abs(stamps - stamps[0] - trace.t_s).max() < 1e-6
    package = read.traces[1]
    assert (np.diff(package.v) < 0).sum() == 1, "the counter was to wrap"
    facts = meter.facts()
    assert facts["folder"] == str(log.parent)
    assert "none printed: its sum does not undo the wrap" in facts["summary"]["verdict"]


def test_a_summary_that_contradicts_the_rows_is_named(bench: Bench) -> None:
    meter = bench.open(summary_off_j=500.0)
    gather(meter, 4)
    meter.close()
    assert "contradicts the trace, by -500.0 J" in meter.facts()["summary"]["verdict"]


def test_closing_ends_it_and_keeps_its_summary(bench: Bench) -> None:
    meter = bench.open()
    pid = running(meter)
    [placeholder] = children(pid)
    gather(meter, 5)
    meter.close()
    meter.close()
    assert gone(pid)
    assert gone(placeholder)
    assert len(meter.rows()) >= 1
    facts = meter.facts()
    assert (facts["tool"], facts["version"], facts["status"]) == (
        "EnergiBridge",
        "energibridge-stand-in 0.0.7",
        0,
    )
    assert f"--summary --gpu -i {INTERVAL_MS} --" in facts["command"]
    assert facts["silent_columns"] == ["DRAM_ENERGY (J)", "PP1_ENERGY (J)"]
    summary = facts["summary"]
    assert summary["verdict"] == "agrees with the trace"
    assert summary["energy_j"] == pytest.approx(summary["log_energy_j"], abs=1e-5)
    assert summary["energy_j"] == pytest.approx(40 * summary["duration_s"], rel=0.5)
    assert json.loads(json.dumps(facts)) == facts
    assert "folder" not in facts
    assert "ended_early" not in facts
    assert list((bench.folder / "tmp").iterdir()) == []


def test_gpus_state_is_observed(bench: Bench) -> None:
    meter = bench.open(gpu_mw=[150000.0, 90000.5])
    rows = gather(meter, 3)
    assert rows[0][1][:2] == [150.0, 90000.5 * 1e-3]
    first, second = meter.observe()
    assert first == {
        "device": "gpu0",
        "temperature_c": 39.0,
        "utilisation": 0.75,
        "memory_used_bytes": 357 * 2.0**20,
    }
    assert second["device"] == "gpu1"


def test_without_gpus(bench: Bench) -> None:
    meter = bench.open(gpu_mw=[])
    assert {channel.device for channel in meter.channels} == {"cpu0"}
    assert any("shows no GPU" in note for note in meter.notes)
    meter.close()
    meter = EnergiBridgeMeter(bench.program(), INTERVAL_MS, gpu=False)
    bench.opened.append(meter)
    assert {channel.device for channel in meter.channels} == {"cpu0"}
    assert not any("GPU" in note for note in meter.notes)
    meter.close()
    assert "--gpu" not in meter.facts()["command"]


def test_amd_is_a_model(bench: Bench) -> None:
    meter = bench.open(amd=True, gpu_mw=[])
    assert [c.name for c in meter.channels] == ["cpu0:core0", "cpu0:package"]
    assert {c.method for c in meter.channels} == {"modelled"}


def test_a_label_keeps_channels_apart(bench: Bench) -> None:
    meter = bench.open(label="bridge")
    assert [c.name for c in meter.channels][1:] == ["cpu0:package.bridge", "cpu0:core.bridge"]
    assert meter.channels[1].device == "cpu0"


def test_a_line_that_is_still_being_written_is_waited_for(bench: Bench) -> None:
    meter = bench.open(cell_s=0.004)
    rows: list[tuple[float, list[float]]] = []
    deadline_s = time.monotonic() + 1.0
    while time.monotonic() < deadline_s:
        rows += meter.rows()
    assert len(rows) > 3
    assert all(values[0] == 150.0 and values[1] >= 1000 for _, values in rows)


@pytest.mark.parametrize(
    ("how", "what", "remedy"),
    [
        ("permission", "may not open /dev/cpu", "sudo chmod a+r /dev/cpu/*/msr && sudo setcap"),
        ("capability", "lacks the capability", "sudo setcap cap_sys_rawio=ep {program}"),
        ("module", "is not there", "sudo modprobe msr"),
        ("slow", "took longer than its interval", "interval_ms=1000"),
        ("kill", "killed by signal 9", "Measure again."),
    ],
)
def test_a_program_that_cannot_measure_is_unavailable(
    bench: Bench, how: str, what: str, remedy: str
) -> None:
    with pytest.raises(Unavailable) as caught:
        bench.open(how=how)
    assert what in caught.value.what
    assert remedy.format(program=bench.folder / "energibridge") in caught.value.remedy
    if how != "kill":
        assert "It said: thread 'main' panicked at" in caught.value.what
    assert "RUST_BACKTRACE" not in caught.value.what
    assert list((bench.folder / "tmp").iterdir()) == []


@pytest.mark.parametrize("virtual", [True, False])
def test_a_register_that_is_missing(
    bench: Bench, virtual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Processor:
        pass

    processor = Processor()
    processor.virtual = virtual  # type: ignore[attr-defined]
    monkeypatch.setattr("joulebench.meters.energibridge_errors.machine", lambda: processor)
    with pytest.raises(Unavailable, match="virtual machine" if virtual else "lacks one of"):
        bench.open(how="register")


def test_a_log_without_any_reading(bench: Bench) -> None:
    with pytest.raises(Unavailable, match="reads zero from each of"):
        bench.open(how="nothing")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("slow", "interval_ms=1000"),
        ("clock", "wall clock was set back"),
        ("disk", "Make room on the disk"),
        ("register", "PP1"),
        ("kill", "killed by signal 9"),
        ("columns", "columns cannot be told apart"),
    ],
)
def test_what_came_before_a_crash_is_kept(bench: Bench, how: str, words: str) -> None:
    meter = bench.open(how=how, after_rows=6)  # of which the first two have one stamp
    rows = gather(meter, 5)
    lost: list[SensorLost] = []

    def raised() -> bool:
        try:
            rows.extend(meter.rows())
        except SensorLost as error:
            lost.append(error)
        return bool(lost)

    until(raised)
    assert words in str(lost[0])
    assert "\n" not in str(lost[0])
    assert [values[0] for _, values in rows] == [150.0] * 5
    meter.close()
    facts = meter.facts()
    assert words in facts["ended_early"]
    assert (facts["rows"], facts["rows_repeated"]) == (5, 1)
    kept = Path(facts["folder"]) / "energibridge.csv"
    assert len(kept.read_text(encoding="utf-8").splitlines()) >= 6


def test_one_that_was_told_to_stop_says_so(bench: Bench) -> None:
    meter = bench.open()
    gather(meter, 3)
    os.kill(running(meter), signal.SIGTERM)
    with pytest.raises(SensorLost, match="somebody told it to stop"):
        gather(meter, 1000)


def test_a_child_of_ours_that_holds_the_pipe_does_not_keep_it_alive(bench: Bench) -> None:
    meter = bench.open()
    pid = running(meter)
    pipe = meter._bridge._process.stdin
    assert pipe is not None
    with subprocess.Popen(["/bin/sleep", "60"], pass_fds=[pipe.fileno()]) as child:
        try:
            meter.close()
            assert gone(pid)
            assert meter.facts()["status"] == 0
        finally:
            child.kill()


def test_one_that_hangs_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energibridge_process, "_STOP_S", 0.2)
    meter = bench.open()
    pid = running(meter)
    gather(meter, 2)
    os.kill(pid, signal.SIGSTOP)
    meter.close()
    assert gone(pid)
    assert meter.facts()["status"] == -signal.SIGKILL


def test_it_ends_with_us_even_when_we_are_killed(bench: Bench) -> None:
    program = bench.program()
    script = f"""
        import time
        from joulebench.meters.energibridge import EnergiBridgeMeter
        meter = EnergiBridgeMeter({program!r}, {INTERVAL_MS})
        print(meter._bridge._process.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
    ) as us:
        assert us.stdout is not None
        pid = int(us.stdout.readline())
        [placeholder] = children(pid)
        us.kill()
    until(lambda: gone(pid) and gone(placeholder))


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        EnergiBridgeMeter(str(tmp_path / "nowhere"))
    assert "no program" in caught.value.what
    assert "cargo install --git https://github.com/tdurieux/EnergiBridge" in caught.value.remedy
    with pytest.raises(Unavailable, match="no program"):
        EnergiBridgeMeter("")


def test_a_program_that_is_something_else(bench: Bench) -> None:
    other = bench.folder / "other"
    other.write_text("#!/bin/sh\necho 'usage: other FILE' >&2\nexit 2\n", encoding="utf-8")
    other.chmod(0o755)
    with pytest.raises(Unavailable, match="does not know the options"):
        EnergiBridgeMeter(str(other))


def test_words_before_the_program(bench: Bench) -> None:
    meter = EnergiBridgeMeter(f"env A=1 {bench.program()}", INTERVAL_MS)
    bench.opened.append(meter)
    assert len(gather(meter, 2)) >= 2


def test_wrong_options(bench: Bench) -> None:
    with pytest.raises(UsageError, match="interval_ms = 0 must be above 0"):
        EnergiBridgeMeter(bench.program(), 0)
    (bench.folder / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="no folder can be made"):
        EnergiBridgeMeter(bench.program(), keep=str(bench.folder / "file" / "below"))


def specs(program: str, **options: Any) -> Any:
    return resolve([{"energibridge": {"executable": program, "interval_ms": 100, **options}}])


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_a_recording_gives_the_energy_that_was_drawn(bench: Bench, mode: str) -> None:
    program = bench.program(watts=40.0)
    with Recording(specs(program), bench.folder / "r", interval_s=0.05, mode=mode) as recording:
        time.sleep(0.3)
        start_s = time.monotonic()
        time.sleep(1.0)
        window = Window("measure", start_s, time.monotonic())
        recording.settle()
        until(lambda: recording.watts() == pytest.approx(190.0, rel=0.2))
        assert recording.settle_s == pytest.approx(0.25), "two and a half intervals"
    traces = recording.traces()
    assert list(traces) == ["gpu0:power", "cpu0:package", "cpu0:core"]
    counted = traces["cpu0:package"].energy(window)
    assert counted.joules == pytest.approx(40 * window.duration_s, rel=0.05)
    assert counted.interval_95[0] <= 40 * window.duration_s <= counted.interval_95[1]
    drawn = traces["gpu0:power"].energy(window)
    assert drawn.joules == pytest.approx(150 * window.duration_s, rel=0.01)
    told = recording.facts()["meters"]["energibridge"]
    assert told["summary"]["verdict"] == "agrees with the trace"
    assert told["rows"] == len(traces["cpu0:package"])
    assert recording.observations()[0]["device"] == "gpu0"


def test_a_recording_outlives_a_crash(bench: Bench) -> None:
    program = bench.program(how="disk", after_rows=6)
    both = [*specs(program), *resolve([{"simulated": {"board": "volta", "device": "gpu3"}}])]
    with Recording(both, bench.folder / "r", interval_s=0.05) as recording:
        time.sleep(1.2)
    facts = recording.facts()
    assert "Make room on the disk" in facts["lost"]["energibridge"]
    assert "simulated" not in facts["lost"]
    traces = recording.traces()
    assert len(traces["cpu0:package"]) == 5
    assert traces["gpu3:power"].t_s[-1] > traces["cpu0:package"].t_s[-1] + 0.3


def test_our_own_readings_of_the_same_device_stand_beside_it(bench: Bench) -> None:
    program = bench.program()
    board = {"simulated": {"board": "rapl", "watts": 40.0}}
    with pytest.raises(UsageError, match="both give the channel"):
        Recording([*specs(program), *resolve([board])], bench.folder / "a").start()
    both = [*specs(program, label="bridge"), *resolve([board])]
    with Recording(both, bench.folder / "b", interval_s=0.05) as recording:
        time.sleep(0.5)
    assert {"cpu0:package", "cpu0:package.bridge"} <= set(recording.traces())
