"""Sharing many small pieces of work with a second process, where that is safe and pays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")

_FEWEST = 16
"""Below this number of pieces a second process costs more than it gains."""

_MOST_WAITING = 64
"""So many pieces of the second process may wait here for their turn."""

_PATIENCE_S = 60.0
"""A second process that has been silent for so long is given up; its work is done here."""


def in_two(work: Callable[[int], T], count: int, fewest: int = _FEWEST) -> Generator[T, None, None]:
    """Give ``work(0)`` to ``work(count - 1)`` in order, every second one made by a forked process.

    The two go side by side: neither gets further ahead than the pipe between them holds, so that
    little is kept however many there are. What the second process does not deliver, whatever
    becomes of it, is worked out here instead, so errors are raised from this process. The first
    piece is made before the fork, so that what it imports is imported once.

    Args:
        work: Makes a piece.
        count: How many there are.
        fewest: Below so many this process makes them all.
    """
    if count < fewest or not may_fork():
        yield from map(work, range(count))
        return
    yield work(0)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_deliver, args=(receiver, sender, work, count), daemon=True
    )
    _start(process)
    sender.close()
    try:
        yield from _merged(work, count, receiver)
    finally:
        receiver.close()
        process.terminate()
        process.join()


def may_fork() -> bool:
    """Say whether a fork is safe (no thread of ours holds a lock) and there is a core for it."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    return len(os.sched_getaffinity(0)) > 1


def _start(process: multiprocessing.process.BaseProcess) -> None:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads of libraries; numpy's and Arrow's are renewed in the child.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()


def _deliver(
    receiver: Connection, sender: Connection, work: Callable[[int], T], count: int
) -> None:
    # Ctrl-C is for the first process, which ends this one; so does its own end, which shows in the
    # pipe once nobody is left to read from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    receiver.close()
    for place in range(2, count, 2):
        try:
            result = work(place)
        except Exception:  # the first process meets the same error and raises it
            return
        try:
            sender.send(result)
        except OSError:
            return


def _merged(work: Callable[[int], T], count: int, receiver: Connection) -> Iterator[T]:
    delivered: deque[T] = deque()
    alive = True
    for place in range(1, count):
        if place % 2:
            result = work(place)
            _drain(receiver, delivered, wait_s=0.0)
            yield result
            continue
        if alive and not delivered:
            alive = _drain(receiver, delivered, wait_s=_PATIENCE_S)
        yield delivered.popleft() if delivered else work(place)


def _drain(receiver: Connection, delivered: deque[T], wait_s: float) -> bool:
    """Take what has been sent, waiting for a first piece at most so long; say if any came."""
    before = len(delivered)
    try:
        while len(delivered) < _MOST_WAITING and receiver.poll(wait_s):
            delivered.append(receiver.recv())
            wait_s = 0.0
    except (EOFError, OSError):
        # The other process has ended; what it did not send is worked out here.
        return len(delivered) > before
    return len(delivered) > before
