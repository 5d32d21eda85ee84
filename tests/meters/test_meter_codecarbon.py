"""The real CodeCarbon beside our meters: offline, quiet, alone with nobody, and honest."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel
from joulebench.energy import headline_channels
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.codecarbon import J_PER_KWH, CodeCarbonMeter
from joulebench.meters.registry import resolve
from joulebench.testbed.recording import Recording

pytestmark = pytest.mark.skipif(find_spec("codecarbon") is None, reason="needs joulebench[carbon]")

FAST = {"country_iso_code": "NLD", "interval_s": 0.2}
HOSTILE = {
    "save_to_api": "true",
    "api_endpoint": "http://192.0.2.1:9",
    "emissions_endpoint": "http://192.0.2.1:9/emissions",
    "electricitymaps_api_token": "token",
    "co2_signal_api_token": "token",
    "allow_multiple_runs": "false",
    "save_to_file": "true",
    "output_dir": "/nowhere/at/all",
    "force_carbon_intensity_g_co2e_kwh": "1",
    "force_ram_power": "12345",
    "pue": "9",
}
"""Settings of a user's that would send, write, lock or bend the numbers."""


@pytest.fixture
def closing() -> Iterator[Callable[..., CodeCarbonMeter]]:
    opened: list[CodeCarbonMeter] = []

    def open_(**options: Any) -> CodeCarbonMeter:
        opened.append(CodeCarbonMeter(**{**FAST, **options}))
        return opened[-1]

    yield open_
    for meter in opened:
        meter.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of a network; every such call fails besides."""
    found: list[Any] = []

    def refuse(*words: Any, **_named: Any) -> None:
        found.append(words)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return found


def told(meter: CodeCarbonMeter, length_s: float = 0.5) -> tuple[list[Any], dict[str, Any]]:
    """Let a meter run, close it, and give its rows and its facts."""
    time.sleep(length_s)
    meter.close()
    return list(meter.rows()), meter.facts()


def test_gives_codecarbons_own_totals_in_joules(closing: Callable[..., CodeCarbonMeter]) -> None:
    meter = closing()
    rows, facts = told(meter, 0.7)
    final = facts["final_emissions_data"]
    totals = {"cpu": "cpu_energy", "gpu": "gpu_energy", "ram": "ram_energy"}
    for place, channel in enumerate(meter.channels):
        joules = J_PER_KWH * final[totals[channel.device]]
        assert rows[-1][1][place] == pytest.approx(joules)
    stamps = [stamp_s for stamp_s, _ in rows]
    assert len(rows) >= 3
    assert stamps == sorted(set(stamps))
    assert 0.4 < stamps[-1] - stamps[0] <= final["duration"] + 0.01
    for (_, earlier), (_, later) in pairwise(rows):
        assert all(a <= b for a, b in zip(earlier, later, strict=True))


def test_the_whole_final_data_is_kept_and_is_json(closing: Callable[..., CodeCarbonMeter]) -> None:
    from codecarbon.output_methods.emissions_data import EmissionsData

    _, facts = told(closing())
    kept = json.loads(json.dumps(facts, allow_nan=False))["final_emissions_data"]
    assert set(kept) == set(EmissionsData.__dataclass_fields__)
    assert (kept["country_iso_code"], kept["pue"], kept["tracking_mode"]) == ("NLD", 1.0, "machine")
    assert facts["version"] == kept["codecarbon_version"]
    assert kept["energy_consumed"] > 0


def test_tells_the_intensity_that_codecarbon_used(closing: Callable[..., CodeCarbonMeter]) -> None:
    _, facts = told(closing())
    final, intensity = facts["final_emissions_data"], facts["intensity"]
    used = final["emissions"] / final["energy_consumed"]
    assert intensity["kg_per_kwh"] == pytest.approx(used)
    assert intensity["country"] == "Netherlands"
    assert re.fullmatch(r"CodeCarbon [\d.]+, .* NLD in 20\d\d", intensity["source"])


def test_a_region_has_an_intensity_of_its_own(closing: Callable[..., CodeCarbonMeter]) -> None:
    whole = closing(country_iso_code="USA").facts()["intensity"]["kg_per_kwh"]
    _, facts = told(closing(country_iso_code="usa", region="Vermont"))
    final = facts["final_emissions_data"]
    assert facts["intensity"]["kg_per_kwh"] == pytest.approx(
        final["emissions"] / final["energy_consumed"]
    )
    assert facts["intensity"]["kg_per_kwh"] < 0.5 * whole
    assert facts["intensity"]["region"] == "Vermont"


def test_the_constant_of_the_memory_is_a_channel_of_its_own(
    closing: Callable[..., CodeCarbonMeter],
) -> None:
    meter = closing()
    rows, facts = told(meter)
    ram = next(place for place, c in enumerate(meter.channels) if c.name == "ram:codecarbon")
    assert facts["backends"]["ram:codecarbon"] == "constant"
    assert (meter.channels[ram].method, meter.channels[ram].scope) == ("estimated", "dram")
    (first_s, first), (last_s, last) = rows[0], rows[-1]
    watts = (last[ram] - first[ram]) / (last_s - first_s)
    said = next(note for note in meter.notes if note.startswith("ram:codecarbon is no measurement"))
    assert f"{watts:.0f} W" in said
    assert "ram:codecarbon" not in [c.name for c in headline_channels(meter.channels)]


@pytest.mark.skipif(os.path.exists("/sys/class/powercap/intel-rapl:0"), reason="RAPL is here")
def test_without_a_sensor_the_processor_is_estimated(
    closing: Callable[..., CodeCarbonMeter],
) -> None:
    meter = closing()
    cpu = next(c for c in meter.channels if c.name == "cpu:codecarbon")
    assert (cpu.method, cpu.scope, cpu.period_s) == ("estimated", "cpu package", 0.0)
    assert meter.settle_s == 0.2
    assert cpu.gain >= 0.5
    assert any("cpu_load" in note and "no measurement" in note for note in meter.notes)


def test_asks_nothing_of_a_network_whatever_the_user_has_set(
    closing: Callable[..., CodeCarbonMeter],
    calls: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{name} = {value}" for name, value in HOSTILE.items()]
    (tmp_path / ".codecarbon.config").write_text("\n".join(["[codecarbon]", *lines]))
    for name, value in HOSTILE.items():
        monkeypatch.setenv(f"CODECARBON_{name.upper()}", value)
    rows, facts = told(closing())
    assert calls == []
    assert len(rows) >= 2
    final = facts["final_emissions_data"]
    assert (final["pue"], final["ram_power"] < 12345) == (1.0, True)
    assert final["emissions"] / final["energy_consumed"] == pytest.approx(0.27, rel=0.3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".codecarbon.config"]


def test_the_guard_of_the_network_sees_a_call(calls: list[Any]) -> None:
    import requests

    with pytest.raises(requests.ConnectionError):
        requests.get("http://192.0.2.1:9", timeout=1)
    assert calls


def test_threads_and_log_are_given_back(
    closing: Callable[..., CodeCarbonMeter], capfd: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("codecarbon")
    before = set(threading.enumerate()), log.level, list(log.handlers), list(log.filters)
    meter = closing()
    log.warning("this belongs to no terminal")
    assert set(threading.enumerate()) != before[0]
    _, facts = told(meter)
    assert "this belongs to no terminal" in facts["warnings"]
    assert (set(threading.enumerate()), log.level, list(log.handlers), list(log.filters)) == before
    assert capfd.readouterr() == ("", "")


def test_is_stopped_between_two_readings(
    closing: Callable[..., CodeCarbonMeter], monkeypatch: pytest.MonkeyPatch
) -> None:
    from codecarbon.emissions_tracker import OfflineEmissionsTracker

    steps: list[str] = []
    begun = threading.Event()
    prepare = OfflineEmissionsTracker._prepare_emissions_data

    def slow(tracker: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            steps.append("stopping")
            return prepare(tracker)
        begun.set()
        time.sleep(0.3)  # CodeCarbon forgets its start meanwhile, where it is stopped
        found = prepare(tracker)
        steps.append("read")
        return found

    meter = closing()
    monkeypatch.setattr(OfflineEmissionsTracker, "_prepare_emissions_data", slow)
    assert begun.wait(5.0)
    meter.close()
    assert steps[:2] == ["read", "stopping"]


def test_an_error_while_it_reads_is_kept_and_the_next_reading_comes(
    closing: Callable[..., CodeCarbonMeter], monkeypatch: pytest.MonkeyPatch
) -> None:
    from codecarbon.emissions_tracker import OfflineEmissionsTracker

    measure = OfflineEmissionsTracker._do_measurements
    fails = iter([True])

    def flaky(tracker: Any) -> None:
        if next(fails, False):
            raise OSError("the bus hiccuped")
        measure(tracker)

    meter = closing()
    monkeypatch.setattr(OfflineEmissionsTracker, "_do_measurements", flaky)
    rows, facts = told(meter, 0.8)
    assert "OSError: the bus hiccuped" in facts["warnings"]
    assert len(rows) >= 3


def test_two_recorders_run_it_at_once_and_a_lock_file_stops_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / ".codecarbon.lock").touch()
    specs = resolve([{"codecarbon": FAST}])
    with (
        Recording(specs, tmp_path / "a", interval_s=0.1) as first,
        Recording(specs, tmp_path / "b", interval_s=0.1) as second,
    ):
        time.sleep(0.6)
    for recording in (first, second):
        assert len(recording.traces()["ram:codecarbon"]) >= 3
        facts = recording.facts()
        assert facts["meters"]["codecarbon"]["final_emissions_data"]["energy_consumed"] > 0
        assert any("no measurement" in note for note in facts["notes"])
        assert (recording.folder / "recorder.log").read_text() == ""
    assert (tmp_path / ".codecarbon.lock").exists()


def test_is_measured_with_in_a_program_and_says_nothing_there() -> None:
    program = (
        "import time, joulebench as jb\n"
        f"with jb.measure('x', meters=[{{'codecarbon': {FAST}}}]) as m: time.sleep(0.5)\n"
        "assert m.channels['ram:codecarbon'].joules > 1, m.channels\n"
        "assert not m.refusals, m.refusals\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_process_mode_watches_the_work_and_not_the_recorder(tmp_path: Path) -> None:
    specs = resolve([{"codecarbon": FAST | {"tracking_mode": "process"}}])
    with Recording(specs, tmp_path / "r", interval_s=0.1) as recording:
        begun_s, busy_s = time.monotonic(), time.process_time()
        while time.monotonic() < begun_s + 1.0:
            pass  # the parent of the recorder is what works
        busy_s = time.process_time() - busy_s
    trace = recording.traces()["cpu:codecarbon"]
    if trace.channel.method != "estimated":
        pytest.skip("a sensor reads this processor, all of it")
    assert trace.channel.scope == "process"
    [note] = [n for n in recording.facts()["notes"] if n.startswith("cpu:codecarbon")]
    found = re.search(r"processor of ([\d.]+) W", note)
    assert found is not None
    one_core_w = float(found[1]) / (os.cpu_count() or 1)
    joules = trace.v[-1] - trace.v[0]
    assert 0.8 * one_core_w * busy_s < joules < 1.1 * one_core_w * (busy_s + 0.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"country_iso_code": "NL"}, "did you mean 'NLD'"),
        ({"country_iso_code": "Germany"}, "did you mean 'DEU'"),
        ({"country_iso_code": "???"}, "three letters"),
        ({"region": "Utrecht"}, "region = 'Utrecht' is none of NLD"),
        ({"country_iso_code": "USA", "region": "Utrecht"}, "none of USA"),
        ({"interval_s": 0.0}, "interval_s = 0.0 must be from 0.1 to 3600 s"),
        ({"interval_s": float("nan")}, "interval_s = nan"),
        ({"tracking_mode": "offline"}, "'machine' or 'process'"),
    ],
)
def test_misuse_is_one_line(options: dict[str, Any], says: str) -> None:
    before = list(logging.getLogger("codecarbon").filters)
    with pytest.raises(UsageError, match=re.escape(says)):
        CodeCarbonMeter(**{**FAST, **options})
    assert logging.getLogger("codecarbon").filters == before


def test_the_country_has_to_be_told() -> None:
    [spec] = resolve(["codecarbon"])
    with pytest.raises(UsageError, match="country_iso_code"):
        spec.open()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("codecarbon", "codecarbon.core.resource_tracker"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match="CodeCarbon is not installed") as caught:
        CodeCarbonMeter(**FAST)  # type: ignore[arg-type]
    assert caught.value.remedy == "pip install 'joulebench[carbon]'"


def test_an_error_that_codecarbon_keeps_to_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from codecarbon.core.resource_tracker import ResourceTracker

    def broken(_self: Any) -> None:
        raise RuntimeError("the probe broke")

    monkeypatch.setattr(ResourceTracker, "set_CPU_GPU_ram_tracking", broken)
    before = set(threading.enumerate())
    with pytest.raises(UsageError, match=r"does not start: .*the probe broke"):
        CodeCarbonMeter(**FAST)  # type: ignore[arg-type]
    assert set(threading.enumerate()) == before


def _names(*channels: Channel) -> list[str]:
    return [channel.name for channel in headline_channels(channels)]


def codecarbon(device: str, scope: str, method: str = "measured") -> Channel:
    return Channel(f"{device}:codecarbon", "J", method=method, scope=scope)


def test_is_never_added_to_a_reading_of_the_same_devices() -> None:
    packages = [Channel(f"cpu{n}:package", "J", scope="cpu package") for n in range(2)]
    boards = [Channel(f"gpu{n}:energy", "J", scope="gpu board") for n in range(2)]
    memory = Channel("cpu0:dram", "J", scope="dram")
    cpu, gpu = codecarbon("cpu", "cpu package"), codecarbon("gpu", "gpu board")
    ram = codecarbon("ram", "dram", "estimated")
    assert _names(cpu, gpu, ram) == ["cpu:codecarbon", "gpu:codecarbon"]
    ours = [c.name for c in (*packages, *boards, memory)]
    assert _names(cpu, gpu, ram, *packages, *boards, memory) == ours
    assert _names(cpu, gpu, ram, *boards) == ["cpu:codecarbon", *(c.name for c in boards)]


def test_of_two_readings_of_the_same_devices_the_stronger_counts() -> None:
    modelled = Channel("cpu0:package", "J", method="modelled", scope="cpu package")
    measured = codecarbon("cpu", "cpu package")
    assert _names(modelled, measured) == ["cpu:codecarbon"]
    estimated = codecarbon("cpu", "cpu package", "estimated")
    assert _names(modelled, estimated) == ["cpu0:package"]
    estimate = Channel("cpu:estimate", "J", method="estimated", scope="cpu package")
    assert _names(estimate, estimated) == ["cpu:estimate"]


def test_what_was_assumed_for_memory_counts_only_alone() -> None:
    ram = codecarbon("ram", "dram", "estimated")
    board = Channel("gpu0:energy", "J", scope="gpu board")
    assert _names(ram, board) == ["gpu0:energy"]
    assert _names(ram) == ["ram:codecarbon"]
