"""A Slurm cluster as a testbed: each trial a job of its own, alone on its node.

The study's folder has to be on a file system that the nodes share. A job runs its trial as this
machine would run it, in a folder of its submission, and leaves the record there as a file, which
the study collects. What Slurm ends before that (time limit, preemption, a lost node) becomes a
record that failed, with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed.slurm_orders import Orders, SilentFor
from joulebench.testbed.slurm_place import ROOM, Place
from joulebench.testbed.slurm_queue import Queue
from joulebench.testbed.slurm_submit import check
from joulebench.testbed.slurm_wait import JobWait, Patience, cancel
from joulebench.testbed.testbed import Plan, Tell
from joulebench.workloads.registry import build_workload


class SlurmTestbed:
    """Submits trials to a cluster one at a time, and collects them.

    Args:
        folder: The study's folder, shared with the nodes.
        slurm: As the study file's ``slurm`` has it.
        name: What status and messages call it; records add the node to it.
        study_id: Drawn once for the study's folder.
        orders: What it shares with other testbeds of the cluster; its own if not given.
        patience: How long is waited for what.
    """

    def __init__(
        self,
        folder: Path,
        slurm: Mapping[str, Any],
        name: str,
        study_id: str,
        orders: Orders | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.orders = orders or Orders(folder, slurm, name, study_id, Queue())
        self._patience = patience or Patience()
        self._stop = threading.Event()
        self._runner: int | None = None
        self._wait: JobWait | None = None
        self._recorded: Place | None = None
        self._hosts: set[str] = set()

    def prepare(self, plans: Sequence[Plan]) -> Mapping[str, Mapping[str, Any]]:
        """Check the plans as far as this machine can, and whether Slurm takes such jobs.

        Meters, models and hosts are the nodes': they are found in the jobs, and each run tells of
        its host.

        Raises:
            UsageError: A plan that cannot be run, no Slurm or no submitit here, or Slurm refuses.
        """
        for plan in plans:
            build_workload(plan)
        room = self.orders.folder / ROOM
        try:
            room.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make {room}: {error.strerror}; choose --out") from error
        check(self.orders.slurm, room)
        return {}

    def adopt(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Name those of the plans whose jobs this testbed has submitted and nobody has recorded."""
        self.orders.announce(plans)
        mine = {
            run_id for run_id, _, order in self.orders.under_way() if order["slot"] == self.name
        }
        return [plan for plan in plans if plan["run_id"] in mine]

    def run(self, plan: Plan, attempt: int, tell: Tell) -> Run:
        """Submit a trial, or go on with its job, and wait for its end.

        Args:
            plan: Of the trial.
            attempt: From 1; the same attempt is never run twice.
            tell: Is told of phases, watts, and of hosts: ``{"event": "host", "id", "facts"}``.

        Raises:
            TestbedLost: Slurm has not answered for too long.
            UsageError: Slurm refuses such jobs.
        """
        self._note_recorded()
        self._stop.clear()
        self._runner = threading.get_ident()
        tell({"event": "phase", "phase": "submit"})
        silent = SilentFor(self._patience.silent_s, self._stop)
        place = self.orders.given(plan, attempt, self.name, silent)
        folder, queue = self.orders.folder, self.orders.queue
        self._wait = JobWait(place, folder, plan, queue, self._stop, self._patience)
        run = self._wait.end(tell)
        self._wait = self._runner = None
        self._tell_host(place, tell)
        if not place.withdrawn:
            self._recorded = place
        return run

    def _note_recorded(self) -> None:
        """Note that the run before was recorded: the study goes on only then."""
        if self._recorded is not None:
            self._recorded.close()
            self._recorded = None

    def _tell_host(self, place: Place, tell: Tell) -> None:
        for host, facts in (place.read("node") or {}).get("hosts", {}).items():
            if host not in self._hosts:
                self._hosts.add(host)
                tell({"event": "host", "id": host, "facts": facts})

    def cool_down(self, plan: Plan, tell: Tell) -> None:
        """Wait for nothing: each job cools its own node down before it measures."""
        del plan, tell

    def stop(self) -> None:
        """Cancel the job under way, and those submitted ahead of it."""
        self._stop.set()
        wait = self._wait
        self.orders.withdraw_ahead(self.name, wait.place if wait is not None else None)
        if wait is None:
            return
        if self._runner == threading.get_ident():  # run() was left by the interruption
            wait.withdrawn()
            self._wait = self._runner = None
        else:
            cancel(wait.job)

    def close(self) -> None:
        """Let go of nothing: a job that was not stopped goes on, and is adopted by the next run."""


def slurm_testbeds(
    folder: Path,
    slurm: Mapping[str, Any],
    name: str,
    study_id: str,
    patience_s: float = 600.0,
) -> list[SlurmTestbed]:
    """Give as many testbeds as jobs may wait or run at a time.

    Args:
        folder: The study's folder, shared with the nodes.
        slurm: As the study file's ``slurm`` has it.
        name: What records call the cluster.
        study_id: Drawn once for the study's folder.
        patience_s: How long Slurm may be silent, s.
    """
    jobs = int(slurm.get("jobs", 1))
    orders = Orders(folder, slurm, name, study_id, Queue())
    names = [name] if jobs == 1 else [f"{name}-{number}" for number in range(1, jobs + 1)]
    patience = Patience(silent_s=patience_s)
    return [SlurmTestbed(folder, slurm, each, study_id, orders, patience) for each in names]
