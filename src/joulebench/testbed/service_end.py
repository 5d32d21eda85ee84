"""How a trial's end is written down: files and record first, then the state that speaks of them."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from joulebench.record import Run
from joulebench.testbed.disk import full_message
from joulebench.testbed.service_device import Device
from joulebench.testbed.service_files import clean_log, listed, place
from joulebench.testbed.service_store import Store
from joulebench.testbed.service_trial import ServedTrial, State, now

_LOG = logging.getLogger("joulebench.testbed.service")

CUT_SHORT = "the testbed was stopped while it ran"

_LEFTOVERS_S = 10.0


def write_end(store: Store, trial: ServedTrial, run: Run | None, state: State) -> None:
    """Write down that a trial has ended, and how.

    Args:
        store: Where.
        trial: Its state is set.
        run: What it gave; ``None`` for one that was cancelled.
        state: ``done``, ``failed`` or ``cancelled``.
    """
    secrets, files = trial.secrets(), []
    error = None if run is None else secrets.hide(run.error or "") or None
    try:
        clean_log(place(trial.folder, trial.run_id, "log.txt"), secrets)
        files = listed(trial.folder, trial.run_id)
        if run is not None:
            store.keep_record(trial, secrets.hide_in(run.to_dict()))
    except OSError as refused:
        why = full_message(refused, trial.folder) or f"{type(refused).__name__}: {refused}"
        state, error = "failed", f"the testbed could not keep its files: {why}"
    _write_state(store, trial, {"state": state, "error": error, "files": files, "ended_at": now()})


def _write_state(store: Store, trial: ServedTrial, end: dict[str, Any]) -> None:
    """Have the end on disk before anybody is told of it."""
    try:
        store.save(trial, **end)
        store.hide_plan(trial)
    except OSError as error:  # after a restart it is failed, or done where its record is there
        _LOG.error("%s: %s", trial.run_id, full_message(error, trial.folder) or error)
    trial.phase, trial.watts, trial.method, trial.plan = "", None, "", None
    trial.error, trial.files, trial.ended_at = end["error"], end["files"], end["ended_at"]
    trial.state = end["state"]


def take_up(store: Store, device: Device) -> list[ServedTrial]:
    """Read all trials as a service that was killed has left them.

    One that was under way has failed, unless its record is there; those that wait still wait.
    """
    _end_leftovers(store)
    trials = store.load()
    for trial in trials:
        if trial.state == "running":
            _end_cut_short(store, device, trial)
        elif trial.ended:
            with suppress(OSError):
                store.hide_plan(trial)
        elif trial.plan is None:
            write_end(store, trial, device.failed(trial, "its request cannot be read"), "failed")
    return trials


def _end_cut_short(store: Store, device: Device, trial: ServedTrial) -> None:
    record = store.record(trial)
    if record is None:
        _LOG.warning("%s was under way when the testbed was stopped", trial.run_id)
        _note(place(trial.folder, trial.run_id, "log.txt"), f"--- {now()} {CUT_SHORT}\n")
        run = device.failed(trial, CUT_SHORT)
    else:
        run = Run.from_dict(record)
    write_end(store, trial, run, "done" if run.status == "done" else "failed")


def _note(log: Path, line: str) -> None:
    """Add a line to a log, which is there from then on."""
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        file.write(line)


def _end_leftovers(store: Store) -> None:
    """Wait for what a killed service has left running; kill what does not end by itself."""
    stop_s = time.monotonic() + _LEFTOVERS_S
    while left := _leftovers(str(store.folder.resolve())):
        if time.monotonic() > stop_s:
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
        time.sleep(0.1)


def _leftovers(folder: str) -> list[psutil.Process]:
    """Find the processes whose messages go into a file of the state: trials and what forks them."""
    me, found = psutil.Process().pid, []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != me and any(
                file.path.startswith(f"{folder}/") and _is_message_file(file)
                for file in process.open_files()
            ):
                found.append(process)
    return found


def _is_message_file(file: Any) -> bool:
    return file.fd in (1, 2)
