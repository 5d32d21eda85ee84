"""From names to meters that can be opened."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from joulebench import plugins
from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters import registry
from joulebench.meters.meter import MeterSpec
from joulebench.meters.registry import parse, resolve, survey


class Package:
    """A sensor of the processor package that is always there."""

    def __init__(self) -> None:
        self.channels = [Channel("cpu0:package", "J", scope="cpu package")]

    def read(self) -> list[float]:
        return [1.0]

    def close(self) -> None:
        pass


class Board(Package):
    def __init__(self) -> None:
        self.channels = [Channel("gpu0:energy", "J", scope="gpu board")]


class Absent(Package):
    def __init__(self) -> None:
        raise Unavailable("It is not here.", "plug it in")


class Registered:
    """Entry points of a test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._points: list[EntryPoint] = []
        for module in (plugins, registry):
            monkeypatch.setattr(module, "entry_points", self._of)

    def _of(self, group: str) -> list[EntryPoint]:
        return [point for point in self._points if point.group == group]

    def add(self, name: str, target: str) -> None:
        self._points.append(EntryPoint(name, target, registry.GROUP))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Registered:
    found = Registered(monkeypatch)
    found.add("estimate", "joulebench.meters.estimate:EstimateMeter")
    found.add("simulated", "joulebench.meters.simulated:SimulatedMeter")
    found.add("replay", "joulebench.meters.replay:ReplayMeter")
    return found


def kinds(specs: list[MeterSpec]) -> list[str]:
    return [spec.kind for spec in specs]


def test_auto_estimates_where_nothing_reads_the_processor(registered: Registered) -> None:
    registered.add("board", f"{__name__}:Board")
    registered.add("absent", f"{__name__}:Absent")
    assert kinds(resolve("auto")) == ["board", "estimate"]


def test_auto_does_not_estimate_what_is_measured(registered: Registered) -> None:
    registered.add("package", f"{__name__}:Package")
    assert kinds(resolve("auto")) == ["package"]


def test_auto_never_simulates(registered: Registered) -> None:
    assert kinds(resolve("auto")) == ["estimate"]


def test_named_with_options() -> None:
    specs = resolve(["nvml", {"simulated": {"board": "ada", "watts": 250}}])
    assert specs[0] == MeterSpec("nvml", {}, "joulebench.meters.nvml:NvmlMeter")
    assert specs[1].options == {"board": "ada", "watts": 250}
    assert specs[1].open().channels[0].averaging_s == 1.0


def test_spec_survives_json() -> None:
    [spec] = resolve([{"nvml": {"devices": [0, 1]}}])
    assert MeterSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("meters", "says"),
    [
        (["nvmll"], "did you mean 'nvml'"),
        ([{"simulated": {"bord": "ada"}}], "did you mean 'board'"),
        ([{"nvml": {}, "rapl": {}}], "one key"),
        ([{"nvml": [0]}], "must be a mapping"),
        ([], "empty"),
    ],
)
def test_misspellings_are_named(meters: list[Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve(meters)


@pytest.mark.parametrize(
    ("meter", "says"),
    [
        ({"simulated": {"seed": "abc"}}, "seed = 'abc' must be a whole number"),
        ({"simulated": {"gain_error": True}}, "gain_error = True must be a number"),
        ({"simulated": {"device": 3}}, "device = 3 must be text or null"),
        ({"simulated": {"repeat": 1}}, "repeat = 1 must be true or false"),
        ({"simulated": {"clock": 3}}, "option 'clock' is not known"),
        ({"nvml": {"library": 3}}, "option 'library' is not known"),
        ({"replay": {"path": 3}}, "path = 3 must be text"),
    ],
)
def test_options_of_another_type_are_named(meter: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        resolve([meter])


def test_options_of_the_right_type_are_taken() -> None:
    meters = [
        {"simulated": {"seed": 3, "gain_error": 1, "idle_w": None, "watts": [[0, 1], [1, 2]]}}
    ]
    assert resolve(meters)[0].open().channels[0].name == "gpu0:power"


def test_options_that_cannot_be_used_are_one_line() -> None:
    [spec] = resolve([{"estimate": {"full_w": float("inf")}}])
    with pytest.raises(UsageError, match=r"meter 'estimate' cannot be opened with .*check its"):
        spec.open()


@pytest.mark.parametrize("meter", ["simulated", "replay"])
def test_a_file_that_is_no_text_is_one_line(meter: str, tmp_path: Path) -> None:
    file = tmp_path / "power.csv"
    file.write_bytes(b"\xff\xfe,v\n0,1\n")
    option = {"simulated": "watts", "replay": "path"}[meter]
    [spec] = resolve([{meter: {option: str(file)}}])
    with pytest.raises(UsageError, match=r"power\.csv.* is no CSV in UTF-8"):
        spec.open()


class Failing(Package):
    def __init__(self) -> None:
        raise RuntimeError("the firmware is too old")


def test_a_plugin_that_breaks_does_not_break_the_survey(registered: Registered) -> None:
    registered.add("failing", f"{__name__}:Failing")
    report = next(report for report in survey() if report.kind == "failing")
    assert not report.available
    assert "RuntimeError: the firmware is too old" in report.missing


def test_a_plugin_that_fails_to_import_says_why(registered: Registered) -> None:
    registered.add("broken", "no_such_module_of_a_plugin:Meter")
    with pytest.raises(Unavailable, match="no_such_module_of_a_plugin"):
        resolve(["broken"])
    broken = next(report for report in survey() if report.kind == "broken")
    assert not broken.available
    assert "no_such_module_of_a_plugin" in broken.missing
    assert "pip install" in broken.remedy


def test_survey_lists_every_kind_with_its_remedy(registered: Registered) -> None:
    registered.add("absent", f"{__name__}:Absent")
    reports = {report.kind: report for report in survey()}
    assert reports["absent"].remedy == "plug it in"
    assert not reports["absent"].channels
    assert reports["estimate"].available
    assert "Cloud Carbon" in reports["estimate"].notes[0]
    assert "path" in reports["replay"].missing


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("nvml", "nvml"),
        ("nvml:devices=[0,1]", {"nvml": {"devices": [0, 1]}}),
        ("simulated:board=ada,watts=250", {"simulated": {"board": "ada", "watts": 250}}),
    ],
)
def test_command_line_form(text: str, meant: Any) -> None:
    assert parse(text) == meant


def test_command_line_form_refuses_half_an_option() -> None:
    with pytest.raises(UsageError, match="option=value"):
        parse("simulated:board")
