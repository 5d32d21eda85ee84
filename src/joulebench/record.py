"""A study on disk: one line a run, traces beside it, and the table that is a view of them.

``runs.jsonl`` is the source of truth. A line is appended and synced before anything else is told
of it; a last line cut short by a crash is set aside, never guessed at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from joulebench.channel import Channel, Window
from joulebench.errors import UsageError
from joulebench.finding import Finding

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.energy import Trace

FORMAT = 1
"""Version of a record's form; upgrade steps from older ones live in :data:`_UPGRADES`."""

_ROOMS = ("traces", "responses", "logs")

_UPGRADES: dict[int, Any] = {}
"""Steps from one format to the next: ``{from_format: function(record) -> record}``."""


@dataclass
class Run:
    """What happened when a trial was run (or what another tool says happened).

    Args:
        run_id: Unique in its study.
        study: Name of the study.
        trial: ``{"order", "block", "repetition", "levels"}`` of the planned row.
        status: ``"done"`` or ``"failed"``.
        origin: ``"live"`` or ``"imported"``.
        error: Why it failed, one line; ``None`` if it did not.
        host: Key of the machine in ``hosts.json``.
        testbed: Where it ran: ``"local"``, or the testbed's name.
        started_at: UTC time of its start, ISO 8601; empty if unknown.
        windows: Named stretches, without the windows of single requests.
        channels: What was read.
        energy: Channel name -> window name -> energy dict.
        work: Counts: requests, tokens_in, tokens_out, flops.
        score: ``{"accuracy", "n_graded", "n_correct", "scorer"}``, or ``None``.
        emissions: Carbon dioxide of the measured window, see :mod:`joulebench.emissions`; ``None``
            where it is not known: the fact ``"no_emissions"`` then says why, if it was asked for.
        facts: What a reader must know besides: engine, sampling, recorder, process.
        findings: Checks that did not pass.
    """

    run_id: str
    study: str
    trial: dict[str, Any]
    status: str = "done"
    origin: str = "live"
    error: str | None = None
    host: str = ""
    testbed: str = "local"
    started_at: str = ""
    windows: list[Window] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    energy: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] | None = None
    emissions: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def levels(self) -> dict[str, Any]:
        """Levels of the factors."""
        return dict(self.trial.get("levels", {}))

    def to_dict(self) -> dict[str, Any]:
        """Give the record: the line of ``runs.jsonl``, the HTTP body and the row in one form."""
        record = {"format": FORMAT} | {part.name: getattr(self, part.name) for part in fields(self)}
        for plural in ("windows", "channels", "findings"):
            record[plural] = [item.to_dict() for item in record[plural]]
        if self.score is None:
            del record["score"]
        if self.emissions is None and "no_emissions" not in self.facts:
            del record["emissions"]
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Run:
        """Build a run from a record, upgrading older formats.

        Raises:
            UsageError: The format is newer than this version knows, or a part is missing.
        """
        parts = dict(_upgraded(record))
        parts.pop("format")
        parts["windows"] = [Window.from_dict(w) for w in parts.get("windows", [])]
        parts["channels"] = [Channel.from_dict(c) for c in parts.get("channels", [])]
        parts["findings"] = [Finding.from_dict(f) for f in parts.get("findings", [])]
        try:
            return cls(**parts)
        except TypeError as error:
            raise UsageError(f"record {record.get('run_id', '?')!r}: {error}") from error


def _upgraded(record: Mapping[str, Any]) -> Mapping[str, Any]:
    version = record.get("format")
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise UsageError(
            f"record {record.get('run_id', '?')!r} has format {version!r}; this version of "
            f"joulebench reads formats 1 to {FORMAT}; upgrade joulebench"
        )
    for step in range(version, FORMAT):
        record = _UPGRADES[step](record)
    return record


