"""Logs of nvidia-smi in every form, what happens to them, and known energies."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import docs_pages as pages
from joulebench.channel import Channel
from joulebench.energy import Trace, Window
from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.nvidia_smi import NvidiaSmiImporter
from joulebench.importers.nvidia_smi_boards import UNKNOWN_LAG_S, architecture, sensor
from joulebench.nvml_timing import ADA, AMPERE, BLACKWELL, HOPPER, PASCAL, TURING, VOLTA
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces

START = datetime(2025, 9, 22, 11, 6, 57, 123000)
HEADER = "timestamp, index, name, power.draw [W], enforced.power.limit [W], utilization.gpu [%]"


def stamp(seconds: float, start: datetime = START) -> str:
    when = start + timedelta(seconds=seconds)
    return f"{when:%Y/%m/%d %H:%M:%S}.{when.microsecond // 1000:03d}"


@dataclass
class Log:
    """A log of boards of known power, a line a board every 100 ms."""

    boards: Sequence[str] = ("NVIDIA A40", "NVIDIA A40")
    watts: Callable[[float], float] = lambda t: 200.0 + t
    seconds: float = 10.0
    start: datetime = START
    step_s: float = 0.1

    def rows(self) -> list[str]:
        """Give the lines below the header: the second board draws a hundred watts more."""
        times = [self.step_s * n for n in range(round(self.seconds / self.step_s) + 1)]
        return [
            f"{stamp(t + 0.003 * n, self.start)}, {n}, {name}, {self.watts(t) + 100 * n:.2f} W, "
            "300.00 W, 87 %"
            for t in times
            for n, name in enumerate(self.boards)
        ]

    def write(self, path: Path, header: str = HEADER) -> Path:
        """Write the log."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *self.rows()]) + "\n")
        return path


def imported(source: Path, told: Path | None = None) -> Imported:
    return NvidiaSmiImporter().read(source, ImportOptions("s", mapping=told))


def run_of(source: Path, told: Path | None = None) -> Run:
    found = imported(source, told)
    assert found.count == 1
    return found.run(0).run


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def rules(run: Run) -> set[str]:
    return {finding.rule for finding in run.findings}


def joules(run: Run, channel: str = "gpu0:power", window: str = "measure") -> float:
    value = run.energy[channel][window]["joules"]
    assert isinstance(value, float)
    return value


STEADY = Log(boards=("NVIDIA A40",), watts=lambda _: 200.0)


# What a log says


