"""Factors of imported runs: the levels that each run had, from whatever says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from joulebench.design import Design
from joulebench.errors import UsageError
from joulebench.exclusion import level_text
from joulebench.finding import Finding
from joulebench.importers.contract import ImportOptions
from joulebench.importers.experiment_table import ExperimentTable, open_run_table
from joulebench.importers.factor_table import read_factor_table, read_sole_table
from joulebench.importers.run_folders import RunFolder


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors of a study.

    Args:
        levels: Levels of each factor, in the order of the run numbers.
        by_run: The level of each factor, by run number.
        exclude: What was left out of the full factorial, as the user said it.
        findings: What had to be changed in writing them.
        table: The run table that they were read from; ``None`` if there is none.
    """

    levels: Mapping[str, tuple[str, ...]]
    by_run: Mapping[int, Mapping[str, str]]
    exclude: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    table: ExperimentTable | None = None


def find_factors(options: ImportOptions, folders: Sequence[RunFolder]) -> Factors:
    """Give the factors of runs: from a run table, from their levels, or none.

    Raises:
        UsageError: Both are given, or what is given does not fit the runs.
    """
    numbers = sorted({folder.run for folder in folders})
    if options.table is not None:
        if options.levels or options.exclude:
            raise UsageError("--table says the levels already: give it without levels or --exclude")
        table = open_run_table(options.table)
        by_run, findings = read_factor_table(table, options.columns, numbers)
        return Factors(_seen_levels(by_run, numbers), by_run, findings=findings, table=table)
    if options.columns:
        raise UsageError(
            f"--factors {options.columns[0]}: give its levels, as in {options.columns[0]}=a,b, "
            "or the run table with --table"
        )
    if options.exclude and not options.levels:
        raise UsageError("--exclude needs the levels that it speaks of: give --factors")
    return (
        _from_design(options, numbers)
        if options.levels
        else Factors({}, {key: {} for key in numbers})
    )


def find_sole_factors(
    options: ImportOptions, table: ExperimentTable, measured: Sequence[str]
) -> Factors:
    """Give the factors of a run table that has no run folders beside it.

    Args:
        options: The user's; names the columns that are factors, if any.
        table: The table.
        measured: Columns that are known to be measurements.

    Raises:
        UsageError: Levels are given, which the table says already, or it contradicts itself.
    """
    if options.table is not None or options.levels or options.exclude:
        raise UsageError(
            f"{table.path} says the levels already: give it without --table, levels or --exclude"
        )
    by_run, findings = read_sole_table(table, options.columns, measured)
    numbers = sorted(set(table.runs))
    return Factors(_seen_levels(by_run, numbers), by_run, findings=findings, table=table)


def _from_design(options: ImportOptions, numbers: Sequence[int]) -> Factors:
    """Number the cells of a design, the last factor varying fastest, as the runs were numbered."""
    design = Design.of(options.levels, options.exclude)
    cells = design.cells
    if len(cells) != len(numbers):
        raise UsageError(
            f"--factors less --exclude give {len(cells)} combinations of levels, but there are "
            f"{len(numbers)} run numbers ({numbers[0]} to {numbers[-1]}); mend one of the two"
        )
    by_run = {
        number: {name: level_text(level) for name, level in cell.items()}
        for number, cell in zip(numbers, cells, strict=True)
    }
    kept = _seen_levels(by_run, numbers)
    return Factors(kept, by_run, options.exclude)


def _seen_levels(
    by_run: Mapping[int, Mapping[str, str]], numbers: Iterable[int]
) -> dict[str, tuple[str, ...]]:
    seen: dict[str, dict[str, None]] = {}
    for number in numbers:
        for name, level in by_run[number].items():
            seen.setdefault(name, {})[level] = None
    return {name: tuple(levels) for name, levels in seen.items()}
