"""CodeCarbon's threads: of usual priority, never at work while it stops, and gone afterwards."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PATIENCE_S = 5.0
"""Longest wait for a thread to end, s."""


class Periodic:
    """What CodeCarbon does again and again, each in timer threads of its own.

    CodeCarbon can be stopped in the middle of a reading, which then fails, with a traceback on the
    terminal. Here it is stopped between two.

    Args:
        tracker: Made and not yet started.
        keep: Is told of an error, in one line.
    """

    def __init__(self, tracker: Any, keep: Callable[[str], None]) -> None:
        self._keep = keep
        self._turn = threading.Lock()
        self._ended = False
        self._schedulers = [tracker._scheduler, tracker._scheduler_monitor_power]
        for scheduler in self._schedulers:
            scheduler.function = self._guarded(scheduler.function)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        def guarded() -> None:
            with self._turn:
                if self._ended:
                    return
                try:
                    work()
                except Exception as error:  # of a sensor; the next reading may come again
                    self._keep(f"{type(error).__name__}: {error}")

        return guarded

    def end(self, stop: Callable[[], Any]) -> None:
        """Stop between two readings, and wait until the threads are gone."""
        with self._turn:
            self._ended = True
        stop()
        for scheduler in self._schedulers:
            _end(scheduler)


def _end(scheduler: Any) -> None:
    """Wait for a scheduler's timer to end; one that was about to work sets the next one first."""
    stop_s = time.monotonic() + PATIENCE_S
    while scheduler._timer is not None and scheduler._timer.is_alive():
        if time.monotonic() > stop_s:
            return
        scheduler.stop()
        scheduler._timer.join(0.1)


def unhurried(work: Callable[[], None]) -> None:
    """Do some work in a thread of usual priority, whose own threads then have it too.

    The recorder may have real-time priority; CodeCarbon's threads must not take it over from the
    work that is measured.
    """
    thread = threading.Thread(target=_at_usual_priority, args=(work,), daemon=True)
    thread.start()
    thread.join()


def _at_usual_priority(work: Callable[[], None]) -> None:
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 0)
    work()