def test_boards_are_channels_with_their_energy_and_what_is_known_of_them(tmp_path: Path) -> None:
    found = imported(Log().write(tmp_path / "power.csv"))
    run = found.run(0).run
    assert run.run_id == "power"
    (window,) = run.windows
    assert window.duration_s == pytest.approx(10, abs=0.01)
    # An A40 shows the mean of the last second, which is half a second late on a ramp.
    assert joules(run) == pytest.approx(10 * 205.5, rel=2e-3)
    assert joules(run, "gpu1:power") == pytest.approx(10 * 305.5, rel=2e-3)
    channel = run.channels[0]
    assert (channel.averaging_s, channel.period_s, channel.limit_w) == (1.0, 0.1, 300.0)
    assert (channel.resolution, channel.stamp_step_s) == (0.01, 1e-3)
    assert rules(run) == {"window-unknown"}
    assert run.facts["recorder"]["started_at_local"] == "2025-09-22T11:06:57.123"
    board = run.facts["recorder"]["boards"][0]
    assert board["utilization.gpu"] == {"min": 87.0, "mean": 87.0, "max": 87.0}
    assert found.hosts[run.host]["gpus"] == ["NVIDIA A40"]


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda line: line,
    "no units": lambda line: line.replace(" W", "").replace(" %", ""),
    "re-saved with semicolons": lambda line: line.replace(", ", ";").replace(".", ","),
    "without blanks": lambda line: line.replace(", ", ","),
    "dates with dashes": lambda line: line.replace("/", "-"),
    "quoted": lambda line: ",".join(f'"{cell}"' for cell in line.split(", ")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_alike(tmp_path: Path, form: str) -> None:
    lines = [FORMS[form](line) for line in STEADY.rows()]
    if form == "re-saved with semicolons":
        lines = [line.replace(",", ".", 1) for line in lines]  # the stamp keeps its point
        header = HEADER.replace(", ", ";")
    else:
        header = HEADER
    run = run_of(written(tmp_path / "power.csv", [header, *lines]))
    assert joules(run) == pytest.approx(2000, rel=1e-6)
    assert run.channels[0].limit_w == 300.0


def test_columns_of_power_are_channels_of_their_own(tmp_path: Path) -> None:
    header = "timestamp, power.draw [W], power.draw.average [W], power.draw.instant [W], name"
    rows = [f"{stamp(n / 10)}, 100.00 W, 110.00 W, 120.00 W, NVIDIA H100 PCIe" for n in range(99)]
    run = run_of(written(tmp_path / "p.csv", [header, *rows]))
    known = {c.name: (c.period_s, c.averaging_s) for c in run.channels}
    assert known == {
        "gpu0:power": (0.1, 1.0),
        "gpu0:power_instant": (0.1, 0.025),
        "gpu0:power_average": (0.1, 1.0),
    }
    assert joules(run, "gpu0:power_instant") == pytest.approx(1.2 * joules(run), rel=1e-6)


def test_a_log_without_header_is_read_where_it_is_plain(tmp_path: Path) -> None:
    rows = [f"{stamp(n / 10)}, 3, NVIDIA A40, 100.00 W, 45 %" for n in range(99)]
    run = run_of(written(tmp_path / "p.csv", rows))
    assert [channel.name for channel in run.channels] == ["gpu3:power"]
    assert run.channels[0].averaging_s == 1.0


def test_a_log_without_header_and_units_needs_the_query(tmp_path: Path) -> None:
    rows = [f"{stamp(n / 10)}, 45, 100.00, 300.00" for n in range(99)]
    path = written(tmp_path / "p.csv", rows)
    with pytest.raises(UsageError, match=r"line 1: the log has no header .* query: timestamp"):
        imported(path)
    told = written(tmp_path / "m.yaml", ["query: timestamp,utilization.gpu,power.draw,power.limit"])
    run = run_of(path, told)
    assert joules(run) == pytest.approx(980, rel=1e-6)
    assert run.channels[0].limit_w == 300.0
    short = written(tmp_path / "n.yaml", ["query: timestamp,power.draw"])
    with pytest.raises(UsageError, match=r"4 cells, but query names 2 columns"):
        imported(path, short)


@pytest.mark.parametrize("column", ["uuid", "pci.bus_id"])
def test_boards_without_index_are_told_apart(tmp_path: Path, column: str) -> None:
    names = {"uuid": ["GPU-b", "GPU-a"], "pci.bus_id": ["00000000:01:00.0", "00000000:02:00.0"]}
    header = f"timestamp, {column}, power.draw [W]"
    rows = [
        f"{stamp(n / 10 + 0.002 * k)}, {name}, {100 + 100 * k}.00 W"
        for n in range(99)
        for k, name in enumerate(names[column])
    ]
    run = run_of(written(tmp_path / "p.csv", [header, *rows]))
    assert joules(run, "gpu1:power") == pytest.approx(2 * joules(run), rel=1e-3)
    assert run.facts["recorder"]["boards"][0]["identity"] == names[column][0]


def test_boards_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    rows = [f"{stamp(n / 10 + 0.002 * k)}, {100 + k}.00 W" for n in range(50) for k in range(3)]
    with pytest.raises(UsageError, match=r"come in bursts, .*=timestamp,index"):
        run_of(written(tmp_path / "p.csv", ["timestamp, power.draw [W]", *rows]))
    one = [f"{stamp(n / 10)}, 100.00 W" for n in range(50)]
    run = run_of(written(tmp_path / "q.csv", ["timestamp, power.draw [W]", *one]))
    assert "board-unknown" in rules(run)
    assert run.channels[0].stamp_s == pytest.approx(UNKNOWN_LAG_S, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Tesla P100-PCIE-16GB", (PASCAL, False)),
        ("Tesla V100-SXM2-32GB", (VOLTA, False)),
        ("Tesla T4", (TURING, False)),
        ("Quadro RTX 5000", (TURING, False)),
        ("NVIDIA GeForce RTX 2080 Ti", (TURING, False)),
        ("NVIDIA A100-SXM4-80GB", (AMPERE, True)),
        ("NVIDIA A30", (AMPERE, True)),
        ("NVIDIA A40", (AMPERE, False)),
        ("NVIDIA GeForce RTX 3090", (AMPERE, False)),
        ("NVIDIA RTX A6000", (AMPERE, False)),
        ("NVIDIA L40S", (ADA, False)),
        ("NVIDIA GeForce RTX 4090", (ADA, False)),
        ("NVIDIA RTX 5000 Ada Generation", (ADA, False)),
        ("NVIDIA H100 80GB HBM3", (HOPPER, False)),
        ("NVIDIA GH200 480GB", (HOPPER, False)),
        ("NVIDIA B200", (BLACKWELL, False)),
        ("NVIDIA GeForce RTX 5090", (BLACKWELL, False)),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", (BLACKWELL, False)),
        ("NVIDIA Graphics Device", None),
        ("", None),
    ],
)
def test_boards_are_known_by_name(name: str, known: tuple[int, bool] | None) -> None:
    assert architecture(name) == known


