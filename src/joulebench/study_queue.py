"""Which trial each testbed runs next: a state machine without clock, threads, input or output.

Whole blocks go to one testbed, so that the testbed is a block of the design and does not mix with
its factors. Where the order has no blocks, trials go one by one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Plan = Mapping[str, Any]

WITH_BLOCKS = ("blocks", "latin")
"""Orders whose blocks are complete: each holds every cell once."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A trial that a testbed is to run.

    Args:
        plan: Of the trial.
        attempt: From 1; higher than that of any record of it.
    """

    plan: Plan
    attempt: int


class TrialQueue:
    """Gives each testbed its next trial until every one is done or has failed often enough.

    Args:
        plans: Of the trials that are not done, in the order of the study.
        attempts: How often a trial is tried.
        failures: How often each trial has failed so far, by run id.
        by_block: Whether a block goes to one testbed as a whole.
        keepers: The testbed of each block that has been begun; a block whose testbed draws no
            trials has to be let go with :meth:`lost`.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        attempts: int,
        *,
        failures: Mapping[str, int] | None = None,
        by_block: bool = True,
        keepers: Mapping[int, str] | None = None,
    ) -> None:
        self._attempts = attempts
        self._by_block = by_block
        self._failures = Counter(failures or {})
        self._stale: Counter[str] = Counter()
        self._keepers: dict[int, str] = dict(keepers or {}) if by_block else {}
        self._first: dict[int, deque[Plan]] = {}
        self._again: dict[int, deque[Plan]] = {}
        self._adopted: dict[str, deque[Plan]] = {}
        self._under_way: dict[str, Plan] = {}
        self._given_up: dict[str, None] = {}
        for plan in plans:
            self._put(plan)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run, and nothing under way."""
        waiting = self._first or self._again or any(self._adopted.values())
        return not (waiting or self._under_way)

    @property
    def given_up(self) -> tuple[str, ...]:
        """Ids of the trials that have failed as often as they are tried."""
        return tuple(self._given_up)

    @property
    def under_way(self) -> dict[str, Plan]:
        """The trial that each testbed is at."""
        return dict(self._under_way)

    def adopt(self, testbed: str, plans: Sequence[Plan]) -> None:
        """Have a testbed go on with what it runs already, before anything else.

        Args:
            testbed: Its name.
            plans: That it has begun; those that another one is at are left to that one.
        """
        for plan in plans:
            if self._take_out(plan):
                self._adopted.setdefault(testbed, deque()).append(plan)
                if self._by_block:
                    self._keepers.setdefault(_block(plan), testbed)

    def draw(self, testbed: str) -> Draw | None:
        """Give a testbed its next trial; ``None`` where there is none for it now.

        There may be one later: a trial that fails elsewhere, or that a lost testbed leaves.
        """
        if testbed in self._under_way:
            raise ValueError(f"testbed {testbed!r} has a trial already")
        mine = self._adopted.get(testbed)
        plan = mine.popleft() if mine else self._next(self._first, testbed)
        plan = plan or self._next(self._again, testbed)
        if plan is None:
            return None
        self._under_way[testbed] = plan
        run_id = plan["run_id"]
        return Draw(plan, 1 + self._failures[run_id] + self._stale[run_id])

    def ended(self, testbed: str, *, failed: bool) -> None:
        """Note that a testbed's trial has been recorded; one that failed goes to the end."""
        plan = self._under_way.pop(testbed)
        if not failed:
            return
        self._failures[plan["run_id"]] += 1
        self._put(plan)

    def stale(self, testbed: str) -> None:
        """Note that the answer was of an attempt recorded before: the next has a higher number."""
        plan = self._under_way.pop(testbed)
        self._stale[plan["run_id"]] += 1
        self._adopted.setdefault(testbed, deque()).appendleft(plan)

    def lost(self, testbed: str) -> None:
        """Leave to the others what a testbed was at, and its blocks."""
        mine = self._under_way.pop(testbed, None)
        back = [*([mine] if mine else []), *self._adopted.pop(testbed, ())]
        self._keepers = {
            block: keeper for block, keeper in self._keepers.items() if keeper != testbed
        }
        for plan in back:
            self._put(plan)
        self._first, self._again = (
            dict(sorted(self._first.items())),
            dict(sorted(self._again.items())),
        )

    def _put(self, plan: Plan) -> None:
        """Have a trial wait: at its place among those never tried, or behind those that failed."""
        run_id = plan["run_id"]
        failures = self._failures[run_id]
        if failures >= self._attempts:
            self._given_up[run_id] = None
            return
        line = (self._again if failures else self._first).setdefault(self._group(plan), deque())
        line.append(plan)
        if not failures and len(line) > 1 and _order(line[-2]) > _order(plan):
            in_order = sorted(line, key=_order)
            line.clear()
            line.extend(in_order)

    def _group(self, plan: Plan) -> int:
        return _block(plan) if self._by_block else 0

    def _next(self, waiting: dict[int, deque[Plan]], testbed: str) -> Plan | None:
        """Take a trial out of a block of the testbed's own, or out of the first that is free."""
        block = self._block_for(waiting, testbed)
        if block is None:
            return None
        if self._by_block:
            self._keepers[block] = testbed
        plan = waiting[block].popleft()
        if not waiting[block]:
            del waiting[block]
        return plan

    def _block_for(self, waiting: Iterable[int], testbed: str) -> int | None:
        free = None
        for block in waiting:
            keeper = self._keepers.get(block)
            if keeper == testbed:
                return block
            if keeper is None and free is None:
                free = block
        return free

    def _take_out(self, plan: Plan) -> bool:
        """Take a waiting trial out; says whether it was waiting."""
        group = self._group(plan)
        for waiting in (self._first, self._again):
            line = waiting.get(group, deque())
            found = next((each for each in line if each["run_id"] == plan["run_id"]), None)
            if found is not None:
                line.remove(found)
                if not line:
                    del waiting[group]
                return True
        return False


def _block(plan: Plan) -> int:
    return int(plan["trial"]["block"])


def _order(plan: Plan) -> int:
    return int(plan["trial"]["order"])
