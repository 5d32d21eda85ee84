"""What a Slurm job does on its node: one trial, as on any machine, and its record as a file.

Run as ``python -m joulebench.testbed.slurm_job FOLDER``: of a submission, or of an array of them.
It waits the trial's cool-down first: whoever had the node before, it has then been left alone for
so long. When Slurm tells it to end it stops the trial and keeps what was measured.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from joulebench.finding import Finding
from joulebench.record import Run
from joulebench.testbed.lines import one_line
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.local_ends import failed_run, rescue_traces
from joulebench.testbed.sensors import Meters, Sensors, sensors
from joulebench.testbed.slurm_ends import STOPPED
from joulebench.testbed.slurm_place import ROOMS, Place, job_of
from joulebench.testbed.slurm_rest import NodeRest

_TOLD_S = 1.0


def main() -> int:
    """Do what the order in the folder says that is named on the command line."""
    place = _place(Path(sys.argv[1]))
    order = place.read("order")
    if order is None or place.withdrawn:
        print(f"there is no order in {place.folder}; it was withdrawn", flush=True)  # noqa: T201
        return 1
    claim = _claim()
    if place.claim(claim):
        return 0 if OneJob(place, order, claim).run() else 1
    first = place.read("claim") or {}
    if first.get("job") != claim["job"]:
        print(f"job {first.get('job')} has this trial already", flush=True)  # noqa: T201
        return 0
    # Against --no-requeue: what was measured before is in doubt, and is never measured twice.
    OneJob(place, order, first).keep_failed("Slurm interrupted the job and began it again")
    return 1


def _place(folder: Path) -> Place:
    """Give this job's submission; of an array, that of its number."""
    try:
        names = json.loads((folder / "array.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Place(folder)
    return Place(folder.parent / names[int(os.environ["SLURM_ARRAY_TASK_ID"])])


def _claim() -> dict[str, Any]:
    environment = os.environ
    return {
        "job": job_of(environment),
        "job_id": environment.get("SLURM_JOB_ID", ""),
        "node": environment.get("SLURMD_NODENAME") or platform.node(),
        "partition": environment.get("SLURM_JOB_PARTITION", ""),
        "started_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class OneJob:
    """One trial on this node.

    Args:
        place: Of the submission.
        order: What is to be run.
        claim: What is known of this job.
    """

    def __init__(self, place: Place, order: Mapping[str, Any], claim: Mapping[str, Any]) -> None:
        self._place = place
        self._plan = order["plan"]
        self._order = order
        self._claim = claim
        self._told: dict[str, Any] = {}
        self._told_s = float("-inf")
        self._rest = NodeRest(place.folder.parent, str(claim["node"]))
        self._sensors: Sensors | None = None
        name = testbed_name(order, claim)
        self._local = LocalTestbed(
            place.folder, name=name, find=self._found, cooling=self._rest.cooling
        )

    def run(self) -> bool:
        """Run it and write its record; ``False`` where Slurm ended it."""
        for room in ROOMS:
            (self._place.folder / room).mkdir(exist_ok=True)
        try:
            with _interruptible():
                run = self._measure()
        except KeyboardInterrupt:
            self._local.stop()
            self.keep_failed(STOPPED)
            return False
        except Exception as error:
            traceback.print_exc()
            self.keep_failed(one_line(error))
            return True
        finally:
            self._local.close()
        self._keep(run)
        return True

    def _measure(self) -> Run:
        hosts = self._local.prepare([self._plan])
        self._place.write("node", {"host": self._local.host, "hosts": hosts})
        self._cool_down()
        return self._local.run(self._plan, int(self._order["attempt"]), self._tell)

    def _found(self, meters: Meters) -> Sensors:
        self._sensors = self._sensors or sensors(meters)
        return self._sensors

    def _cool_down(self) -> None:
        """Wait as the protocol says; with an adaptive one, as the node was in earlier jobs."""
        specs = self._found(self._plan["meters"]).specs
        self._rest.recall(specs)
        self._local.cool_down(self._plan, self._tell)
        self._rest.keep(specs)

    def keep_failed(self, why: str) -> None:
        """Write the record of a trial that gave none.

        Args:
            why: In one line.
        """
        facts = {"host": self._local.host, "testbed": self._local.name}
        run = failed_run(self._plan, facts, str(self._claim["started_at"]), why)
        rescue_traces(self._place.folder, run)
        self._keep(run)

    def _keep(self, run: Run) -> None:
        run.facts["slurm"] = slurm_facts(self._order, self._claim)
        if not self._order["slurm"].get("exclusive", True):
            run.findings.append(shared_node(str(self._claim["node"])))
        self._place.write("record", {"job": self._claim["job"], "run": run.to_dict()})

    def _tell(self, message: Mapping[str, Any]) -> None:
        new_phase = message.get("phase", self._told.get("phase")) != self._told.get("phase")
        self._told |= {key: value for key, value in message.items() if key != "event"}
        if new_phase or time.monotonic() - self._told_s > _TOLD_S:
            self._told_s = time.monotonic()
            with suppress(OSError):  # the trial itself says so if the disk is full
                self._place.tell(self._told)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Slurm's first SIGTERM through as KeyboardInterrupt; those after it change nothing."""
    open_to_it = True

    def on(_number: int, _frame: FrameType | None) -> None:
        nonlocal open_to_it
        if open_to_it:
            open_to_it = False
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on)
    try:
        yield
    finally:
        open_to_it = False


def testbed_name(order: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    """Name the machine that a job runs on: records of one node are of one testbed.

    Args:
        order: Of the submission.
        claim: Of the job; empty if none has begun.
    """
    return f"{order['testbed']}:{claim['node']}" if claim else str(order["testbed"])


def slurm_facts(order: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a record says of its job.

    Args:
        order: Of the submission.
        claim: Of the job; empty if none has begun.
    """
    slurm = order["slurm"]
    facts = {
        "job": claim.get("job", ""),
        "job_id": claim.get("job_id", ""),
        "array": claim.get("job", "").partition("_")[0] if "_" in claim.get("job", "") else "",
        "node": claim.get("node", ""),
        "partition": claim.get("partition", "") or slurm.get("partition", ""),
        "time_limit": slurm.get("time", ""),
        "attempt": order["attempt"],
    }
    exclusive = {"exclusive": bool(slurm.get("exclusive", True))}
    return {key: fact for key, fact in facts.items() if fact not in ("", None)} | exclusive


def shared_node(node: str) -> Finding:
    """Say that the node was not the trial's alone.

    Args:
        node: Its name.
    """
    return Finding(
        rule="shared-node",
        severity="warning",
        where="slurm.exclusive",
        message=f"the job did not ask for {node} alone: what other jobs drew there meanwhile is in "
        "these readings",
        remedy="set slurm.exclusive: true and measure again, with another --out",
        seen="exclusive: false",
        possible="exclusive: true",
    )


if __name__ == "__main__":
    sys.exit(main())
