"""The protocol around one trial: idle, load, warm-up, measured work, idle again."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulebench.channel import Window
from joulebench.energy import headline_channels, weakest
from joulebench.finding import Finding
from joulebench.meters.meter import MeterSpec
from joulebench.record import Run, dumps, save_traces, write_whole
from joulebench.testbed.account import account, failed_readings
from joulebench.testbed.bystanders import busy_times, shared_machine
from joulebench.testbed.host import usable_cpus
from joulebench.testbed.lines import one_line
from joulebench.testbed.recording import Recording
from joulebench.workloads.registry import build_workload
from joulebench.workloads.workload import Workload, WorkResult

Tell = Callable[[dict[str, Any]], None]

LAST_READING_S = 5.0
"""The longest wait for a reading past the last window, s."""

_REPORT_S = 1.0


def run_trial(
    plan: Mapping[str, Any],
    folder: Path,
    tell: Tell,
    *,
    facts: Mapping[str, Any],
    root_pid: int,
) -> Run:
    """Run one trial in this process and write its traces and responses.

    Args:
        plan: Of the trial; see :mod:`joulebench.study_plan`.
        folder: The study's folder.
        tell: Is told of each phase and, once a second, the power.
        facts: What the caller knows: host, testbed, process, imported.
        root_pid: The study's process, to tell its own from other processes.

    Returns:
        The run, done or failed; its files are on disk.
    """
    trial = OneTrial(plan, folder, tell, root_pid)
    trial.run.host = str(facts["host"])
    trial.run.testbed = str(facts["testbed"])
    trial.run.facts |= {key: facts[key] for key in ("process", "imported") if key in facts}
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
        self.folder = folder
        self.tell = tell
        self.root_pid = root_pid
        self.windows: list[Window] = []
        self.result = WorkResult()
        self.recorded = False
        self.spool = spool_of(folder, str(plan["run_id"]))
        self.run = Run(
            run_id=str(plan["run_id"]),
            study=str(plan["study"]),
            trial=dict(plan["trial"]),
            started_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self.recording = self._recording()

    def _recording(self) -> Recording:
        shutil.rmtree(self.spool, ignore_errors=True)
        self.spool.mkdir(parents=True)
        specs = [MeterSpec.from_dict(spec) for spec in self.plan["meters"]]
        interval_s = self.plan["protocol"]["interval_s"]
        return Recording(specs, self.spool, interval_s=interval_s, mode="process")

    def measure(self) -> None:
        """Do the work with the sensors recorded; an error in it becomes part of the record."""
        self._cap_threads()
        try:
            workload = build_workload(self.plan)
            workload.import_libraries()
            with self._recorded():
                self._phases(workload)
            workload.close()
        except Exception as error:
            traceback.print_exc()
            self.run.status = "failed"
            self.run.error = one_line(error)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        self.recording.start()
        self.recorded = True
        try:
            with self._reports():
                yield
                # A sensor tells of a window's end only with its next update.
                settle_s = 2 * self.recording.interval_s + self.recording.settle_s
                time.sleep(min(settle_s, LAST_READING_S))
        finally:
            self.recording.stop()

    def _phases(self, workload: Workload) -> None:
        protocol = self.plan["protocol"]
        before = busy_times(self.root_pid)
        with self._window("idle"):
            time.sleep(protocol["idle_s"])
        if self.plan["workload"] != "command":  # which loads and warms up inside its own window
            self._make_ready(workload)
        with self._window("measure"):
            self.result = workload.run()
        self.run.findings += shared_machine(before, busy_times(self.root_pid))
        with self._window("idle_after"):
            time.sleep(protocol["idle_after_s"])

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
        start_s = time.monotonic()
        yield
        stop_s = time.monotonic()
        self.recording.sample()
        if stop_s > start_s:
            self.windows.append(Window(name, start_s, stop_s))

    def settle(self) -> None:
        """Write responses and traces, and put the energies into the record."""
        self.tell({"event": "phase", "phase": "account"})
        traces = self.recording.traces() if self.recorded else {}
        run = self.run
        run.windows = self.windows
        run.channels = [trace.channel for trace in traces.values()]
        run.work, run.score = self.result.work, self.result.score
        run.facts |= self.result.facts
        if self.recorded:
            run.facts["recorder"] = self.recording.facts()
            self._judge_recorder(run.facts["recorder"])
        if self.result.responses:
            write_whole(self.folder / "responses" / f"{run.run_id}.jsonl", self._answers())
        if traces:
            save_traces(self.folder / "traces" / f"{run.run_id}.parquet", list(traces.values()))
        run.energy, findings = account(traces, [*self.windows, *self.result.windows])
        run.findings += findings if run.status == "done" else []
        shutil.rmtree(self.spool, ignore_errors=True)

    def _judge_recorder(self, facts: Mapping[str, Any]) -> None:
        """Fail a run whose recorder was lost, so that it is run again; note failed readings."""
        if "ended" in facts and self.run.status == "done":
            self.run.status = "failed"
            self.run.error = f"the recorder ended {facts['ended']} while the trial ran"
        for meter, errors in facts.get("errors", {}).items():
            self.run.findings.append(failed_readings(meter, errors))

    def _answers(self) -> str:
        prompts = {request.request_id: request.prompt for request in self.result.requests}
        rows = [response.to_dict() for response in self.result.responses]
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
        """Tell the power once a second, from a thread that sleeps in between."""
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


def spool_of(folder: Path, run_id: str) -> Path:
    """Give the folder into which the recorder of a trial writes."""
    return folder / "traces" / f".{run_id}.recording"