# Does the interval cover the truth?


def averaged(load: np.random.Generator, averaging_s: float, poll_s: float) -> tuple[Trace, float]:
    """Simulate an A40: a board that shows the mean of the last second, new every 100 ms."""
    fine = np.arange(-5, 45, 1e-3)
    edges = np.sort(load.uniform(-5, 45, 24))
    power = np.where(np.searchsorted(edges, fine) % 2, 280.0, 70.0)
    used = np.concatenate(([0.0], np.cumsum(power)[:-1])) * 1e-3
    updates = np.arange(-2 + load.uniform(0, 0.1), 41, 0.1)
    shown = np.interp(updates, fine, used) - np.interp(updates - averaging_s, fine, used)
    polls = np.round(np.arange(0, 40, poll_s) + load.uniform(0, 2e-3, round(40 / poll_s)), 3)
    read = polls + load.uniform(0.0, 0.02)
    watts = np.round(shown / averaging_s, 2)[np.searchsorted(updates, read) - 1]
    found = sensor("gpu0:power", "NVIDIA A40", "usage", poll_s, None)
    channel = Channel.from_dict({**found.channel.to_dict(), "gain": 0.0})
    trace = Trace(channel, polls - found.late_s, watts)
    return trace, float(np.interp(30.0, fine, used) - np.interp(10.0, fine, used))


@pytest.mark.parametrize("poll_s", [0.05, 0.1, 0.5])
def test_intervals_cover_the_energy_of_a_simulated_board(poll_s: float) -> None:
    load = np.random.default_rng(7)
    covered, count = 0, 20
    for _ in range(count):
        trace, true_j = averaged(load, 1.0, poll_s)
        energy = trace.energy(Window("measure", 10.0, 30.0))
        covered += abs(energy.joules - true_j) <= energy.half_width_95_j
    assert covered >= 0.9 * count


# Readings that are absent, lines that are no readings


