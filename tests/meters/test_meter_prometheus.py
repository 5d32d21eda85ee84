"""Power out of a real Prometheus that scrapes stand-ins for the DCGM exporter."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from dcgm_stand_in import DcgmStandIn, StandInGpu
from prometheus_real import SCRAPE_S, RealPrometheus, Wire

from joulebench.channel import Window
from joulebench.energy import Trace, headline_channels
from joulebench.errors import CounterError, SensorLost, Unavailable, UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.meters.power_profile import PowerProfile
from joulebench.meters.prometheus import PrometheusMeter
from joulebench.testbed.recording import Recording

TARGET = "joulebench.meters.prometheus:PrometheusMeter"
PASSWORD_HASH = "$2b$04$OAf9TkcfK1T5abp5SLfo.eASzDNy5yQ6ABMCpNpbhWWBkDE0Sl3BK"
"""Of the word "stand-in", by bcrypt, as the server's configuration has it."""


def _bursts(seed: int) -> PowerProfile:
    """Draw steps of 0.4 to 1.5 s between 80 and 600 W, beginning well before now."""
    draw = random.Random(seed)
    times, watts = [time.monotonic() - 30.0], [100.0]
    while times[-1] < time.monotonic() + 120.0:
        times.append(times[-1] + draw.uniform(0.4, 1.5))
        watts.append(draw.uniform(80.0, 600.0))
    return PowerProfile(times, watts)


@dataclass
class Scene:
    """One Prometheus and the exporters that it scrapes, by the name of their job."""

    prometheus: RealPrometheus
    exporters: dict[str, DcgmStandIn]

    @property
    def url(self) -> str:
        return self.prometheus.url

    def gpu(self, job: str, number: int = 0) -> StandInGpu:
        return self.exporters[job].gpus[number]

    def query(self, metric: str, job: str) -> str:
        return f'{metric}{{job="{job}"}}'


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Iterator[Scene]:
    path = program("prometheus")
    exporters = {
        "cards": DcgmStandIn([StandInGpu(_bursts(n), n) for n in (10, 2)]),
        "slow": DcgmStandIn([StandInGpu(_bursts(7), 0, "node8")], collect_s=0.5),
        "reset": DcgmStandIn([StandInGpu(_bursts(8), 0, "node9")]),
        "fleeting": DcgmStandIn([StandInGpu(_bursts(9), 0, "node10")]),
    }
    ports = {name: exporter.port for name, exporter in exporters.items()}
    server = RealPrometheus(path, tmp_path_factory.mktemp("prometheus"), ports)
    try:
        for name in exporters:
            server.wait_for_series(f'DCGM_FI_DEV_POWER_USAGE%7Bjob="{name}"%7D')
        time.sleep(2.0)
        yield Scene(server, exporters)
    finally:
        server.close()
        for exporter in exporters.values():
            exporter.close()


def test_finds_the_cards_of_one_host(scene: Scene) -> None:
    meter = PrometheusMeter(scene.url, host="node7.cluster.example")
    meter.close()
    names = ["gpu2:dcgm-power", "gpu10:dcgm-power", "gpu2:dcgm-energy", "gpu10:dcgm-energy"]
    assert [channel.name for channel in meter.channels] == names
    assert meter.identities["gpu2"] == scene.gpu("cards", 1).uuid
    assert {channel.scope for channel in meter.channels} == {"gpu board"}
    assert [c.name for c in headline_channels(meter.channels)] == names[2:]
    facts = json.loads(json.dumps(meter.facts()))
    assert facts["raw_samples"] is True
    assert facts["scrape_s"] == pytest.approx(SCRAPE_S)
    assert facts["queries"][0] == 'DCGM_FI_DEV_POWER_USAGE{Hostname="node7"}'


def test_cards_of_several_hosts_are_refused_unless_one_is_named(scene: Scene) -> None:
    with pytest.raises(UsageError, match=r"4 hosts \(node10, node7, node8, node9\).*host=\.\.\."):
        PrometheusMeter(scene.url)
    with pytest.raises(Unavailable, match=r"'elsewhere' is there, only those of node10, node7"):
        PrometheusMeter(scene.url, host="elsewhere")


@dataclass
class Recorded:
    """What one recording of three of these meters gave."""

    traces: dict[str, Trace]
    begin_s: float
    stop_s: float

    def covered(self, name: str, truth: PowerProfile) -> int:
        """Count the windows of twenty whose interval holds the truth."""
        draw, found = random.Random(11), 0
        for _ in range(20):
            length_s = draw.uniform(1.0, 3.0)
            start_s = draw.uniform(self.begin_s, self.stop_s - length_s)
            window = Window("work", start_s, start_s + length_s)
            low, high = self.traces[name].energy(window).interval_95
            found += low <= truth.energy_j(window.start_s, window.stop_s) <= high
        return found


