"""The index of a study's records: a view, whatever is done to it or to them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulebench import record_index
from joulebench.channel import Channel
from joulebench.energy import Energy, Window, total
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.record import Run, RunTable, dumps
from joulebench.record_entry import COLUMNS, Entry, energy_so_far
from joulebench.record_index import NAME
from joulebench.run_row import headline_energy

BOARD = Channel("gpu0:power", "W", scope="gpu board", gain=0.03)
PACKAGE = Channel("cpu0:package", "J", scope="cpu package", wrap_j=262144.0)


def a_run(run_id: str, status: str = "done", joules: float = 100.25, **changes: Any) -> Run:
    energy = {
        channel.name: {
            "measure": Energy(
                joules, 0.1, {f"gain {channel.name}": 0.03 * joules}, "measured", channel.scope
            ).to_dict()
        }
        for channel in (BOARD, PACKAGE)
    }
    fields: dict[str, Any] = {
        "run_id": run_id,
        "study": "s",
        "trial": {"order": 3, "block": 2, "repetition": 1, "levels": {"model": "a"}},
        "status": status,
        "host": "h",
        "testbed": "bed-1",
        "started_at": "2026-01-01T00:00:00Z",
        "error": None if status == "done" else "no memory,\tnone at all",
        "facts": {"wall_s": 12.5},
    }
    if status == "done":
        fields |= {"windows": [Window("measure", 0, 10)], "channels": [BOARD, PACKAGE]}
        fields["energy"] = energy
    return Run(**{**fields, **changes})


def lines_of(*runs: Run) -> bytes:
    return b"".join(dumps(run.to_dict()).encode() + b"\n" for run in runs)


def seen(table: RunTable) -> dict[str, Any]:
    """What a table tells by its index, as far as the records tell it too."""
    return {
        "ids": [entry.run_id for entry in table.entries],
        "status": [entry.status for entry in table.entries],
        "places": [(entry.order, entry.block, entry.repetition) for entry in table.entries],
        "texts": [(e.testbed, e.host, e.started_at, e.error, e.origin) for e in table.entries],
        "lengths": [entry.wall_s for entry in table.entries],
        "energies": [entry.headline for entry in table.entries],
        "doubtful": [entry.doubtful for entry in table.entries],
        "done": table.done_ids,
        "runs": table.runs,
    }


def in_full(folder: Path) -> dict[str, Any]:
    runs = RunTable.load(folder).runs
    return {
        "ids": [run.run_id for run in runs],
        "status": [run.status for run in runs],
        "places": [tuple(run.trial[k] for k in ("order", "block", "repetition")) for run in runs],
        "texts": [(r.testbed, r.host, r.started_at, r.error, r.origin) for r in runs],
        "lengths": [run.facts.get("wall_s") for run in runs],
        "energies": [headline_energy(run) for run in runs],
        "doubtful": [any(f.severity == "error" for f in run.findings) for run in runs],
        "done": {run.run_id for run in runs if run.status == "done"},
        "runs": runs,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RunTable.create(tmp_path / "study", {"study": "s"})
    return tmp_path / "study"


def filled(folder: Path, *runs: Run) -> RunTable:
    table = RunTable.open(folder)
    for run in runs:
        table.append(run)
    return table


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every record that is read into a run fail."""

    def refused(record: object) -> Run:
        raise AssertionError(f"a record was read: {record}")

    monkeypatch.setattr(Run, "from_dict", refused)


def test_a_table_is_opened_without_reading_a_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(folder, a_run("a", "failed"), a_run("b"), a_run("a", "failed"), a_run("c", "failed"))
    filled(folder, a_run("c"))
    expected = in_full(folder)
    with monkeypatch.context() as patched:
        unread(patched)
        table = RunTable.open(folder)
        told = seen_without_runs(table)
    assert told == {key: value for key, value in expected.items() if key != "runs"}
    assert table.runs == expected["runs"]
    assert [table.failures(run_id) for run_id in "abcd"] == [2, 0, 1, 0]
    assert (table.is_done("c"), table.is_done("a"), table.is_done("d")) == (True, False, False)
    assert table.run("b") == expected["runs"][1]
    assert table.entry("d") is None


def seen_without_runs(table: RunTable) -> dict[str, Any]:
    entries = table.entries
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RunTable, "runs", [])
        told = seen(table)
    assert [entry.line for entry in table.entries] == [entry.line for entry in entries]
    return {key: value for key, value in told.items() if key != "runs"}


def test_a_line_is_json_and_its_columns_have_names(folder: Path) -> None:
    doubt = Finding("meters-disagree", "error", "a", "they do", "look")
    odd = 'a",\t"x\\é\u2028'
    filled(folder, a_run(odd, findings=[doubt]), a_run("b", "failed"))
    header, first, second = (folder / NAME).read_bytes().splitlines()
    assert json.loads(header) == {"format": 1, "columns": list(COLUMNS)}
    columns = dict(zip(COLUMNS, json.loads(first), strict=True))
    assert (columns["run_id"], columns["doubtful"], columns["offset"]) == (odd, True, 0)
    assert Entry(first).run_id == odd
    assert Entry(second).error == "no memory,\tnone at all"
    assert Entry(second).headline is None
    assert Entry(second).energy is None