@pytest.mark.parametrize(
    "word", ["[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU is lost]", "N/A", "0.00 W"]
)
def test_absent_readings_are_not_zero(tmp_path: Path, word: str) -> None:
    rows = STEADY.rows()
    for n in (20, 21, 50):
        rows[n] = rows[n].replace("200.00 W", word)
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows]))
    assert joules(run) == pytest.approx(2000, rel=1e-6)
    (finding,) = (finding for finding in run.findings if finding.rule == "non-finite")
    assert finding.seen == "3"


def test_a_board_without_any_reading_has_no_channel(tmp_path: Path) -> None:
    rows = [line.replace("200.00 W", "[N/A]") for line in STEADY.rows()]
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows]))
    assert (run.status, run.channels) == ("failed", [])
    assert run.facts["recorder"]["silent_channels"] == ["gpu0:power"]


@pytest.mark.parametrize(
    "message",
    [
        "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the "
        "system to recover this GPU",
        "Failed to initialize NVML: Driver/library version mismatch",
        "a, b, c, d, e, f",
    ],
)
def test_messages_between_the_lines_are_told(tmp_path: Path, message: str) -> None:
    rows = STEADY.rows()
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows[:50], "", message, *rows[50:]]))
    (finding,) = (finding for finding in run.findings if finding.rule == "logger-message")
    assert message.startswith(finding.seen.rstrip())
    assert joules(run) == pytest.approx(2000, rel=1e-6)


def test_a_board_that_falls_off_is_told_and_ends_what_is_measured(tmp_path: Path) -> None:
    rows = [row for row in Log().rows() if ", 1, " not in row or row < stamp(4)]
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows]))
    assert "sensor-lost" in rules(run)
    assert run.windows[0].duration_s == pytest.approx(4, abs=0.3)


def test_a_last_line_that_breaks_off_is_left_out(tmp_path: Path) -> None:
    path = STEADY.write(tmp_path / "p.csv")
    with path.open("a") as file:
        file.write(f"{stamp(10.1)}, 0, NVIDIA A40, 20")
    run = run_of(path)
    assert "truncated-file" in rules(run)
    assert joules(run) == pytest.approx(2000, rel=1e-6)


# Time


def test_repeated_stamps_are_left_out(tmp_path: Path) -> None:
    rows = [row for row in STEADY.rows() for _ in range(2)]
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows]))
    assert joules(run) == pytest.approx(2000, rel=1e-6)
    assert "repeated-timestamp" in rules(run)


def test_a_clock_put_right_by_less_than_a_second_is_told(tmp_path: Path) -> None:
    rows = STEADY.rows()
    late = Log(("NVIDIA A40",), lambda _: 200.0, start=START + timedelta(seconds=9.6)).rows()
    run = run_of(written(tmp_path / "p.csv", [HEADER, *rows, *late]))
    assert "clock-stepped-back" in rules(run)
    assert joules(run) == pytest.approx(19.6 * 200, rel=1e-6)


@pytest.mark.parametrize(
    ("later_s", "said"),
    [
        (-3590.0, r"line 103: time goes back by 3600.000 s \(summer time ended\).*head -n 102"),
        (-100.0, r"line 103: time goes back by 110.000 s \(the clock was set"),
    ],
)
def test_time_that_goes_back_is_refused(tmp_path: Path, later_s: float, said: str) -> None:
    later = Log(("NVIDIA A40",), start=START + timedelta(seconds=later_s)).rows()
    with pytest.raises(UsageError, match=said):
        run_of(written(tmp_path / "p.csv", [HEADER, *STEADY.rows(), *later]))