def dumps(record: Mapping[str, Any]) -> str:
    """Give a record as one line of JSON; a NaN or infinity is refused, absent is not a number."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    with _draft(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give a place to write to, which takes the name of a file once all is written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)  # half a file only takes room
        raise


class RunTable:
    """The folder of a study."""

    def __init__(self, folder: Path, study: dict[str, Any], hosts: dict[str, Any]) -> None:
        self.folder = folder
        self.study = study
        self.hosts = hosts
        self._runs: dict[str, Run] = {}

    @classmethod
    def create(
        cls, folder: Path, study: Mapping[str, Any], hosts: Mapping[str, Any] | None = None
    ) -> RunTable:
        """Make the folder of a new study.

        Args:
            folder: Where; made if absent.
            study: What was asked, resolved; written to ``study.yaml``.
            hosts: Facts of each machine by id; written to ``hosts.json``.

        Raises:
            UsageError: The folder holds a study already, or cannot be written.
        """
        if (folder / "study.yaml").exists():
            raise UsageError(
                f"{folder} holds a study already; choose another folder with --out, or run that "
                "study again to resume it"
            )
        try:
            for room in _ROOMS:
                (folder / room).mkdir(parents=True, exist_ok=True)
            table = cls(folder, dict(study), dict(hosts or {}))
            table.write_hosts()
            table.write_study()
        except OSError as error:
            _unmake(folder)
            raise UsageError(f"cannot make {folder}: {error.strerror}; choose --out") from error
        return table

    @classmethod
    def load(cls, folder: Path) -> RunTable:
        """Read a study's folder.

        Raises:
            UsageError: It is not a study, or a file in it cannot be read; says which and where.
        """
        study = _read_study(folder)
        table = cls(folder, study, _read_json(folder / "hosts.json"))
        table._keep(_read_runs(folder / "runs.jsonl"))
        return table

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.study.get("study", self.folder.name))

    @property
    def runs(self) -> list[Run]:
        """The runs in the order in which they first came; the last record of each counts."""
        return list(self._runs.values())

    @property
    def done_ids(self) -> set[str]:
        """Ids of the runs that are done."""
        return {run.run_id for run in self._runs.values() if run.status == "done"}

    def trace_path(self, run_id: str) -> Path:
        """Place of a run's traces."""
        return self.folder / "traces" / f"{run_id}.parquet"

    def responses_path(self, run_id: str) -> Path:
        """Place of a run's responses."""
        return self.folder / "responses" / f"{run_id}.jsonl"

    def log_path(self, run_id: str) -> Path:
        """Place of a run's log."""
        return self.folder / "logs" / f"{run_id}.txt"

    def append(self, run: Run) -> None:
        """Append a run and sync it to disk; a later record of one id replaces the earlier."""
        self.extend([run])

    def extend(self, runs: Iterable[Run]) -> None:
        """Append several runs and sync them to disk once, after the last."""
        path = self.folder / "runs.jsonl"
        _mend_last_line(path)
        with path.open("ab") as file:
            for run in runs:
                file.write(dumps(run.to_dict()).encode() + b"\n")
                self._runs[run.run_id] = run
            file.flush()
            os.fsync(file.fileno())

    def _keep(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._runs[run.run_id] = run

    def write_study(self) -> None:
        """Write ``study.yaml`` from :attr:`study`."""
        text = yaml.safe_dump(self.study, sort_keys=False, allow_unicode=True)
        write_whole(self.folder / "study.yaml", text)

    def write_hosts(self) -> None:
        """Write ``hosts.json``."""
        text = json.dumps(self.hosts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(self.folder / "hosts.json", text)

    def frame(self) -> pd.DataFrame:
        """Give one row a run, with the columns that were measured."""
        from joulebench.run_row import frame

        return frame(self.runs)

    def write_csv(self) -> Path:
        """Write ``run_table.csv`` anew from the records."""
        path = self.folder / "run_table.csv"
        write_whole(path, self.frame().to_csv(index=False, lineterminator="\n"))
        return path


def _unmake(folder: Path) -> None:
    """Remove what was made of a study whose folder could not be finished."""
    with suppress(OSError):
        (folder / "hosts.json").unlink(missing_ok=True)
    for room in _ROOMS:
        with suppress(OSError):
            (folder / room).rmdir()


def _read_study(folder: Path) -> dict[str, Any]:
    path = folder / "study.yaml"
    if not path.is_file():
        raise UsageError(
            f"{folder} is not a study: it has no study.yaml; name a folder that joulebench run or "
            "joulebench import wrote"
        )
    try:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(study, dict):
        raise UsageError(f"{path} holds no mapping; it was not written by joulebench")
    return study


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}); mend or delete it") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no facts of hosts; mend or delete it")
    return content


def _read_runs(path: Path) -> Iterator[Run]:
    """Read records; a last line without its newline was cut short by a crash and is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield _parsed(path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> Run:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(
            f"{path} line {number} is not JSON ({error}); mend or delete the line, its trial will "
            "be run again"
        ) from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} line {number} is not a record; delete the line")
    try:
        return Run.from_dict(record)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} line {number}: {error}") from error


def _mend_last_line(path: Path) -> None:
    """Move a last line that a crash cut short out of the way, into a file of its own."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        content = file.read()
        keep = content.rfind(b"\n") + 1
        with path.with_name("runs.cut-short.txt").open("ab") as aside:
            aside.write(content[keep:] + b"\n")
        file.truncate(keep)


def save_traces(path: Path, traces: Sequence[Trace]) -> None:
    """Write traces to one Parquet file: columns channel, t_s, v; channels in its metadata."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [trace.channel.name for trace in traces]
    lengths = [len(trace) for trace in traces]
    codes = np.repeat(np.arange(len(traces), dtype=np.int32), lengths)
    empty: list[Any] = [np.empty(0)]
    table = pa.table(
        {
            "channel": pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string())),
            "t_s": np.concatenate([trace.t_s for trace in traces] or empty),
            "v": np.concatenate([trace.v for trace in traces] or empty),
        },
        metadata={"joulebench.channels": dumps_channels(traces)},
    )
    with _draft(path) as draft:
        pq.write_table(
            table, draft, compression="zstd", use_dictionary=["channel"], write_statistics=False
        )


def dumps_channels(traces: Sequence[Trace]) -> str:
    """Give the channels of traces as JSON."""
    return json.dumps([trace.channel.to_dict() for trace in traces], allow_nan=False)


def load_traces(path: Path) -> dict[str, Trace]:
    """Read the traces of one run by channel name.

    Raises:
        UsageError: The file is absent, cannot be read, or holds something else.
    """
    import pyarrow as pa

    try:
        return _traces(path)
    except (
        OSError,
        pa.ArrowException,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{path} holds no traces: {what}") from error


def _traces(path: Path) -> dict[str, Trace]:
    import numpy as np
    import pyarrow.parquet as pq

    from joulebench.energy import Trace

    table = pq.read_table(path)
    column = table["channel"].combine_chunks()
    names = column.dictionary.to_pylist()
    codes = column.indices.to_numpy()
    t_s, v = table["t_s"].to_numpy(), table["v"].to_numpy()
    traces = {}
    for record in json.loads((table.schema.metadata or {})[b"joulebench.channels"]):
        rows = np.flatnonzero(codes == names.index(record["name"]))
        traces[record["name"]] = Trace(Channel.from_dict(record), t_s[rows], v[rows])
    return traces