def test_energy_so_far_is_the_total_of_the_done(folder: Path) -> None:
    odd = a_run("c", joules=7.125)
    odd.channels = [BOARD]
    runs = [a_run("a", joules=0.1), a_run("b", joules=1e6 + 0.2), odd]
    table = filled(folder, *runs, replace(a_run("d"), status="failed"))
    assert table.entries[3].headline is not None
    expected = total([energy for run in runs if (energy := headline_energy(run)) is not None])
    found = energy_so_far(table.entries)
    assert found is not None
    assert found.joules == pytest.approx(expected.joules, rel=1e-14)
    assert found.noise == pytest.approx(expected.noise, rel=1e-14)
    assert found.biases == pytest.approx(expected.biases, rel=1e-14)
    assert (found.method, found.scope) == (expected.method, expected.scope)
    assert energy_so_far(table.entries[3:]) is None
    assert table.entries[0].headline == headline_energy(runs[0])


def test_a_run_whose_energy_cannot_be_told_has_none(folder: Path) -> None:
    broken = a_run("a")
    broken.energy["gpu0:power"]["measure"] = {"joules": "many"}
    table = filled(folder, broken)
    assert table.entries[0].headline is None
    assert RunTable.open(folder).runs == [broken]


def test_the_index_is_written_after_the_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = filled(folder, a_run("a"))
    before = (folder / NAME).read_bytes()

    def dies(self: object, *words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(record_index.RunIndex, "add", dies)
        with pytest.raises(KeyboardInterrupt):
            table.append(a_run("b"))
    assert (folder / NAME).read_bytes() == before
    again = RunTable.open(folder)
    assert seen(again) == in_full(folder)
    assert again.done_ids == {"a", "b"}
    again.append(a_run("c"))
    with monkeypatch.context() as patched:
        unread(patched)
        assert RunTable.open(folder).done_ids == {"a", "b", "c"}


def test_an_index_that_was_damaged_is_mended_with_the_next_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = filled(folder, a_run("a"), a_run("b"))
    content = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(content[:-9])
    again = RunTable.open(folder)
    again.append(a_run("c"))
    (folder / NAME).unlink()
    table.refresh()
    table.append(a_run("d"))
    unread(monkeypatch)
    assert RunTable.open(folder).done_ids == {"a", "b", "c", "d"}


def test_an_index_that_cannot_be_written_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / NAME).mkdir()
    filled(folder, a_run("a"), a_run("b", "failed"))
    assert seen(RunTable.open(folder)) == in_full(folder)
    (folder / NAME).rmdir()
    filled(folder, a_run("c"))
    unread(monkeypatch)
    assert RunTable.open(folder).done_ids == {"a", "c"}


def test_who_reads_many_records_leaves_their_index(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "runs.jsonl").write_bytes(lines_of(*(a_run(f"r{place}") for place in range(20))))
    RunTable.open(folder)
    assert not (folder / NAME).exists(), "a few are read as fast"
    monkeypatch.setattr(record_index, "_WORTH_KEEPING", 1000)
    RunTable.open(folder)
    unread(monkeypatch)
    assert len(RunTable.open(folder).done_ids) == 20
    assert [path.name for path in folder.glob(".*")] == []


def test_a_broken_record_is_named_by_its_line(folder: Path) -> None:
    filled(folder, a_run("a"))
    with (folder / "runs.jsonl").open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(UsageError, match=r"runs\.jsonl line 2 is not JSON"):
        RunTable.open(folder)


def test_a_cut_line_is_set_aside_from_behind(folder: Path) -> None:
    table = filled(folder, a_run("a"))
    cut = lines_of(a_run("b", error="x" * 200_000))[:-1]
    with (folder / "runs.jsonl").open("ab") as file:
        file.write(cut)
    assert RunTable.open(folder).done_ids == {"a"}
    table.append(a_run("c"))
    assert seen(table) == in_full(folder)
    assert (folder / "runs.cut-short.txt").read_bytes() == cut + b"\n"
    whole = filled(folder, a_run("d"))
    assert whole.done_ids == {"a", "c", "d"}


def test_a_file_of_one_cut_line_is_set_aside(folder: Path) -> None:
    (folder / "runs.jsonl").write_bytes(b'{"format":1,"run')
    assert filled(folder, a_run("a")).done_ids == {"a"}
    assert seen(RunTable.open(folder)) == in_full(folder)


