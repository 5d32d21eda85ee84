"""Orders: Latin squares, groups that stay together, control trials."""

from __future__ import annotations

import string
from collections import Counter
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.design import Design, Trial
from joulebench.design_orders import ORDERS, rows_of_williams, williams_row
from joulebench.errors import UsageError
from joulebench.exclusion import Level

letters = st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=7, unique=True)
factor_sets = st.fixed_dictionaries(
    {"model": st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)},
    optional={
        "task": st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True),
        "batch_size": st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True),
    },
)
orders = st.sampled_from(ORDERS)
seeds = st.integers(0, 2**32)


def cells_of(trials: list[Trial]) -> list[tuple[Level, ...]]:
    return [tuple(trial.levels.values()) for trial in trials]


def blocks_of(design: Design) -> list[list[tuple[Level, ...]]]:
    return [cells_of(list(block)) for _, block in groupby(design, lambda trial: trial.block)]


@given(st.integers(1, 24))
def test_the_rows_of_a_williams_design_are_latin_squares(count: int) -> None:
    rows = [williams_row(count, row) for row in range(rows_of_williams(count))]
    for first in range(0, len(rows), count):
        square = rows[first : first + count]
        for line in [*square, *zip(*square, strict=True)]:
            assert sorted(line) == list(range(count))


@given(st.integers(2, 24))
def test_each_cell_follows_each_other_equally_often(count: int) -> None:
    rows = [williams_row(count, row) for row in range(rows_of_williams(count))]
    followed = Counter(pair for row in rows for pair in pairwise(row))
    assert len(followed) == count * (count - 1)
    assert set(followed.values()) == {1 if count % 2 == 0 else 2}


@given(letters, seeds, st.integers(0, 2))
def test_a_latin_order_is_a_latin_square_again_and_again(
    levels: list[str], seed: int, before: int
) -> None:
    count = len(levels)
    design = Design.of({"m": levels}, (), (before + 1) * count, "latin", seed)
    square = blocks_of(design)[before * count :]
    for line in [*square, *zip(*square, strict=True)]:
        assert Counter(line) == Counter((level,) for level in levels)


@given(letters, seeds)
def test_a_latin_order_balances_carry_over_within_blocks(levels: list[str], seed: int) -> None:
    count = len(levels)
    design = Design.of({"m": levels}, (), rows_of_williams(count), "latin", seed)
    followed = Counter(pair for block in blocks_of(design) for pair in pairwise(block))
    assert len(followed) == count * (count - 1)
    assert len(set(followed.values())) <= 1


def test_latin_orders_differ_by_seed_and_begin_with_no_listed_order() -> None:
    firsts = Counter(
        tuple(blocks_of(Design.of({"m": "abcd"}, (), 1, "latin", seed))[0]) for seed in range(400)
    )
    assert len(firsts) == 24
    assert Counter(first[0] for first in firsts.elements()).most_common(1)[0][1] < 140


def test_a_second_square_is_drawn_anew() -> None:
    blocks = blocks_of(Design.of({"m": list("abcdefgh")}, (), 16, "latin", 3))
    assert blocks[:8] != blocks[8:]


@given(factor_sets, st.integers(1, 5), orders, seeds)
def test_every_order_is_a_permutation_of_the_same_trials(
    factors: dict[str, list[Level]], repetitions: int, order: str, seed: int
) -> None:
    asked = sorted(t.run_id for t in Design.of(factors, (), repetitions, "sequential"))
    for group_by in ((), ("model",)):
        design = Design.of(factors, (), repetitions, order, seed, group_by=group_by)
        trials = list(design)
        assert sorted(trial.run_id for trial in trials) == asked
        assert [trial.order for trial in trials] == list(range(1, len(asked) + 1))
        assert len(design) == len(trials)


@given(factor_sets, st.integers(1, 4), orders, seeds)
def test_groups_stay_together_within_a_block(
    factors: dict[str, list[Level]], repetitions: int, order: str, seed: int
) -> None:
    group_by = tuple(factors)[:2]
    design = Design.of(factors, (), repetitions, order, seed, group_by=group_by)
    for _, block in groupby(design, lambda trial: trial.block):
        stretches = [group for group, _ in groupby(design.group_of(t.levels) for t in block)]
        assert len(set(stretches)) == len(stretches)


