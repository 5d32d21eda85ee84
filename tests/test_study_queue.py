"""Which trial each testbed runs next, whatever order of ends, failures and losses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from joulebench.study_queue import TrialQueue

BEDS = ("a", "b", "c")


def trials(blocks: int, cells: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "run_id": f"cell-{cell}.r{block:02d}",
            "trial": {"block": block, "order": (block - 1) * cells + cell},
        }
        for block in range(1, blocks + 1)
        for cell in range(1, cells + 1)
    ]


def finish(queue: TrialQueue, testbed: str, *, failed: bool = False) -> str:
    drawn = queue.draw(testbed)
    assert drawn is not None
    queue.ended(testbed, failed=failed)
    return str(drawn.plan["run_id"])


def test_one_testbed_takes_all_in_order() -> None:
    plans = trials(2)
    queue = TrialQueue(plans, 2)
    assert [finish(queue, "a") for _ in plans] == [plan["run_id"] for plan in plans]
    assert queue.finished
    assert queue.draw("a") is None


def test_a_block_goes_to_one_testbed_as_a_whole() -> None:
    queue = TrialQueue(trials(4), 2)
    took: dict[str, set[str]] = {bed: set() for bed in BEDS[:2]}
    for _ in range(6):
        for bed in BEDS[:2]:
            took[bed].add(finish(queue, bed).rpartition(".")[2])
    assert took == {"a": {"r01", "r03"}, "b": {"r02", "r04"}}


def test_without_blocks_trials_go_one_by_one() -> None:
    plans = trials(1, cells=4)
    queue = TrialQueue(plans, 2, by_block=False)
    took = [finish(queue, bed) for bed in ("a", "b", "a", "b")]
    assert took == [plan["run_id"] for plan in plans]


def test_a_failed_trial_goes_to_the_end_and_has_so_many_attempts() -> None:
    queue = TrialQueue(trials(2, cells=2), 3)
    order, attempts = [], []
    while (drawn := queue.draw("a")) is not None:
        order.append(drawn.plan["run_id"])
        attempts.append(drawn.attempt)
        queue.ended("a", failed=drawn.plan["run_id"] == "cell-1.r01")
    bad = "cell-1.r01"
    assert order == [bad, "cell-2.r01", "cell-1.r02", "cell-2.r02", bad, bad]
    assert attempts == [1, 1, 1, 1, 2, 3]
    assert queue.given_up == (bad,)
    assert queue.finished


def test_a_failed_trial_stays_with_the_testbed_of_its_block() -> None:
    queue = TrialQueue(trials(2, cells=1), 2)
    finish(queue, "a", failed=True)
    assert queue.draw("b") is not None
    queue.ended("b", failed=False)
    assert queue.draw("b") is None
    assert not queue.finished
    assert finish(queue, "a") == "cell-1.r01"


def test_attempts_count_over_restarts() -> None:
    plans = trials(1, cells=3)
    queue = TrialQueue(plans, 2, failures={"cell-1.r01": 1, "cell-2.r01": 2})
    assert queue.given_up == ("cell-2.r01",)
    assert finish(queue, "a") == "cell-3.r01"
    drawn = queue.draw("a")
    assert drawn is not None
    assert (drawn.plan["run_id"], drawn.attempt) == ("cell-1.r01", 2)


def test_a_block_that_was_begun_stays_where_it_was() -> None:
    queue = TrialQueue(trials(2), 2, keepers={1: "b"})
    assert finish(queue, "a").endswith("r02")
    assert finish(queue, "b").endswith("r01")


def test_what_a_lost_testbed_leaves_goes_to_the_others_in_order() -> None:
    queue = TrialQueue(trials(2), 2)
    assert queue.draw("a") is not None
    assert finish(queue, "b") == "cell-1.r02"
    queue.lost("a")
    took = [finish(queue, "b") for _ in range(5)]
    assert took == ["cell-2.r02", "cell-3.r02", "cell-1.r01", "cell-2.r01", "cell-3.r01"]
    assert queue.finished


def test_what_runs_already_goes_first_and_keeps_its_block() -> None:
    plans = trials(3)
    queue = TrialQueue(plans, 2)
    queue.adopt("a", [plans[4]])
    queue.adopt("b", [plans[4]])  # left to the first
    assert finish(queue, "b") == "cell-1.r01"
    assert finish(queue, "a") == "cell-2.r02"
    assert finish(queue, "a") == "cell-1.r02"


def test_an_old_answer_is_asked_again_with_a_higher_number_and_is_no_failure() -> None:
    queue = TrialQueue(trials(1, cells=2), 2, failures={"cell-1.r01": 1})
    finish(queue, "a")
    numbers = []
    for _ in range(3):
        drawn = queue.draw("a")
        assert drawn is not None
        numbers.append(drawn.attempt)
        queue.stale("a")
    assert numbers == [2, 3, 4]
    assert finish(queue, "a") == "cell-1.r01"
    assert queue.given_up == ()


def test_a_testbed_has_one_trial_at_a_time() -> None:
    queue = TrialQueue(trials(1), 2)
    queue.draw("a")
    with pytest.raises(ValueError, match="has a trial already"):
        queue.draw("a")


class AnyCourse(RuleBasedStateMachine):
    """Any order of draws, ends, failures, stale answers and losses."""

    @initialize(
        blocks=st.integers(1, 4),
        cells=st.integers(1, 4),
        attempts=st.integers(1, 3),
        by_block=st.booleans(),
        failed_before=st.sets(st.integers(0, 15)),
        begun=st.dictionaries(st.integers(1, 4), st.sampled_from(BEDS)),
        adopted=st.lists(st.tuples(st.sampled_from(BEDS), st.integers(0, 15)), max_size=3),
    )
    def begin(
        self,
        blocks: int,
        cells: int,
        attempts: int,
        by_block: bool,
        failed_before: set[int],
        begun: dict[int, str],
        adopted: list[tuple[str, int]],
    ) -> None:
        self.plans = trials(blocks, cells)
        self.by_block, self.attempts = by_block, attempts
        ids = [plan["run_id"] for plan in self.plans]
        self.failures = Counter(run_id for n, run_id in enumerate(ids) if n in failed_before)
        self.done: Counter[str] = Counter()
        self.answered = Counter(self.failures)
        self.drawn: dict[str, int] = {}
        self.alive = list(BEDS)
        self.disturbed: set[int] = set(begun)
        self.beds_of: dict[int, set[str]] = {}
        self.queue = TrialQueue(
            self.plans, attempts, failures=self.failures, by_block=by_block, keepers=begun
        )
        for bed, number in adopted:
            plan = self.plans[number % len(self.plans)]
            self.disturbed.add(plan["trial"]["block"])
            self.queue.adopt(bed, [plan])

    @rule(bed=st.sampled_from(BEDS))
    def draw(self, bed: str) -> None:
        if bed not in self.alive or bed in self.queue.under_way:
            return
        drawn = self.queue.draw(bed)
        if drawn is None:
            return
        run_id = drawn.plan["run_id"]
        assert list(self.queue.under_way.values()).count(drawn.plan) == 1
        assert not self.done[run_id]
        assert self.failures[run_id] < self.attempts
        assert drawn.attempt > self.answered[run_id]
        self.drawn[run_id] = drawn.attempt
        block = drawn.plan["trial"]["block"]
        self.beds_of.setdefault(block, set()).add(bed)

    @precondition(lambda self: self.queue.under_way)
    @rule(data=st.data(), failed=st.booleans())
    def end(self, data: st.DataObject, failed: bool) -> None:
        bed = data.draw(st.sampled_from(sorted(self.queue.under_way)))
        run_id = self.queue.under_way[bed]["run_id"]
        (self.failures if failed else self.done)[run_id] += 1
        self.answered[run_id] = self.drawn[run_id]
        self.queue.ended(bed, failed=failed)

    @precondition(lambda self: self.queue.under_way)
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        bed = data.draw(st.sampled_from(sorted(self.queue.under_way)))
        run_id = self.queue.under_way[bed]["run_id"]
        self.answered[run_id] = self.drawn[run_id]
        self.queue.stale(bed)

    @precondition(lambda self: len(self.alive) > 1)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        bed = data.draw(st.sampled_from(self.alive))
        self.alive.remove(bed)
        self.disturbed |= {block for block, beds in self.beds_of.items() if bed in beds}
        self.queue.lost(bed)

    @invariant()
    def blocks_are_whole(self) -> None:
        if self.by_block:
            for block in self.beds_of.keys() - self.disturbed:
                assert len(self.beds_of[block]) == 1

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        for bed in self.queue.under_way:
            self.done[self.queue.under_way[bed]["run_id"]] += 1
            self.queue.ended(bed, failed=False)
        for _ in range(len(self.plans) * (self.attempts + 1)):
            for bed in self.alive:
                drawn = self.queue.draw(bed)
                if drawn is not None:
                    self.done[drawn.plan["run_id"]] += 1
                    self.queue.ended(bed, failed=False)
        assert self.queue.finished
        for plan in self.plans:
            tried_out = self.failures[plan["run_id"]] >= self.attempts
            assert self.done[plan["run_id"]] == (0 if tried_out else 1)
            assert (plan["run_id"] in self.queue.given_up) == tried_out


AnyCourse.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyCourse = AnyCourse.TestCase