def test_a_record_that_moved_is_not_taken_for_another(folder: Path) -> None:
    table = filled(folder, a_run("a"), a_run("b"))
    (folder / "runs.jsonl").write_bytes(lines_of(a_run("b"), a_run("a")))
    with pytest.raises(UsageError, match="changed by something else while it was read"):
        table.run("a")


def test_a_table_that_is_watched_sees_what_another_appends(folder: Path) -> None:
    writer, reader = filled(folder, a_run("a", "failed")), RunTable.open(folder)
    writer.append(a_run("a"))
    assert reader.done_ids == set()
    reader.refresh()
    assert reader.done_ids == {"a"}
    assert reader.failures("a") == 1
    (folder / "runs.jsonl").write_bytes(lines_of(a_run("b"), a_run("c"), a_run("d")))
    reader.refresh()
    assert seen(reader) == in_full(folder)
    (folder / "runs.jsonl").unlink()
    reader.refresh()
    assert reader.entries == []


def test_two_who_append_lose_nothing(folder: Path) -> None:
    first, second = RunTable.open(folder), RunTable.open(folder)
    for place in range(6):
        (first, second)[place % 2].append(a_run(f"r{place}"))
    assert second.done_ids == {f"r{place}" for place in range(6)}
    assert seen(RunTable.open(folder)) == in_full(folder)


def test_a_reader_beside_a_writer_sees_a_beginning(folder: Path) -> None:
    count, wrong = 120, []
    stop = threading.Event()

    def watch() -> None:
        watched = RunTable.open(folder)
        while not stop.is_set():
            watched.refresh()
            for table in (watched, RunTable.open(folder)):
                ids = [entry.run_id for entry in table.entries]
                if ids != [f"r{place}" for place in range(len(ids))]:
                    wrong.append(ids)
                if ids and table.run(ids[-1]).run_id != ids[-1]:
                    wrong.append(ids[-1:])

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        filled(folder, *(a_run(f"r{place}") for place in range(count)))
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert len(RunTable.open(folder).done_ids) == count
    assert seen(RunTable.open(folder)) == in_full(folder)


KINDS = ("cut", "delete", "swap", "drop", "twice", "edit", "touch")


@dataclass(frozen=True)
class Damage:
    """What crashes, people and copies do to a file."""

    name: str
    kind: str
    first: int
    second: int

    def do(self, folder: Path) -> None:
        path = folder / self.name
        content = path.read_bytes() if path.exists() else b""
        lines = content.splitlines(keepends=True)
        if self.kind == "delete":
            path.unlink(missing_ok=True)
            return
        if self.kind == "cut":
            content = content[: self.first % (len(content) + 1)]
        elif lines and self.kind != "touch":
            content = b"".join(self._changed(lines))
        path.write_bytes(content)
        # As later: what is changed in the same tick of the clock as it was written looks unchanged.
        later_ns = path.stat().st_mtime_ns + 1_000_000 * (1 + self.second)
        os.utime(path, ns=(later_ns, later_ns))

    def _changed(self, lines: list[bytes]) -> list[bytes]:
        a, b = self.first % len(lines), self.second % len(lines)
        if self.kind == "swap":
            lines[a], lines[b] = lines[b], lines[a]
        elif self.kind == "drop":
            del lines[a]
        elif self.kind == "twice":
            lines.insert(b, lines[a])
        else:
            lines[a] = lines[a].replace(b"done", b"fled").replace(b"bed-1", b"bed-2")
        return lines


DAMAGES = st.builds(
    Damage,
    st.sampled_from(["runs.jsonl", NAME]),
    st.sampled_from(KINDS),
    st.integers(0, 20_000),
    st.integers(0, 500),
)
RECORDS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["done", "failed"])), max_size=6
)
STEPS = st.lists(st.tuples(DAMAGES, st.booleans(), RECORDS), min_size=1, max_size=3)


def told(look: Callable[[], dict[str, Any]]) -> dict[str, Any] | str:
    try:
        return look()
    except UsageError as error:  # two lines have become one, that is no record
        return str(error)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(records=RECORDS, steps=STEPS)
def test_whatever_is_damaged_the_index_tells_what_the_records_do(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str]],
    steps: list[tuple[Damage, bool, list[tuple[str, str]]]],
) -> None:
    folder = tmp_path_factory.mktemp("study", numbered=True)
    RunTable.create(folder, {"study": "s"})
    table = filled(folder, *(a_run(*each) for each in records))
    for damage, anew, more in steps:
        damage.do(folder)
        expected = told(lambda: in_full(folder))
        assert told(lambda: seen(RunTable.open(folder))) == expected
        if isinstance(expected, str):
            return
        if anew:
            table = RunTable.open(folder)
        table.refresh()
        if anew or damage.kind != "twice":  # who watches does not see what is put in between
            assert seen(table) == expected
        for each in more:
            table.append(a_run(*each))
        if more:
            assert seen(table) == in_full(folder)
        assert seen(RunTable.open(folder)) == in_full(folder)
