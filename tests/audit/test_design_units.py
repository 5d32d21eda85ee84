"""What counts as one."""

from __future__ import annotations

from design_samples import Columns, measured, on_evidence, on_table
from tables import table

from joulebench.audit.design_units import RULES

GENERATIONS = ("2", "3", "3.1", "3.2")
FIVE = (("2", "7B"), ("3", "8B"), ("3.1", "8B"), ("3.2", "1B"), ("3.2", "3B"))


def llamas(repetitions: int = 5, models: tuple[tuple[str, str], ...] = FIVE) -> Columns:
    """Give runs of models of several generations on four tasks."""
    sizes = tuple(dict.fromkeys(size for _, size in models))
    generations = tuple(dict.fromkeys(generation for generation, _ in models))
    absent = [
        {"generation": generation, "model_size": size}
        for generation in generations
        for size in sizes
        if (generation, size) not in models
    ]
    factors = {"generation": generations, "model_size": sizes, "task": ["a", "b", "c", "d"]}
    return measured(factors, repetitions=repetitions, exclude=absent)


def with_runs(columns: Columns) -> Columns:
    """Number the combinations as runners do."""
    cells = list(zip(columns["generation"], columns["model_size"], columns["task"], strict=True))
    number = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    return columns | {"run": [number[cell] for cell in cells]}


def test_few_models_behind_a_generation() -> None:
    (finding,) = on_table(RULES, llamas(), "pseudoreplication")
    assert finding.severity == "warning"
    assert "100 rows, but only 5 models" in finding.message
    assert "n is 5, not 100" in finding.message
    assert finding.seen == "1 degrees of freedom"


def test_many_models_behind_a_generation_are_evidence() -> None:
    models = tuple((g, f"{size}B") for g in GENERATIONS[:2] for size in (1, 3, 7))
    assert not on_table(RULES, llamas(models=models), "pseudoreplication")


def test_models_that_are_compared_as_such_are_no_sample() -> None:
    columns = measured({"model": ["a", "b"], "task": ["x", "y"]}, repetitions=10)
    assert not on_table(RULES, columns)
    columns = measured({"model_size": ["1B", "8B"], "task": ["x", "y"]}, repetitions=10)
    assert not on_table(RULES, columns)


def test_a_model_that_was_run_once_is_not_counted_often() -> None:
    columns = llamas(repetitions=1)
    rows = [row for row, task in enumerate(columns["task"]) if task == "a"]
    one_task = {name: [values[row] for row in rows] for name, values in columns.items()}
    assert not on_table(RULES, one_task, "pseudoreplication")


def test_a_summary_that_counts_rows() -> None:
    runs = table(llamas())
    summary = table(
        {"generation": GENERATIONS, "n_runs": [25, 25, 25, 50], "mean_energy_j": [1, 2, 3, 4]},
        name="summary.csv",
    )
    (finding,) = on_evidence(RULES, [runs, summary], name="pseudoreplication")
    assert finding.where == "summary.csv: n_runs"
    assert finding.seen == "50"
    honest = table({"generation": GENERATIONS, "n_runs": [1, 1, 1, 2], "energy_j": [1, 2, 3, 4]})
    assert not on_evidence(RULES, [runs, honest], name="pseudoreplication")
    assert not on_evidence(RULES, [summary], name="pseudoreplication"), "nothing tells the models"


def test_runs_that_are_cells() -> None:
    (finding,) = on_table(RULES, with_runs(llamas()), "saturated-model")
    assert finding.severity == "note"
    assert "20 levels of run" in finding.message
    assert "generation * task alone, 16 parameters leave 4" in finding.message


def test_runs_that_are_runs() -> None:
    columns = with_runs(llamas())
    each = {"run": list(range(len(columns["order"])))}
    assert not on_table(RULES, columns | each, "saturated-model")
    boards = {"run": [2 * run + rep % 2 for run, rep in zip(
        columns["run"], columns["repetition"], strict=True)]}  # fmt: skip
    assert not on_table(RULES, columns | boards, "saturated-model")


def test_published_tests_with_the_degrees_of_freedom_of_a_saturated_model() -> None:
    runs = table(with_runs(llamas()))
    tests: Columns = {
        "Term": ["generation", "task"],
        "F": [31.0, 2.2],
        "Df": [3, 3],
        "Df.res": [4, 4],
    }
    (finding,) = on_evidence(RULES, [runs, table(tests, name="anova.csv")], name="saturated-model")
    assert finding.severity == "warning"
    assert finding.where == "anova.csv: Df.res"
    assert "16 parameters of generation * task" in finding.message
    many = table(tests | {"Df.res": [80, 80]})
    assert not on_evidence(RULES, [runs, many], name="saturated-model")