@pytest.fixture(scope="module")
def recorded(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Gains are set to what they are here, none: what is modelled otherwise has to cover."""
    slowly = f"sum({scene.query('DCGM_FI_DEV_POWER_USAGE', 'slow')})"
    expression = {"query": slowly, "scope": "node", "device": "rack", "scrape_s": SCRAPE_S}
    options: list[dict[str, object]] = [
        {"url": scene.url, "host": "node7", "gain": 0.0, "collect_s": 0.0},
        {"url": scene.url, "host": "node8", "gain": 0.0},
        {"url": scene.url, "gain": 0.0, "collect_s": 0.5, **expression},
        {"url": scene.url, "gain": 0.0, "unit": "J", "scale": 1e-3, "scope": "gpu board",
         "query": scene.query("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "cards"), "device": "c"},
    ]  # fmt: skip
    specs = [MeterSpec("prometheus", each, TARGET) for each in options]
    folder = tmp_path_factory.mktemp("recording")
    with Recording(specs, folder, interval_s=0.1) as recording:
        begin_s = time.monotonic()
        time.sleep(6.0)
        stop_s = time.monotonic()
        time.sleep(1.2)
    assert "errors" not in recording.facts()
    return Recorded(recording.traces(), begin_s, stop_s)


def test_energy_of_a_recording_covers_the_truth(scene: Scene, recorded: Recorded) -> None:
    truth = scene.gpu("cards", 1).profile
    assert recorded.covered("gpu2:dcgm-energy", truth) >= 18
    assert recorded.covered("gpu2:dcgm-power", truth) >= 18
    whole = Window("work", recorded.begin_s, recorded.stop_s)
    energy = recorded.traces["gpu2:dcgm-energy"].energy(whole)
    assert energy.half_width_95_j < 0.04 * energy.joules


def test_a_counter_that_is_read_at_each_scrape_is_known_to_the_scrapes_duration(
    scene: Scene, recorded: Recorded
) -> None:
    assert recorded.covered("c-2:energy", scene.gpu("cards", 1).profile) >= 18
    whole = Window("work", recorded.begin_s, recorded.stop_s)
    energy = recorded.traces["c-2:energy"].energy(whole)
    assert energy.half_width_95_j < 0.02 * energy.joules


def test_an_exporter_that_collects_slowly_is_noticed_and_covered(
    scene: Scene, recorded: Recorded
) -> None:
    assert 0.35 < recorded.traces["gpu0:dcgm-energy"].channel.period_s < 0.65
    truth = scene.gpu("slow").profile
    assert recorded.covered("gpu0:dcgm-energy", truth) >= 18
    assert recorded.covered("gpu0:dcgm-power", truth) >= 18


def test_an_expression_is_followed_at_the_pace_of_the_scrapes(
    scene: Scene, recorded: Recorded
) -> None:
    assert recorded.traces["rack:power"].channel.scope == "node"
    assert recorded.covered("rack:power", scene.gpu("slow").profile) >= 18


def test_several_series_are_named_by_the_labels_in_which_they_differ(scene: Scene) -> None:
    query = scene.query("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "cards")
    meter = PrometheusMeter(scene.url, query, unit="J", scale=1e-3, scope="gpu board", device="c")
    meter.close()
    assert [c.unit for c in meter.channels] == ["J", "J"]
    assert {channel.name for channel in meter.channels} == {"c-2:energy", "c-10:energy"}
    assert all(channel.gain > 0.02 for channel in meter.channels)


def test_a_counter_that_starts_again_is_refused_with_its_cause(
    scene: Scene, tmp_path: Path
) -> None:
    spec = MeterSpec("prometheus", {"url": scene.url, "host": "node9"}, TARGET)
    begin_s = time.monotonic()
    with Recording([spec], tmp_path, interval_s=0.1, mode="thread") as recording:
        time.sleep(0.5)
        scene.gpu("reset").boot_j -= 4e5
        time.sleep(1.0)
    traces = recording.traces()
    window = Window("work", begin_s + 0.1, begin_s + 1.0)
    with pytest.raises(CounterError, match=r"gpu0:dcgm-energy.*went backwards.*was reset"):
        traces["gpu0:dcgm-energy"].energy(window)
    assert traces["gpu0:dcgm-power"].energy(window).joules > 0


def test_an_exporter_that_goes_away_is_lost_and_what_it_gave_is_kept(
    scene: Scene, tmp_path: Path
) -> None:
    options = {"url": scene.url, "host": "node10", "lost_after_s": 1.0}
    spec = MeterSpec("prometheus", options, TARGET)
    with Recording([spec], tmp_path, interval_s=0.1, mode="thread") as recording:
        time.sleep(0.5)
        scene.exporters["fleeting"].close()
        time.sleep(1.7)
    lost = recording.facts()["lost"]["prometheus"]
    assert "gave no reading for" in lost
    assert "it answers, but with no new reading" in lost
    assert len(recording.traces()["gpu0:dcgm-energy"]) >= 3


def test_values_that_dcgm_does_not_have_are_absent(scene: Scene) -> None:
    blank = StandInGpu(PowerProfile([0.0], [float(2**47)]), 5, "node7")
    scene.exporters["cards"].gpus.append(blank)
    try:
        time.sleep(3 * SCRAPE_S)
        meter = PrometheusMeter(scene.url, host="node7")
        time.sleep(2 * SCRAPE_S)
        meter.close()
        place = [channel.name for channel in meter.channels].index("gpu5:dcgm-power")
        rows = meter.rows()
        assert rows
        assert all(math.isnan(values[place]) for _, values in rows)
    finally:
        scene.exporters["cards"].gpus.remove(blank)


def _take_rows(meter: PrometheusMeter, seconds: float) -> None:
    """Take rows as the recorder does; none of the calls may wait for the server."""
    until_s = time.monotonic() + seconds
    while (before_s := time.monotonic()) < until_s:
        meter.rows()
        assert time.monotonic() - before_s < 0.25
        time.sleep(0.05)


def test_a_server_that_stops_answering_holds_nothing_up(scene: Scene) -> None:
    wire = Wire(scene.prometheus.port)
    try:
        meter = PrometheusMeter(wire.url, host="node7", timeout_s=0.5, lost_after_s=1.5)
        wire.hold()
        with pytest.raises(SensorLost, match=r"gave no reading for 2 s.*does not answer"):
            _take_rows(meter, 3.0)
        before_s = time.monotonic()
        meter.close()
        assert time.monotonic() - before_s < 2.5
        assert meter.facts()["failed"] >= 2
    finally:
        wire.close()


def test_a_server_that_answers_again_is_followed_on(scene: Scene) -> None:
    wire = Wire(scene.prometheus.port)
    try:
        meter = PrometheusMeter(wire.url, host="node7", timeout_s=0.3)
        wire.hold()
        time.sleep(0.8)
        wire.release()
        time.sleep(0.6)
        meter.close()
        place = [channel.name for channel in meter.channels].index("gpu2:dcgm-energy")
        stamps = [stamp_s for stamp_s, values in meter.rows() if math.isfinite(values[place])]
        gaps_s = [late - early for early, late in pairwise(stamps)]
        assert max(gaps_s) < 3 * SCRAPE_S  # the samples of the time in between were fetched later
        assert meter.facts()["failed"] >= 1
    finally:
        wire.close()


def test_says_what_is_wrong_with_a_query(scene: Scene) -> None:
    with pytest.raises(Unavailable, match=r"no series for 'nosuch' now; it scrapes cards, fleet"):
        PrometheusMeter(scene.url, "nosuch", scope="node")
    with pytest.raises(Unavailable, match=r"HTTP 400.*parse error"):
        PrometheusMeter(scene.url, "up{", scope="node")
    with pytest.raises(Unavailable, match=r"'up\[1m\]' gives a matrix"):
        PrometheusMeter(scene.url, "up[1m]", scope="node")
    with pytest.raises(UsageError, match=r"does not tell how often.*scrape_s"):
        PrometheusMeter(scene.url, "sum(up)", scope="node")


def test_credentials_come_from_the_environment(
    tmp_path: Path, program: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RealPrometheus(program("prometheus"), tmp_path, {}, {"me": PASSWORD_HASH})
    try:
        with pytest.raises(Unavailable, match=r"refuses the credentials \(HTTP 401\)"):
            PrometheusMeter(server.url)
        names = {"user_env": "STAND_IN_USER", "password_env": "STAND_IN_PASSWORD"}
        with pytest.raises(UsageError, match="STAND_IN_USER is not set"):
            PrometheusMeter(server.url, **names)  # type: ignore[arg-type]
        monkeypatch.setenv("STAND_IN_USER", "me")
        monkeypatch.setenv("STAND_IN_PASSWORD", "stand-in")
        with pytest.raises(Unavailable, match=r"no series for .*; it scrapes no job"):
            PrometheusMeter(server.url, **names)  # type: ignore[arg-type]
    finally:
        server.close()


def test_options_that_do_not_fit_are_refused() -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(UsageError, match="say what the query covers"):
        PrometheusMeter(url, "up")
    with pytest.raises(UsageError, match="put the machine into the query"):
        PrometheusMeter(url, "up", host="node7", scope="node")
    with pytest.raises(UsageError, match="belong to a query"):
        PrometheusMeter(url, unit="J")
    with pytest.raises(UsageError, match="timeout_s = -1 s must be"):
        PrometheusMeter(url, timeout_s=-1)
    with pytest.raises(UsageError, match="unit 'kWh' is not known"):
        PrometheusMeter(url, "up", scope="node", unit="kWh")
    with pytest.raises(UsageError, match="would be recorded"):
        PrometheusMeter("http://me:secret@127.0.0.1:9")
    with pytest.raises(UsageError, match="write http://HOST:PORT"):
        PrometheusMeter("localhost:9090")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 does not answer.*refused.*Check the"):
        PrometheusMeter(url)


def test_is_not_opened_unless_named() -> None:
    assert PrometheusMeter.on_request is True
