"""Designs: cells, exclusions, order, names."""

from __future__ import annotations

import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.design import Design, Factor, run_id
from joulebench.errors import UsageError
from joulebench.exclusion import Exclusion, Levels

LLAMAS = {"generation": ["2", "3", "3.1"], "size": ["1B", "7B", "8B"]}

words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=6)
factor_sets = st.dictionaries(
    st.sampled_from(["model", "task", "batch_size", "temperature"]),
    st.lists(words, min_size=1, max_size=4, unique_by=str.casefold),
    max_size=3,
)
seeds = st.integers(0, 2**32)


@given(factor_sets, st.integers(1, 4), st.sampled_from(["blocks", "shuffle", "sequential"]), seeds)
def test_every_cell_is_run_once_a_repetition(
    factors: dict[str, list[str]], repetitions: int, order: str, seed: int
) -> None:
    design = Design.of(factors, repetitions=repetitions, order=order, seed=seed)
    trials = list(design)
    assert len(trials) == len(design) == len(design.cells) * repetitions
    assert [trial.order for trial in trials] == list(range(1, len(trials) + 1))
    assert len({trial.run_id for trial in trials}) == len(trials)
    counts = Counter((trial.repetition, *trial.levels.values()) for trial in trials)
    assert set(counts.values()) == {1}


@given(factor_sets, st.integers(1, 4), seeds)
def test_a_block_is_one_repetition_of_every_cell(
    factors: dict[str, list[str]], repetitions: int, seed: int
) -> None:
    trials = list(Design.of(factors, repetitions=repetitions, seed=seed))
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)
    assert all(trial.block == trial.repetition for trial in trials)


@given(factor_sets, st.integers(1, 3), seeds)
def test_same_seed_same_order_and_more_repetitions_keep_it(
    factors: dict[str, list[str]], repetitions: int, seed: int
) -> None:
    ids = [trial.run_id for trial in Design.of(factors, repetitions=repetitions, seed=seed)]
    assert ids == [trial.run_id for trial in Design.of(factors, repetitions=repetitions, seed=seed)]
    longer = Design.of(factors, repetitions=repetitions + 1, seed=seed)
    assert [trial.run_id for trial in longer][: len(ids)] == ids


def test_order_is_the_same_on_every_python() -> None:
    # Written down once: a change here would silently reorder everybody's studies.
    design = Design.of({"m": ["a", "b"], "t": ["x", "y"]}, repetitions=2, seed=7)
    assert [trial.run_id for trial in design] == [
        "m-b.t-x.r01",
        "m-a.t-x.r01",
        "m-b.t-y.r01",
        "m-a.t-y.r01",
        "m-b.t-y.r02",
        "m-b.t-x.r02",
        "m-a.t-y.r02",
        "m-a.t-x.r02",
    ]


def test_order_is_uniform_over_permutations() -> None:
    counts = Counter(
        tuple(trial.levels["m"] for trial in Design.of({"m": ["a", "b", "c"]}, seed=seed))
        for seed in range(6000)
    )
    assert len(counts) == 6
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts.values())
    assert chi_square < 20.5  # 0.1 % point of 5 degrees of freedom


def test_blocks_differ_in_order() -> None:
    design = Design.of({"m": list("abcdefgh")}, repetitions=2, seed=1)
    levels = [trial.levels["m"] for trial in design]
    assert levels[:8] != levels[8:]