def test_the_hour_of_summer_time_is_refused(tmp_path: Path) -> None:
    first = Log(("NVIDIA A40",), start=datetime(2025, 3, 30, 1, 59, 50)).rows()[:-1]
    later = Log(("NVIDIA A40",), start=datetime(2025, 3, 30, 3, 0, 0)).rows()
    path = written(tmp_path / "p.csv", [HEADER, *first, *later])
    with pytest.raises(UsageError, match=r"line 102: time jumps by 3600.* summer\s+time begins"):
        run_of(path)
    noon = Log(("NVIDIA A40",), start=datetime(2025, 3, 30, 12, 59, 50)).rows()[:-1]
    after = Log(("NVIDIA A40",), start=datetime(2025, 3, 30, 14, 0, 0)).rows()
    assert run_of(written(tmp_path / "q.csv", [HEADER, *noon, *after])).status == "done"


def test_a_logger_started_again_leaves_a_hole_that_is_not_measured(tmp_path: Path) -> None:
    later = Log(("NVIDIA A40",), lambda _: 200.0, start=START + timedelta(seconds=600)).rows()
    run = run_of(written(tmp_path / "p.csv", [HEADER, *STEADY.rows(), HEADER, *later]))
    assert "log-restarted" in rules(run)
    assert len(run.windows) == 2
    assert joules(run) == pytest.approx(4000, rel=1e-6)
    soon = Log(("NVIDIA A40",), lambda _: 200.0, start=START + timedelta(seconds=10.1)).rows()
    one = run_of(written(tmp_path / "q.csv", [HEADER, *STEADY.rows(), HEADER, *soon]))
    assert len(one.windows) == 1
    assert joules(one) == pytest.approx(20.1 * 200, rel=1e-6)


def test_a_restart_far_down_a_long_log_is_where_it_is(tmp_path: Path) -> None:
    first = Log(("NVIDIA A40",), lambda _: 200.0, seconds=2000).rows()
    start = START + timedelta(hours=2)
    later = Log(("NVIDIA A40",), lambda _: 200.0, start=start).rows()
    run = run_of(written(tmp_path / "p.csv", [HEADER, *first, HEADER, *later]))
    assert [window.duration_s for window in run.windows] == pytest.approx([2000, 10])


# Windows


def test_a_map_says_when_the_work_ran(tmp_path: Path) -> None:
    path = STEADY.write(tmp_path / "p.csv")
    told = written(
        tmp_path / "m.yaml",
        [f"windows: {{measure: ['{stamp(2)}', '{stamp(6)}'], idle: ['{stamp(7)}', '{stamp(9)}']}}",
         "factors: {model: a}"],
    )  # fmt: skip
    run = run_of(path, told)
    assert joules(run) == pytest.approx(800, rel=1e-6)
    assert joules(run, window="idle") == pytest.approx(400, rel=1e-6)
    assert run.levels == {"model": "a"}
    assert "window-unknown" not in rules(run)


def test_a_map_speaks_of_each_log(tmp_path: Path) -> None:
    for name in ("one", "two"):
        STEADY.write(tmp_path / "logs" / name / "gpu.csv")
    told = written(
        tmp_path / "m.yaml",
        [f"runs: {{one.gpu: {{windows: {{measure: ['{stamp(1)}', '{stamp(2)}']}}}}}}"],
    )
    found = imported(tmp_path / "logs", told)
    known = {found.run(n).run.run_id: joules(found.run(n).run) for n in range(2)}
    assert known == {"one.gpu": pytest.approx(200), "two.gpu": pytest.approx(2000)}
    wrong = written(tmp_path / "w.yaml", ["runs: {one.gpi: {}}"])
    with pytest.raises(UsageError, match=r"run id 'one.gpi' is not known: did you mean 'one.gpu'"):
        imported(tmp_path / "logs", wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("windows: {measure: [soon, later]}", r"'soon' is no time such as"),
        ("windows: {measure: ['2025/09/22 11:07:00']}", r"must be a start and an end"),
        ("window: {}", r"key 'window' is not known: did you mean 'windows'"),
        (f"windows: {{measure: ['{stamp(5)}', '{stamp(2)}']}}", r"is not after start"),
    ],
)
def test_mistakes_in_a_map_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = STEADY.write(tmp_path / "p.csv")
    with pytest.raises(UsageError, match=said):
        run_of(path, written(tmp_path / "m.yaml", [text]))


