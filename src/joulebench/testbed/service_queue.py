"""One trial runs, one waits: the queue of a testbed, with leases, cancelling and cool-downs."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from joulebench.record import Run
from joulebench.testbed.disk import full_message
from joulebench.testbed.service_device import Device
from joulebench.testbed.service_end import CUT_SHORT, take_up, write_end
from joulebench.testbed.service_refusals import Busy, NoRoom, known_attempt
from joulebench.testbed.service_settings import LEAST_FREE, RETRY_S
from joulebench.testbed.service_store import Store
from joulebench.testbed.service_trial import ServedTrial, State, now

_LOG = logging.getLogger("joulebench.testbed.service")

_LOOK_S = 0.25
_FORGET_EVERY_S = 3600.0


class ServedQueue:
    """Runs what it is given, one at a time, in a thread of its own.

    Args:
        store: Where trials are written down.
        device: Runs them.
        on_end: Is told of each that has ended, in that thread.
        keep_days: Ended trials are forgotten after so many days; never if 0.
    """

    def __init__(
        self,
        store: Store,
        device: Device,
        on_end: Callable[[ServedTrial], object] = lambda _trial: None,
        keep_days: float = 0.0,
    ) -> None:
        self.store = store
        self.device = device
        self.ended: Counter[str] = Counter()
        self.expired = 0
        self._on_end = on_end
        self._keep_days = keep_days
        self._change = threading.Condition(threading.RLock())
        self._trials: dict[str, ServedTrial] = {}
        self._waiting: list[ServedTrial] = []
        self._running: ServedTrial | None = None
        self._run_ended = threading.Event()
        self._cooling = False
        self._parting = self._closing = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what is on disk, and begin to work."""
        self.store.forget_older(self._keep_days)
        for trial in take_up(self.store, self.device):
            self._trials[trial.id] = trial
            if not trial.ended:
                trial.state = "queued"
                self._waiting.append(trial)
        for name in ("_work", "_watch_leases"):
            thread = threading.Thread(target=getattr(self, name), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def busy(self) -> bool:
        """Whether a trial runs or waits."""
        return self._running is not None or bool(self._waiting)

    @property
    def watts(self) -> float | None:
        """Power of the trial that runs, W."""
        running = self._running
        return None if running is None else running.watts

    def all(self, study_id: str | None = None) -> list[ServedTrial]:
        """Give all trials, or those of one study, in the order in which they came."""
        with self._change:
            found = list(self._trials.values())
        return [trial for trial in found if study_id in (None, trial.study_id)]

    def get(self, trial_id: str) -> ServedTrial | None:
        """Give a trial; ``None`` if it is not known."""
        return self._trials.get(trial_id)

    def known(self, trial: ServedTrial) -> ServedTrial | None:
        """Give the attempt that is known already, its lease renewed; ``None`` if it is new.

        Raises:
            Conflict: That attempt has another plan, or a later one is known.
            Busy: An earlier attempt has not ended.
        """
        with self._change:
            known = self._trials.get(trial.id)
            return known_attempt(known, trial)

    def add(self, trial: ServedTrial) -> tuple[ServedTrial, bool]:
        """Take a trial in, unless it is known; gives it and whether it is new.

        Raises:
            Conflict: That attempt has another plan, or a later one is known.
            Busy: One trial runs and one waits, or an earlier attempt has not ended.
            NoRoom: The disk is full.
        """
        with self._change:
            known = self.known(trial)
            if known is not None:
                return known, False
            self._refuse_when_full(trial)
            trial.queued_at = now()
            try:
                self.store.add(trial)
            except OSError as error:
                why = full_message(error, trial.folder) or str(error)
                raise NoRoom(f"the testbed cannot write it down: {why}; make room there") from error
            trial.state = "cooling" if self._cooling else "queued"
            trial.renew()
            self._trials.pop(trial.id, None)  # a later attempt comes last
            self._trials[trial.id] = trial
            self._waiting.append(trial)
            self._change.notify_all()
        self._tell_state(trial)
        return trial, True

    def _refuse_when_full(self, trial: ServedTrial) -> None:
        if self._parting:
            raise NoRoom("the testbed is being stopped; ask again when it is back")
        # What waits is begun at once where nothing runs and nothing cools.
        taken = len(self._waiting) + (self._running is not None or self._cooling)
        if self._waiting and taken >= 2:
            raise Busy(
                f"run {trial.run_id}: one trial runs and one waits already; ask again in "
                f"{RETRY_S:g} s"
            )
        if self.store.free_bytes() < LEAST_FREE:
            raise NoRoom(
                f"the disk of {self.store.folder} has less than {LEAST_FREE >> 20} MiB free; make "
                "room there"
            )

    def cancel(self, trial: ServedTrial) -> None:
        """Stop a trial that waits or runs; nothing happens to one that has ended."""
        self._end_early(trial, "cancelled")

    def _end_early(self, trial: ServedTrial, why: str) -> None:
        with self._change:
            if trial.ended or trial.ending:
                return
            trial.ending = why
            if trial in self._waiting:
                self._waiting.remove(trial)
                self._close_trial(trial, None)
                return
            stop, ended = self.device.stop, self._run_ended
            trial.phase = "stopping"
        trial.watch.tell("phase", {"phase": trial.phase})
        threading.Thread(target=stop, args=(ended,), daemon=True).start()

    def refuse_more(self) -> None:
        """Take no more trials, and wake who watches one."""
        self._parting = True
        for trial in self.all():
            trial.watch.wake()

    def close(self, patience_s: float = 10.0) -> None:
        """Stop the trial under way, mark it as failed, and end; what waits stays on disk.

        Args:
            patience_s: How long the trial may take, s.
        """
        with self._change:
            if self._closing:
                return
            self._closing = self._parting = True
            running = self._running
            self._change.notify_all()
        if running is not None:
            self._end_early(running, CUT_SHORT)
            self._run_ended.wait(patience_s)
        for thread in self._threads:
            thread.join(0.5 if self._cooling else patience_s)
        self.device.close()

    @property
    def closing(self) -> bool:
        """Whether it is being stopped."""
        return self._parting

    def _work(self) -> None:
        self._cool_after_restart()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closing or self._waiting)
                if self._closing:
                    return
                trial = self._waiting.pop(0)
                self._running = trial
                self._run_ended = threading.Event()
                plan = trial.plan
                trial.started_at = now()
                trial.state, trial.phase = "running", "starting"
            self._run(trial)
            self._cool(plan)

    def _run(self, trial: ServedTrial) -> None:
        _LOG.info("%s attempt %d begins", trial.run_id, trial.attempt)
        try:
            self.store.save(trial)
        except OSError as error:
            why = full_message(error, trial.folder) or str(error)
            run = self.device.failed(trial, f"the testbed cannot write it down: {why}")
        else:
            self._tell_state(trial)
            run = self.device.run(
                trial, lambda message: self._told(trial, message), self._run_ended
            )
        self._run_ended.set()
        self._close_trial(trial, run)
        with self._change:
            self._running = None

    def _told(self, trial: ServedTrial, message: dict[str, Any]) -> None:
        if message["event"] == "phase" and not trial.ending:
            trial.phase = str(message["phase"])
            trial.watch.tell("phase", {"phase": trial.phase})
        elif message["event"] == "watts":
            trial.watts, trial.method = message["watts"], message.get("method", "")
            trial.watch.tell("watts", {"watts": trial.watts, "method": trial.method})

    def _close_trial(self, trial: ServedTrial, run: Run | None) -> None:
        """Write down how a trial ended; ``run`` is what it gave, if it was begun."""
        done = run is not None and run.status == "done"
        state: State = "done" if done else "failed"
        if trial.ending == "cancelled" and not done:
            state, run = "cancelled", None
        elif trial.ending and not done:
            run = run or self.device.failed(trial, trial.ending)
            run.error = trial.ending
        write_end(self.store, trial, run, state)
        self.ended[trial.state] += 1
        _LOG.info("%s attempt %d: %s %s", trial.run_id, trial.attempt, state, trial.error or "")
        self._tell_state(trial)
        self._on_end(trial)

    def _tell_state(self, trial: ServedTrial) -> None:
        trial.watch.tell("state", trial.public())

    def _cool_after_restart(self) -> None:
        """Cool down after the trial that a restart cut short: the device is still warm from it."""
        ended = [trial for trial in self.all() if trial.ended and trial.started_at]
        last = max(ended, key=lambda trial: trial.ended_at, default=None)
        if last is not None and last.error == CUT_SHORT and not self._closing:
            self._cool(self.store.plan(last))

    def _cool(self, plan: dict[str, Any] | None) -> None:
        if plan is None or self._closing:
            return
        self._set_cooling(True)
        self.device.cool_down(plan, lambda _message: None)
        self._set_cooling(False)

    def _set_cooling(self, cooling: bool) -> None:
        with self._change:
            self._cooling = cooling
            waiting = list(self._waiting)
            for trial in waiting:
                trial.state = "cooling" if cooling and trial is waiting[0] else "queued"
        for trial in waiting:
            self._tell_state(trial)

    def _watch_leases(self) -> None:
        forgotten_s = time.monotonic()
        while not self._closing:
            time.sleep(_LOOK_S)
            for trial in self._late():
                self.expired += 1
                self._end_early(
                    trial,
                    f"lease expired: nobody asked about it for {trial.lease_s:g} s, so that the "
                    "device is free for others; ask more often, or for a longer lease_s",
                )
            if time.monotonic() - forgotten_s > _FORGET_EVERY_S:
                forgotten_s = time.monotonic()
                self._forget()

    def _late(self) -> list[ServedTrial]:
        with self._change:
            under_way = [*self._waiting, *([self._running] if self._running else [])]
        return [t for t in under_way if not t.lease_left_s and not t.ending]

    def _forget(self) -> None:
        gone = self.store.forget_older(self._keep_days)
        with self._change:
            for trial_id in gone:
                trial = self._trials.get(trial_id)
                if trial is not None and not trial.folder.exists():
                    del self._trials[trial_id]
