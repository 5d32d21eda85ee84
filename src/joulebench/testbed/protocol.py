"""The protocol around one trial: idle, load, warm-up, measured work, idle again."""

from __future__ import annotations

import hashlib
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from joulebench.channel import Window
from joulebench.clock import VIRTUAL, is_virtual
from joulebench.emissions import add_emissions
from joulebench.energy import Trace, headline_channels, weakest
from joulebench.finding import Finding
from joulebench.record import Run, dumps, write_whole
from joulebench.record_traces import save_traces
from joulebench.testbed.account import account
from joulebench.testbed.bystanders import busy_times, shared_machine
from joulebench.testbed.context_cap import context_findings
from joulebench.testbed.device_claims import DeviceClaims
from joulebench.testbed.disk import DISK_FULL, full_message
from joulebench.testbed.doubts import Circumstances, doubts
from joulebench.testbed.elsewhere import set_aside, set_judge_aside
from joulebench.testbed.host import usable_cpus
from joulebench.testbed.lines import one_line
from joulebench.testbed.observed import summary
from joulebench.testbed.recorded import covering
from joulebench.testbed.request_energy import rows_of, share_out
from joulebench.testbed.virtual import clock_for, recording_for, refuse_other_time
from joulebench.workloads.registry import build_workload
from joulebench.workloads.serving import STEADY
from joulebench.workloads.workload import Workload, WorkResult

Tell = Callable[[dict[str, Any]], None]

LAST_READING_S = 120.0
"""The longest wait for a reading past the last window, s: databases are filled twice a minute."""

_REPORT_S = 1.0


def run_trial(
    plan: Mapping[str, Any],
    folder: Path,
    tell: Tell,
    *,
    facts: Mapping[str, Any],
    root_pid: int,
    log: TextIO | None = None,
) -> Run:
    """Run one trial in this process and write its traces and responses.

    Args:
        plan: Of the trial; see :mod:`joulebench.study_plan`.
        folder: The study's folder.
        tell: Is told of each phase and, once a second, the power.
        facts: What the caller knows: host, testbed, process, imported.
        root_pid: The study's process, to tell its own from other processes.
        log: Takes the trace of an error; the standard error output if not given.

    Returns:
        The run, done or failed; its files are on disk.
    """
    trial = OneTrial(plan, folder, tell, root_pid)
    trial.log = log
    trial.run.host = str(facts["host"])
    trial.run.testbed = str(facts["testbed"])
    told = ("process", "imported") if not trial.virtual else ()  # computed time knows no place
    trial.run.facts |= {key: facts[key] for key in told if key in facts}
    trial.measure()
    trial.settle()
    return trial.run