def test_exclusions_leave_cells_out() -> None:
    exclude = ["generation == '2' and size != '7B'", "generation != '2' and size == '7B'"]
    cells = Design.of(LLAMAS, exclude).cells
    assert {(cell["generation"], cell["size"]) for cell in cells} == {
        ("2", "7B"),
        ("3", "1B"),
        ("3", "8B"),
        ("3.1", "1B"),
        ("3.1", "8B"),
    }


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("generation == '3.1'", True),
        ("generation == 3.1", True),
        ("generation == 3.10", False),  # as written
        ("generation in ['2', '3.1']", True),
        ("generation not in ('2', 3)", True),
        ("not (size == '7B' or size == '8B')", True),
        ("2 < generation < 3.2", True),
        ("generation >= 3.1 and generation <= 3.1", True),
        ("generation > 3.1", False),
        ("batch == 8", True),
        ("batch == '8'", True),
        ("flash == True", True),
        ("flash == 'true'", True),
        ("flash != true", False),
        ("shift == -1", True),
    ],
)
def test_expressions(expression: str, holds: bool) -> None:
    levels: Levels = {"generation": "3.1", "size": "1B", "batch": 8, "flash": True, "shift": -1}
    assert Exclusion(expression, list(levels)).holds(levels) is holds


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("generatoin == '2'", "did you mean 'generation'"),
        ("generation ==", "cannot be read"),
        ("generation", "is not a comparison"),
        ("generation is '2'", "write =="),
        ("generation in '23'", "needs a list"),
        ("generation == ['2']", "needs a list"),
        ("__import__('os').system('true')", "is not a comparison"),
        ("generation == len('2')", "neither a factor nor a constant"),
        ("generation == size.upper", "neither a factor nor a constant"),
        ("generation == None", "neither a factor nor a constant"),
        ("", "cannot be read"),
        ("(" * 500 + "1" + ")" * 500, "cannot be read"),
    ],
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_bad_expressions_are_refused(expression: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Exclusion(expression, ["generation", "size"])


def test_less_than_needs_numbers() -> None:
    with pytest.raises(UsageError, match="'1B' is not a number"):
        Exclusion("size < 3", ["size"]).holds({"size": "1B"})


@given(st.text(max_size=40))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        Exclusion(text, ["a"]).holds({"a": "1"})
    except UsageError:
        return


def test_an_exclusion_that_excludes_nothing_is_told() -> None:
    exclude = ["generation == '4'", "size == '1B'"]
    assert Design.of(LLAMAS, exclude).idle_exclusions == ["generation == '4'"]


def test_excluding_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="leave no cell"):
        Design.of({"a": [1]}, ["a == 1"])


@pytest.mark.parametrize(
    ("name", "levels", "said"),
    [
        ("a b", ["x"], "letters, digits"),
        ("a", [], "at least one level"),
        ("a", ["x", "x"], "'x' is given twice"),
        ("a", ["1", 1], "'1' is given twice"),
    ],
)
def test_bad_factors_are_refused(name: str, levels: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Factor(name, tuple(levels))


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        ({"model": "tiny_a", "task": "boolq"}, "model-tiny_a.task-boolq.r02"),
        ({"model": "meta-llama/Llama-2-7b"}, "model-meta-llama_Llama-2-7b.r02"),
        ({"generation": "3.1"}, "generation-3.1.r02"),
        ({"flash": True}, "flash-true.r02"),
        ({"x": ""}, "x-_.r02"),
        ({}, "r02"),
    ],
)
def test_run_ids(levels: dict[str, str], name: str) -> None:
    assert run_id(levels, 2) == name


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=200)))
def test_run_ids_are_safe_file_names(levels: dict[str, str]) -> None:
    name = run_id(levels, 1)
    assert len(name) < 200
    assert set(name) <= set(string.ascii_letters + string.digits + "._+-")
    assert not name.startswith(".")


@pytest.mark.parametrize("levels", [["a/b", "a_b"], ["Llama", "llama"]])
def test_levels_that_would_share_a_file_are_refused(levels: list[str]) -> None:
    with pytest.raises(UsageError, match="would both be stored"):
        Design.of({"model": levels})


def test_long_levels_keep_their_difference() -> None:
    one, other = "x" * 300 + "1", "x" * 300 + "2"
    assert len(list(Design.of({"model": [one, other]}))) == 2


def test_unknown_order_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'blocks'"):
        Design.of({}, order="block")


@pytest.mark.parametrize("name", ["in", "if", "lambda"])
def test_a_word_of_python_is_no_factor(name: str) -> None:
    with pytest.raises(UsageError, match="no word of Python"):
        Factor(name, ("a",))


def test_too_many_trials_are_refused_at_once() -> None:
    levels = list(range(300))
    with pytest.raises(UsageError, match="27000000 combinations"):
        Design.of({"a": levels, "b": levels, "c": levels})
    with pytest.raises(UsageError, match="x 1000000000 repetitions"):
        Design.of({"a": [1, 2]}, repetitions=10**9)