def test_a_window_outside_the_log_fails_the_run(tmp_path: Path) -> None:
    path = STEADY.write(tmp_path / "p.csv")
    told = written(tmp_path / "m.yaml", [f"windows: {{measure: ['{stamp(5)}', '{stamp(50)}']}}"])
    run = run_of(path, told)
    assert (run.status, run.energy) == ("failed", {})


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    page = pages.ROOT / "docs" / "importing.md"
    (text,) = (b.text for b in pages.blocks(page) if b.mark == "file: logs.yaml")
    path = Log(("NVIDIA A40",), seconds=90).write(tmp_path / "p.csv")
    run = run_of(path, written(tmp_path / "m.yaml", [text]))
    assert run.windows[0].duration_s == pytest.approx(82.5)


# Damage


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{stamp(99)}, 0, NVIDIA A40, 2oo W, 300.00 W, 87 %", r"line 103: power.draw is no power"),
        (f"{stamp(99)}, 0, NVIDIA A40, 200.00 W, 300.00 W, 87 %, 5", r"line 103: it has 7 cells"),
        (f"{stamp(99)}, 0, {stamp(99)}, 0, NVIDIA A40, 200.00 W, 300.00 W", r"line 103: it has 7"),
        ("2025/13/45 11:06:57.123, 0, NVIDIA A40, 200.00 W, 300.00 W, 87 %", r"line 103: '2025/13"),
        ("22.09.2025 11:06, 0, NVIDIA A40, 200.00 W, 300.00 W, 87 %", r"line 103: .*year last"),
        (f"{stamp(99)}, zero, NVIDIA A40, 200.00 W, 300.00 W, 87 %", r"index 'zero' is no whole"),
        ("x" * (1 << 21), r"line 103: it is longer than"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run_of(written(tmp_path / "p.csv", [HEADER, *STEADY.rows(), line, STEADY.rows()[-1]]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"is empty"),
        ((HEADER + "\n").encode(), r"holds no row"),
        ((HEADER + "\nNo devices were found\n").encode(), r"it says 'No devices were found'"),
        (b"timestamp, index\n1, 2\n", r"line 1: no columns timestamp and power.draw"),
        ((HEADER + ", index\n").encode(), r"column 'index' is there twice"),
        (HEADER.encode("utf-16"), r"no text in UTF-8"),
        (f"{HEADER}\n{stamp(1)}, 0, \xff, 1 W, 2 W, 3 %\n".encode("latin-1"), r"line 2: .*UTF-8"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        run_of(path)


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no log of nvidia-smi .* -lms 100"):
        imported(tmp_path)


# Size


def test_a_million_lines_in_bounded_time_and_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for first in range(0, 1_000_000, 50_000):
            file.writelines(
                f"{stamp(0.1 * n)}, 0, NVIDIA A40, {200 + n % 9}.00 W, 300.00 W, 87 %\n"
                for n in range(first, first + 50_000)
            )
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    run = run_of(path)
    used_s = time.process_time() - begun
    more_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    assert joules(run) == pytest.approx(99_999.9 * 204, rel=1e-5)
    assert used_s < 20  # 1.5 s on two idle cores
    assert more_mib < 250


def test_traces_and_the_study_are_written(tmp_path: Path) -> None:
    write_study(imported(Log().write(tmp_path / "power.csv")), tmp_path / "study")
    (run,) = RunTable.load(tmp_path / "study").runs
    traces = load_traces(tmp_path / "study" / "traces" / f"{run.run_id}.parquet")
    assert set(traces) == {"gpu0:power", "gpu1:power"}
    again = traces["gpu0:power"].energy(run.windows[0])
    assert again.joules == pytest.approx(joules(run))
    assert write_study(imported(tmp_path / "power.csv"), tmp_path / "study").unchanged