@given(factor_sets, st.integers(1, 4), st.sampled_from(["blocks", "latin", "sequential"]), seeds)
def test_more_repetitions_leave_earlier_blocks_as_they_were(
    factors: dict[str, list[Level]], repetitions: int, order: str, seed: int
) -> None:
    def planned(count: int) -> list[Trial]:
        options = {"group_by": ("model",), "drift_every": 2}
        return list(Design.of(factors, (), count, order, seed, **options))

    before = planned(repetitions)
    assert planned(repetitions + 2)[: len(before)] == before


def test_groups_and_what_is_in_them_are_in_random_order() -> None:
    seen, inside = Counter[tuple[Level, ...]](), Counter[tuple[Level, ...]]()
    for seed in range(600):
        design = Design.of({"m": "abc", "t": "xyz"}, seed=seed, group_by=("m",))
        cells = cells_of(list(design))
        seen[tuple(dict.fromkeys(m for m, _ in cells))] += 1
        inside[tuple(t for m, t in cells if m == "b")] += 1
    for counts in (seen, inside):
        assert len(counts) == 6
        assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 20.5  # 0.1 % point


def test_a_latin_order_of_groups_is_latin_in_groups_and_inside() -> None:
    design = Design.of({"m": "abcd", "t": "wxyz"}, (), 4, "latin", 5, group_by=("m",))
    blocks = blocks_of(design)
    groups = [list(dict.fromkeys(m for m, _ in block)) for block in blocks]
    assert all(len(set(column)) == 4 for column in zip(*groups, strict=True))
    for model in "abcd":
        inner = [[t for m, t in block if m == model] for block in blocks]
        assert all(len(set(column)) == 4 for column in zip(*inner, strict=True))


@given(factor_sets, st.integers(1, 4), orders, seeds, st.integers(1, 9))
def test_controls_come_after_every_so_many_trials_and_change_nothing_else(
    factors: dict[str, list[Level]], repetitions: int, order: str, seed: int, every: int
) -> None:
    plain = list(Design.of(factors, (), repetitions, order, seed))
    design = Design.of(factors, (), repetitions, order, seed, drift_every=every)
    trials = list(design)
    assert [t.run_id for t in trials if not t.control] == [t.run_id for t in plain]
    assert len(trials) == len(design) == len(plain) + design.controls
    assert [t.order for t in trials] == list(range(1, len(trials) + 1))
    assert len({t.run_id.casefold() for t in trials}) == len(trials)
    controls = [t for t in trials if t.control]
    assert [t.order for t in controls] == [(every + 1) * n for n in range(1, len(controls) + 1)]
    assert [t.run_id for t in controls] == [
        f"control.r{n:02d}" for n in range(1, len(controls) + 1)
    ]
    assert all(t.levels == design.cells[0] for t in controls)


def test_only_controls_are_marked() -> None:
    trials = [t.to_dict() for t in Design.of({"m": "ab"}, drift_every=2)]
    assert [t.get("control") for t in trials] == [None, None, True]
    assert "control" not in trials[0]


def test_the_cell_of_controls_may_be_named() -> None:
    design = Design.of({"m": "ab", "b": [1, 8]}, drift_every=4, drift_cell={"b": "8"})
    assert design.control_cell == {"m": "a", "b": 8}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_by": ("modle",)}, r"order.group_by: factor 'modle' is not known: did you mean"),
        ({"drift_cell": {"modle": 1}}, "order.drift_cell: factor 'modle'"),
        ({"drift_cell": {"model": "c"}, "drift_every": 1}, "no cell that is run has model c"),
        ({"drift_every": -1}, "give 0 for none"),
    ],
)
def test_groups_and_controls_of_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Design.of({"model": "ab"}, **options)


def test_latin_orders_are_the_same_on_every_python() -> None:
    # Written down once: a change here would silently reorder everybody's studies.
    factors = {"m": "ab", "t": "xyz"}
    design = Design.of(factors, (), 2, "latin", 7, group_by=("m",), drift_every=5)
    assert [trial.run_id for trial in design] == [
        "m-b.t-z.r01",
        "m-b.t-y.r01",
        "m-b.t-x.r01",
        "m-a.t-z.r01",
        "m-a.t-x.r01",
        "control.r01",
        "m-a.t-y.r01",
        "m-a.t-y.r02",
        "m-a.t-z.r02",
        "m-a.t-x.r02",
        "m-b.t-y.r02",
        "control.r02",
        "m-b.t-x.r02",
        "m-b.t-z.r02",
    ]