class OneTrial:
    """What is known of a trial while it runs.

    Args:
        plan: Of the trial.
        folder: The study's folder.
        tell: Is told of each phase.
        root_pid: The study's process.
    """

    def __init__(self, plan: Mapping[str, Any], folder: Path, tell: Tell, root_pid: int) -> None:
        self.plan = dict(plan)
        self.virtual = is_virtual(plan)
        self.clock = clock_for(plan)
        self.folder = folder
        self.tell = tell
        self.root_pid = root_pid
        self.log: TextIO | None = None
        self.windows: list[Window] = []
        self.result = WorkResult()
        self.request_energies: list[dict[str, float]] = []
        self.recorded = False
        self.spool = spool_of(folder, str(plan["run_id"]))
        self.run = Run(
            run_id=str(plan["run_id"]),
            study=str(plan["study"]),
            trial=dict(plan["trial"]),
            started_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if self.virtual:
            self.run.facts["clock"] = VIRTUAL
        shutil.rmtree(self.spool, ignore_errors=True)
        self.recording = recording_for(plan, self.spool, self.clock, self._all_windows)
        self.claims = DeviceClaims({})

    def _all_windows(self) -> list[Window]:
        return [*self.windows, *self.result.windows]

    def measure(self) -> None:
        """Do the work with the sensors recorded; an error in it becomes part of the record."""
        self._cap_threads()
        try:
            refuse_other_time(self.plan)
            workload = build_workload(self.plan, self.clock)
            self._give_log(workload)
            try:
                workload.import_libraries()
                with self._recorded():
                    self._phases(workload)
            except BaseException:
                self.result = getattr(workload, "partial", self.result)
                with suppress(Exception):  # the first error is the one to tell
                    workload.close()
                raise
            workload.close()
        except Exception as error:
            with suppress(OSError):  # the log may be on the disk that is full
                traceback.print_exc(file=self.log)
            self._fail(error)

    def _give_log(self, workload: Workload) -> None:
        """Have what an engine starts write beside the trial's log."""
        use_log = getattr(getattr(workload, "engine", None), "use_log", None)
        if use_log is not None:
            use_log(self.folder / "logs" / f"{self.run.run_id}.server.txt")
        use_log = getattr(getattr(workload, "scorer", None), "use_log", None)
        if use_log is not None:
            use_log(self.folder / "logs" / f"{self.run.run_id}.judge.txt")

    def _fail(self, error: Exception) -> None:
        """Mark the run as failed; the first reason stays, unless it is that the disk is full."""
        full = full_message(error, self.folder)
        if full or self.run.status == "done":
            self.run.error = full or one_line(error)
        self.run.status = "failed"
        if full:
            self.run.facts[DISK_FULL] = True

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        self.recording.start()
        self.recorded = True
        self.claims = DeviceClaims(self.recording.identities, f"joulebench run: {self.run.run_id}")
        self.claims.take()
        try:
            with self._reports():
                yield
                # A sensor tells of a window's end only with its next update.
                settle_s = 2 * self.recording.interval_s + self.recording.settle_s
                self.clock.wait(min(settle_s, LAST_READING_S))
        finally:
            self.recording.stop()
            self.claims.release()

    def _phases(self, workload: Workload) -> None:
        protocol = self.plan["protocol"]
        before = None if self.virtual else busy_times(self.root_pid)
        with self._window("idle"):
            self.clock.wait(protocol["idle_s"])
        if self.plan["workload"] != "command":  # which loads and warms up inside its own window
            self._make_ready(workload)
        with self._window("measure"):
            self.result = workload.run()
        if before is not None:
            self.run.findings += shared_machine(before, busy_times(self.root_pid))
        with self._window("idle_after"):
            self.clock.wait(protocol["idle_after_s"])
        self._grade(workload)

    def _grade(self, workload: Workload) -> None:
        """Grade the answers; what costs energy has a window of its own, and a judge no company."""
        scorer = getattr(workload, "scorer", None)
        if scorer is None or not scorer.window:
            workload.grade(self.result)
            return
        if scorer.frees_engine:
            workload.close()
        with self._window(scorer.window):
            workload.grade(self.result)

    def _make_ready(self, workload: Workload) -> None:
        with self._window("load"):
            workload.load()
        if self.plan["protocol"]["warmup_prompts"]:
            with self._window("warmup"):
                workload.warm_up()

    @contextmanager
    def _window(self, name: str) -> Iterator[None]:
        """Mark a window, with a sample just outside each edge: a counter is then exact there."""
        self.tell({"event": "phase", "phase": name})
        self.recording.sample()
        start_s = self.clock.now_s()
        yield
        stop_s = self.clock.now_s()
        self.recording.sample()
        if stop_s > start_s:
            self.windows.append(Window(name, start_s, stop_s))

    def settle(self) -> None:
        """Put the energies into the record, and write responses and traces."""
        self.tell({"event": "phase", "phase": "account"})
        traces = self.recording.traces() if self.recorded else {}
        run = self.run
        steady = [window for window in self.result.windows if window.name == STEADY]
        run.windows = [*self.windows, *steady]
        run.channels = covering(self.recording.channels, traces) if traces else []
        run.work, run.score = self.result.work, self.result.score
        run.facts |= self.result.facts
        if self.recorded:
            self._judge_recording()
        run.energy, findings = account(traces, self._all_windows())
        set_judge_aside(run)
        elsewhere = set_aside(run)
        run.findings += findings if run.status == "done" and not elsewhere else []
        run.findings += context_findings(run.facts, len(self.result.responses))
        run.findings += self.result.findings
        add_emissions(run)
        if not elsewhere:
            self._share_out(traces)
        self._keep(list(traces.values()))

    def _share_out(self, traces: Mapping[str, Trace]) -> None:
        """Give each request its share of the measured energy; the record holds the sums alone."""
        shares = share_out(self.run.channels, traces, self.windows, self.result.responses)
        if shares is not None:
            self.run.facts["attribution"] = shares.to_dict()
            self.request_energies = rows_of(shares)

    def _keep(self, traces: Sequence[Trace]) -> None:
        """Write what belongs beside the record; a disk that takes none of it fails the run."""
        run = self.run
        answers = self.folder / "responses" / f"{run.run_id}.jsonl"
        path = self.folder / "traces" / f"{run.run_id}.parquet"
        for earlier in (answers, path):  # of an attempt before: not what this record is about
            with suppress(OSError):
                earlier.unlink(missing_ok=True)
        if self.result.responses:
            self._written(lambda: write_whole(answers, self._answers()))
        saved = not traces or self._written(lambda: save_traces(path, traces))
        shutil.rmtree(self.spool, ignore_errors=True)
        if not saved:  # the recorder's files have made room
            self._written(lambda: save_traces(path, traces))
        run.facts["files"] = self._digests()

    def _digests(self) -> dict[str, str]:
        """Give the SHA-256 of each file beside the record, so that a change of one can be seen."""
        run_id = self.run.run_id
        files = {
            "traces": self.folder / "traces" / f"{run_id}.parquet",
            "responses": self.folder / "responses" / f"{run_id}.jsonl",
        }
        return {name: sha256_of(path) for name, path in files.items() if path.is_file()}

    def _written(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _judge_recording(self) -> None:
        """Fail a run whose recorder or meter was lost, so that it is run again; note all doubts."""
        run, known = self.run, Circumstances.of(self.recording)
        run.facts["recorder"] = facts = dict(known.facts)
        if run.status == "done":
            run.error = _what_was_lost(facts)
            run.status = "failed" if run.error else "done"
        if facts.get("unwritten"):
            run.facts[DISK_FULL] = True
        begins_s = min((w.start_s for w in self.windows if w.name != "idle"), default=0.0)
        run.findings += doubts(known, self.windows, begins_s)
        run.findings += self.claims.findings()
        measured = [window for window in self.windows if window.name == "measure"]
        devices = summary(known.observations, measured)
        if devices:
            run.facts["devices"] = devices

    def _answers(self) -> str:
        prompts = {request.request_id: request.prompt for request in self.result.requests}
        rows = [response.to_dict() for response in self.result.responses]
        for more in (self.request_energies, self.result.marks):
            if more:
                rows = [row | cells for row, cells in zip(rows, more, strict=True)]
        lines = [dumps(row | {"prompt": prompts.get(row["request_id"], "")}) for row in rows]
        return "\n".join(lines) + "\n"

    def _cap_threads(self) -> None:
        """Use no more threads than the trial has processors, and say so."""
        engine = self.plan.get("engine") or {}
        asked, usable = engine.get("threads"), usable_cpus()
        if not isinstance(asked, int) or asked <= usable:
            return
        self.plan["engine"] = engine | {"threads": usable}
        self.run.findings.append(
            Finding(
                rule="fewer-threads",
                severity="note",
                where="engine.threads",
                message=f"the study asks for {asked} threads and this machine has {usable} "
                f"processors; {usable} were used",
                remedy="compare this run only with runs of as many threads",
                seen=str(usable),
                possible=str(asked),
            )
        )

    @contextmanager
    def _reports(self) -> Iterator[None]:
        """Tell the power once a second, from a thread that sleeps in between.

        Nobody can watch computed time pass.
        """
        if self.virtual:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._report, args=(done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _report(self, done: threading.Event) -> None:
        while not done.wait(_REPORT_S):
            watts = self.recording.watts()
            if watts is not None:
                self.tell({"event": "watts", "watts": watts, "method": self._method()})

    def _method(self) -> str:
        """Say how the watts are known."""
        return weakest([c.method for c in headline_channels(self.recording.channels)])


def _what_was_lost(facts: Mapping[str, Any]) -> str | None:
    """Say what of a recording cannot be had; ``None`` if nothing."""
    for why in facts.get("unwritten", {}).values():
        return str(why)
    if "ended" in facts:
        return f"the recorder ended {facts['ended']} while the trial ran"
    for meter, why in facts.get("lost", {}).items():
        return f"the meter {meter!r} was lost while the trial ran: {why}"
    return None


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spool_of(folder: Path, run_id: str) -> Path:
    """Give the folder into which the recorder of a trial writes."""
    return folder / "traces" / f".{run_id}.recording"
