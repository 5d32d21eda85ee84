"""Factors from run tables of any spelling, from levels less exclusions, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulebench.errors import UsageError
from joulebench.importers.contract import ImportOptions
from joulebench.importers.factor_levels import Factors, find_factors
from joulebench.importers.run_folders import RunFolder

COMMAS = """run,repetition,__done,generation,model_size,tokens,time(s),accuracy\r
0,0,DONE,2.0,7B,100,"1,5",1.0\r
0,1,DONE,2.0,7B,101,"1,6",1.0\r
1,0,DONE,3.1,7B,102,"1,7",1.0\r
1,1,DONE,3.1,7b,103,"1,8",\r
2,0,DONE,3.1,8B,104,"1,9",1.0\r
2,1,TODO,3.1,8B,,,\r
"""
SEMICOLONS = """"__run_id";"__done";"generation";"model_size";"energy"
"run_0_repetition_0";"DONE";"2";"7B";"1,5"
"run_0_repetition_1";"DONE";"2,0";"7B";"1,6"
"run_1_repetition_0";"DONE";"3,1";"7B";"1,7"
"run_2_repetition_0";"DONE";"3,1";"8B";"1,8"
"""
EXPECTED = {
    0: {"generation": "2", "model_size": "7B"},
    1: {"generation": "3.1", "model_size": "7B"},
    2: {"generation": "3.1", "model_size": "8B"},
}


def folders(*runs: int) -> list[RunFolder]:
    return [RunFolder(Path(f"run_{run}_repetition_0"), run, 0) for run in runs]


def from_table(tmp_path: Path, text: str, columns: tuple[str, ...] = ()) -> Factors:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return find_factors(ImportOptions("s", path, columns), folders(0, 1, 2))


@pytest.mark.parametrize(
    "text", [COMMAS, SEMICOLONS, "\ufeff" + COMMAS, SEMICOLONS.replace(";", "\t")]
)
def test_table_in_any_spelling(tmp_path: Path, text: str) -> None:
    factors = from_table(tmp_path, text)
    assert factors.by_run == EXPECTED
    assert factors.levels == {"generation": ("2", "3.1"), "model_size": ("7B", "8B")}


def test_respelt_levels_are_said(tmp_path: Path) -> None:
    seen = {finding.where: finding.seen for finding in from_table(tmp_path, COMMAS).findings}
    assert seen == {"table.csv: generation": "2.0 -> 2", "table.csv: model_size": "7b -> 7B"}


def test_named_columns(tmp_path: Path) -> None:
    factors = from_table(tmp_path, COMMAS, ("model_size",))
    assert factors.levels == {"model_size": ("7B", "8B")}
    with pytest.raises(UsageError, match="did you mean 'model_size'"):
        from_table(tmp_path, COMMAS, ("modelsize",))


def test_measurement_equal_in_repetitions_is_no_factor(tmp_path: Path) -> None:
    text = "run,repetition,size,tokens\n0,0,a,5\n0,1,a,5\n1,0,a,6\n1,1,a,6\n2,0,b,7\n2,1,b,7\n"
    assert from_table(tmp_path, text).levels == {"size": ("a", "b")}


def test_single_factor_that_is_new_in_every_run(tmp_path: Path) -> None:
    text = "run,repetition,model,energy\n0,0,a,5\n0,1,a,6\n1,0,b,6\n1,1,b,7\n2,0,c,7\n2,1,c,8\n"
    assert from_table(tmp_path, text).levels == {"model": ("a", "b", "c")}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (COMMAS.replace("2,0,", "7,0,").replace("2,1,", "7,1,"), "has no row for run 2"),
        (COMMAS.replace("run,", "ran,"), "neither a column '__run_id' nor 'run'"),
        (COMMAS.replace("0,1,DONE", "x,1,DONE"), "line 3: 'run' names no run: 'x'"),
        ("run,size\n0,a\n1,b\n2,a\n", "no run is repeated"),
        (COMMAS.replace("7B,101", "101"), "line 3 has 7 cells"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_table(tmp_path, text)
    assert says in str(caught.value)


def test_contradiction_in_a_named_column(tmp_path: Path) -> None:
    text = COMMAS.replace("0,1,DONE,2.0", "0,1,DONE,3.0")
    with pytest.raises(UsageError, match=r"line 3: run 0 has generation '3' here and '2'"):
        from_table(tmp_path, text, ("generation",))


def test_levels_in_factor_order_less_exclusions() -> None:
    levels = {"generation": ("2", "3.1"), "size": ("7B", "8B"), "task": ("cb", "wsc")}
    options = ImportOptions("s", levels=levels, exclude=("generation == '2' and size == '8B'",))
    factors = find_factors(options, folders(0, 1, 2, 3, 4, 5))
    cells = [tuple(factors.by_run[run].values()) for run in range(6)]
    assert cells == [
        ("2", "7B", "cb"), ("2", "7B", "wsc"), ("3.1", "7B", "cb"),
        ("3.1", "7B", "wsc"), ("3.1", "8B", "cb"), ("3.1", "8B", "wsc"),
    ]  # fmt: skip


def test_number_of_cells_must_fit() -> None:
    options = ImportOptions("s", levels={"size": ("a", "b")})
    with pytest.raises(UsageError, match=r"give 2 combinations .* there are 3 run numbers"):
        find_factors(options, folders(0, 1, 2))


def test_no_factors_at_all() -> None:
    assert find_factors(ImportOptions("s"), folders(0, 4)).by_run == {0: {}, 4: {}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ImportOptions("s", Path("t"), levels={"a": ("b",)}), "--table says the levels already"),
        (ImportOptions("s", columns=("size",)), "give its levels"),
        (ImportOptions("s", exclude=("a == 'b'",)), "--exclude needs"),
    ],
)
def test_options_that_contradict(options: ImportOptions, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        find_factors(options, folders(0))
