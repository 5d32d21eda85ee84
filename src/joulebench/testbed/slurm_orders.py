"""Gives trials to Slurm, each attempt once, whatever dies in between.

An order is on disk, synced, before Slurm hears of it, and the id that Slurm gives after. Where the
id is missing the job is found again by its name; where even that fails and a job is submitted a
second time, the first of the two that begins takes the order and the other one leaves it alone.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.record import RunTable, write_whole
from joulebench.testbed.slurm_place import ROOM, Place, place_of
from joulebench.testbed.slurm_queue import Queue, SlurmSilent
from joulebench.testbed.slurm_submit import submit
from joulebench.testbed.slurm_wait import cancel
from joulebench.testbed.testbed import TestbedLost

Plan = Mapping[str, Any]

_MOST = 500  # in an array; Slurm's own limit is 1001 where it was not raised
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


class Orders:
    """What a study has given to one cluster; shared by the testbeds that wait for its jobs.

    Args:
        folder: The study's.
        slurm: As the study file's ``slurm`` has it.
        name: What records call the cluster.
        study_id: Drawn once for the study's folder.
        queue: Asks Slurm.
    """

    def __init__(
        self, folder: Path, slurm: Mapping[str, Any], name: str, study_id: str, queue: Queue
    ) -> None:
        self.folder = folder.absolute()
        self.slurm = dict(slurm)
        self.name = name
        self.queue = queue
        self._study_id = study_id
        self._pending: list[Plan] = []
        self._lock = threading.Lock()

    def announce(self, plans: Sequence[Plan]) -> None:
        """Take note of what is to be run, so that a block can be submitted as an array.

        Args:
            plans: In the order of the study.
        """
        with self._lock:
            if not self.slurm.get("array") or self._pending:
                return
            table = RunTable.open(self.folder)
            # Of those that have failed before, the number of the next attempt is not known here.
            self._pending = [plan for plan in plans if table.entry(plan["run_id"]) is None]

    def given(self, plan: Plan, attempt: int, slot: str, patience: SilentFor) -> Place:
        """Give a trial to Slurm, unless that was done already.

        Args:
            plan: Of the trial.
            attempt: From 1.
            slot: Testbed that waits for it.
            patience: How long Slurm may be silent, and who may end the wait.

        Returns:
            Where it is submitted; its job's id is on disk.

        Raises:
            TestbedLost: Slurm takes nothing for too long.
            UsageError: Slurm refuses such a job.
        """
        while True:
            try:
                with self._lock:
                    return self._given(plan, attempt, slot)
            except SlurmSilent as error:
                patience.wait(error)

    def _given(self, plan: Plan, attempt: int, slot: str) -> Place:
        place = place_of(self.folder, plan["run_id"], attempt)
        if place.read("order") is None:
            self._submit(self._ordered(self._group(plan, attempt), attempt, slot))
        elif place.read("job") is None and place.read("record") is None:
            self._go_on(place)
        return place

    def _group(self, plan: Plan, attempt: int) -> Sequence[Plan]:
        """Give the trials that are submitted with one: those of its block that follow it."""
        ids = [other["run_id"] for other in self._pending]
        if attempt > 1 or plan["run_id"] not in ids:
            return [plan]
        first = ids.index(plan["run_id"])
        return list(itertools.takewhile(partial(self._joins, plan), self._pending[first:]))[:_MOST]

    def _joins(self, plan: Plan, other: Plan) -> bool:
        new = place_of(self.folder, other["run_id"], 1).read("order") is None
        return new and other["trial"]["block"] == plan["trial"]["block"]

    def _ordered(self, plans: Sequence[Plan], attempt: int, slot: str) -> list[Place]:
        """Write the orders of trials that are submitted together."""
        array = f"array-{uuid.uuid4().hex[:12]}" if len(plans) > 1 else ""
        places = []
        for index, plan in enumerate(plans):
            place = place_of(self.folder, plan["run_id"], attempt)
            place.folder.mkdir(parents=True, exist_ok=True)
            order = {"plan": dict(plan), "attempt": attempt, "testbed": self.name, "slot": slot}
            names = self._names(place, array, index)
            place.write("order", order | {"slurm": self.slurm, "index": index} | names)
            places.append(place)
        return places

    def _names(self, place: Place, array: str = "", index: int = 0) -> dict[str, str]:
        """Give the name of a job, and where it prints."""
        own = place.folder.name
        return {
            "array": array,
            "job_name": f"{self._study_id}.{array or own}",
            "log": f"{array}/{index}.txt" if array else f"{own}/job.txt",
        }

    def _submit(self, places: Sequence[Place]) -> None:
        order = places[0].read("order") or {}
        array = order["array"]
        folder = self.folder / ROOM / array if array else places[0].folder
        names = [place.folder.name for place in places] if array else []
        if array:
            folder.mkdir(exist_ok=True)
            write_whole(folder / "array.json", json.dumps(names))
        log = folder / ("%a.txt" if array else "job.txt")
        try:
            job = submit(self.slurm, order["job_name"], folder, log, len(names))
        except SlurmSilent:
            raise  # it may have been taken all the same: it is looked for by its name
        except BaseException:
            for place in places:
                place.withdraw()
            cancel(f"--name={order['job_name']}")  # an interruption may fall after it was taken
            raise
        for index, place in enumerate(places):
            place.write("job", {"job": f"{job}_{index}" if array else job})

    def _go_on(self, place: Place) -> None:
        """Find the job of an order whose id was not written down; submit it if there is none."""
        order, claim = place.read("order") or {}, place.read("claim")
        job = str(claim["job"]) if claim else self.queue.find(order["job_name"])
        if job:
            number = f"_{order['index']}" if order["array"] and not claim else ""
            place.write("job", {"job": f"{job}{number}"})
            return
        place.write("order", order | self._names(place))
        self._submit([place])

    def under_way(self) -> list[tuple[str, Place, dict[str, Any]]]:
        """Give what was given to Slurm and not collected: run id, place and order."""
        room = self.folder / ROOM
        found = []
        for name in sorted(os.listdir(room)) if room.is_dir() else []:
            match, place = re.fullmatch(r"(.+)~\d+\.\d+", name), Place(room / name)
            order = place.read("order")
            if match is not None and order is not None and place.open:
                found.append((match[1], place, order))
        return found

    def withdraw_ahead(self, slot: str, waited: Place | None) -> None:
        """Cancel what a testbed submitted ahead in an array and does not wait for yet.

        Args:
            slot: Its name.
            waited: What it waits for.
        """
        for _, place, order in self.under_way():
            mine = order["array"] and order["slot"] == slot
            if mine and place != waited and place.read("record") is None:
                cancel(str((place.read("job") or {}).get("job", "")))
                place.withdraw()


class SilentFor:
    """The wait for a Slurm that takes nothing, longer each time.

    Args:
        longest_s: After which it is given up, s.
        stop: Is set when the user stops the study.
    """

    def __init__(self, longest_s: float, stop: threading.Event) -> None:
        self._until_s = time.monotonic() + longest_s
        self._stop = stop
        self._pause_s = _FIRST_PAUSE_S

    def wait(self, error: SlurmSilent) -> None:
        """Wait.

        Args:
            error: What Slurm said.

        Raises:
            TestbedLost: It was long enough, or the user stopped the study.
        """
        left_s = self._until_s - time.monotonic()
        if left_s <= 0 or self._stop.wait(min(self._pause_s, left_s)):
            raise TestbedLost(str(error)) from error
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
