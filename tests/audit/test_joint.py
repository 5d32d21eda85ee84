"""Published figures beside their traces: each wrong way is named, right ones are left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from joint_study import WRAP_J, Sampled, Study

from joulebench.audit.corrected import corrections
from joulebench.audit.evidence import Evidence
from joulebench.audit.joint import RULES, explained
from joulebench.audit.variants import WAYS
from joulebench.finding import Finding


def found(evidence: Evidence) -> list[Finding]:
    return [f for rule in RULES if rule.evidence is not None for f in rule.evidence(evidence)]


def of(study: Study, column: str, values: Sequence[object]) -> list[Finding]:
    return found(study.evidence(study.table({column: values})))


def by_rule(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.rule: finding.severity for finding in findings}


@pytest.fixture(scope="module")
def study() -> Study:
    return Study()


@pytest.fixture(scope="module")
def wrapped() -> Study:
    return Study(wraps=True)


RIGHT: dict[str, Callable[[Sampled], float]] = {
    "energy_j": lambda run: run.total,
    "total_energy_j": lambda run: run.total,
    "energy_kwh": lambda run: run.total / 3.6e6,
    "gpu_energy_j": lambda run: run.gpu,
    "cpu_joules": lambda run: run.cpu,
    "energy_per_token_j": lambda run: run.total / run.tokens,
    "energy_per_request_j": lambda run: run.total / run.requests,
    "mean_power_w": lambda run: run.total / run.window.duration_s,
    "gpu_power_watts": lambda run: run.gpu / run.window.duration_s,
    "duration_ms": lambda run: 1000 * run.window.duration_s,
    "tokens": lambda run: run.tokens,
    "accuracy": lambda _: 0.75,
}


@pytest.mark.parametrize("column", RIGHT)
@pytest.mark.parametrize("digits", [17, 8, 4, 2])
def test_right_figures_are_left_alone(study: Study, column: str, digits: int) -> None:
    texts = [f"{value:.{digits}g}" for value in study.figures(RIGHT[column])]
    assert of(study, column, texts) == []


def test_right_figures_over_a_wrap_are_left_alone(wrapped: Study) -> None:
    assert of(wrapped, "energy_j", wrapped.figures(lambda run: round(run.total, 2))) == []


def test_figures_within_the_stated_uncertainty_are_left_alone(study: Study) -> None:
    rng = np.random.default_rng(1)
    doubts = [each.recomputed.parts["gpu"].apart_j for each in study.evidence().digests
              if each.recomputed]  # fmt: skip
    near = [run.gpu + doubt * rng.uniform(-1.9, 1.9)
            for run, doubt in zip(study.runs, doubts, strict=True)]  # fmt: skip
    assert of(study, "gpu_energy_j", near) == []


def test_a_part_that_is_counted_twice_biases_the_comparison(study: Study) -> None:
    (finding,) = of(study, "energy", study.figures(lambda run: run.gpu + 2 * run.cpu))
    assert (finding.rule, finding.severity) == ("double-counted-channel", "error")
    assert "gpu + 2 x cpu in 12 of 12 rows to the last digit" in finding.message
    assert "for small, so that it biases the comparison" in finding.message
    assert finding.where == "table.csv: energy against its runs"


def test_it_is_found_in_rounded_and_in_divided_figures(study: Study) -> None:
    rounded = [f"{value:.0f}" for value in study.figures(lambda run: run.gpu + 2 * run.cpu)]
    assert by_rule(of(study, "energy", rounded)) == {"double-counted-channel": "error"}
    ratio = study.figures(lambda run: (run.gpu + 2 * run.cpu) / run.tokens)
    assert by_rule(of(study, "joules_per_token", ratio)) == {"double-counted-channel": "error"}
    watts = study.figures(lambda run: (run.gpu + 2 * run.cpu) / run.window.duration_s)
    assert by_rule(of(study, "power_w", watts)) == {"double-counted-channel": "error"}


def test_a_part_that_holds_another(study: Study) -> None:
    (finding,) = of(study, "gpu_joules", study.figures(lambda run: run.total))
    assert (finding.rule, finding.severity) == ("double-counted-channel", "error")
    assert finding.possible == "gpu"


def test_cores_added_to_their_package(study: Study) -> None:
    """The counter of the cores is 0.6 of the package's."""
    figures = study.figures(lambda run: run.gpu + 1.6 * run.cpu)
    assert by_rule(of(study, "total_joules", figures)) == {"nested-domains-added": "error"}


def test_a_constant_step(study: Study) -> None:
    figures = study.figures(lambda run: 0.2 * float(run.gpu_w[run.inside].sum()))
    (finding,) = of(study, "gpu_energy_j", figures)
    assert (finding.rule, finding.severity) == ("assumed-constant-step", "error")
    assert finding.seen.startswith("-1")


def test_samples_added_as_if_each_lasted_a_second(study: Study) -> None:
    figures = study.figures(lambda run: float(run.gpu_w[run.inside].sum()))
    assert by_rule(of(study, "gpu_energy_j", figures)) == {"assumed-constant-step": "error"}


def test_a_constant_step_and_a_part_twice_at_once(study: Study) -> None:
    def both(run: Sampled) -> float:
        return 0.2 * float(run.gpu_w[run.inside].sum()) + 2 * run.cpu

    rules = by_rule(of(study, "energy", study.figures(both)))
    assert rules == {"double-counted-channel": "error", "assumed-constant-step": "error"}


def test_edges_that_are_left_out_are_noted(study: Study) -> None:
    def inside(run: Sampled) -> float:
        return float(np.trapezoid(run.gpu_w[run.inside], run.t_s[run.inside]))

    assert set(by_rule(of(study, "gpu_energy_j", study.figures(inside)))) == {"tail-not-integrated"}


def test_a_wrap_that_is_not_undone(wrapped: Study) -> None:
    def raw(run: Sampled) -> float:
        readings = run.cpu_j[run.inside]
        return float(readings[-1] - readings[0])

    findings = of(wrapped, "cpu_joules", wrapped.figures(raw))
    wrap = next(finding for finding in findings if finding.rule == "counter-wrap")
    assert wrap.severity == "error"
    assert "run_0_repetition_5" in wrap.message
    assert "run_1_repetition_5" in wrap.message
    assert "run_0_repetition_4" not in wrap.message


def test_single_figures_that_are_off_by_the_range(study: Study) -> None:
    figures = study.figures(lambda run: run.cpu)
    figures[3] += WRAP_J
    figures[7] = WRAP_J - figures[7]
    (finding,) = of(study, "cpu_joules", figures)
    assert (finding.rule, finding.severity) == ("counter-wrap", "error")
    assert finding.message.startswith("2 of 12 figures")


@pytest.mark.parametrize(("column", "factor"), [("energy_kj", 1e3), ("energy_j", 1 / 3600.0),
                                                ("energy_kwh", 1e-3)])  # fmt: skip
def test_a_unit_that_is_mistaken(study: Study, column: str, factor: float) -> None:
    size = {"energy_kj": 1e3, "energy_j": 1.0, "energy_kwh": 3.6e6}[column]
    figures = study.figures(lambda run: run.total / size * factor)
    assert by_rule(of(study, column, figures)) == {"unit-scale": "error"}


def test_the_whole_log_in_place_of_the_window(study: Study) -> None:
    figures = study.figures(lambda run: float(np.trapezoid(run.gpu_w, run.t_s)))
    assert by_rule(of(study, "gpu_energy_j", figures)) == {"scope-mismatch": "warning"}


def test_an_energy_that_leaves_out_what_was_measured(study: Study) -> None:
    findings = of(study, "energy", study.figures(lambda run: run.gpu))
    assert by_rule(findings) == {"scope-mismatch": "warning"}
    assert "leaves out the cpu energy" in findings[0].message


def test_another_denominator(study: Study) -> None:
    figures = study.figures(lambda run: run.total / 15)
    (finding,) = of(study, "energy_per_request_j", figures)
    assert finding.rule == "scope-mismatch"
    assert "divided by correct answers, not by requests" in finding.message


def test_power_from_a_duration_without_its_comma(study: Study) -> None:
    seconds = [f"{run.window.duration_s:.2f}".replace(".", ",") for run in study.runs]
    watts = [run.total / float(text.replace(",", ""))
             for run, text in zip(study.runs, seconds, strict=True)]  # fmt: skip
    evidence = study.evidence(study.table({"time(s)": seconds, "power_w": watts}))
    (finding,) = found(evidence)
    assert (finding.rule, finding.severity) == ("decimal-comma", "error")
    assert "time(s)" in finding.message


def test_figures_that_changed_places(study: Study) -> None:
    figures = study.figures(lambda run: run.gpu + 2 * run.cpu)
    figures[2], figures[8] = figures[8], figures[2]
    findings = of(study, "energy", figures)
    assert by_rule(findings)["mislabelled-row"] == "error"
    swapped = next(finding for finding in findings if finding.rule == "mislabelled-row")
    assert "run_0_repetition_2 has that of run_1_repetition_2" in swapped.message


def test_what_no_known_way_explains(study: Study) -> None:
    rng = np.random.default_rng(3)
    far = [run.total * rng.uniform(1.2, 1.9) for run in study.runs]
    assert by_rule(of(study, "energy_j", far)) == {"unexplained-difference": "error"}
    near = [run.total * rng.uniform(1.02, 1.05) for run in study.runs]
    assert by_rule(of(study, "energy_j", near)) == {"unexplained-difference": "warning"}


def test_a_single_figure_of_another_run(study: Study) -> None:
    figures = study.figures(lambda run: run.total)
    figures[4] *= 1.3
    (finding,) = of(study, "energy_j", figures)
    assert finding.rule == "unexplained-difference"
    assert "run_0_repetition_4" in finding.message


def test_durations_counts_and_accuracies(study: Study) -> None:
    seconds = study.figures(lambda run: 1000 * run.window.duration_s)
    assert by_rule(of(study, "duration_s", seconds)) == {"unit-scale": "error"}
    tokens = study.figures(lambda run: run.tokens)
    tokens[0] += 7
    assert by_rule(of(study, "tokens", tokens)) == {"unexplained-difference": "error"}
    assert by_rule(of(study, "accuracy", [1.0] * 12)) == {"unexplained-difference": "error"}


def test_other_tokens_than_ours_are_not_judged(study: Study) -> None:
    rng = np.random.default_rng(5)
    assert (
        of(study, "tokens_before_pruning", [int(n) for n in rng.integers(100_000, 1_000_000, 12)])
        == []
    )


def test_few_digits_prove_nothing(study: Study) -> None:
    """One figure of two digits agrees with some of a thousand ways."""
    few = Study()
    few.runs = study.runs[:1]
    texts = [f"{1.13 * few.runs[0].total:.1e}"]
    assert set(by_rule(of(few, "energy_j", texts))) <= {"unexplained-difference"}


def test_rows_are_joined_by_run_and_repetition_as_well(study: Study) -> None:
    columns: dict[str, Sequence[object]] = {
        "run": [run.run_id.split("_")[1] for run in study.runs],
        "repetition": [run.run_id.split("_")[3] for run in study.runs],
        "energy": study.figures(lambda run: run.gpu + 2 * run.cpu),
    }
    evidence = study.evidence(study.table(columns))
    evidence.tables[0].cells = {name: evidence.tables[0].cells[name] for name in columns}
    assert by_rule(found(evidence)) == {"double-counted-channel": "error"}


def test_rows_are_joined_by_the_line_they_were_read_from(study: Study) -> None:
    published = study.table({"energy_j": study.figures(lambda run: run.gpu + 2 * run.cpu)})
    published.cells = {"energy_j": published.cells["energy_j"]}
    published.path = Path("/x/study/pareto.csv")
    evidence = study.evidence(published)
    for line, each in enumerate(evidence.digests, 2):
        each.run.facts["published"] = {"path": "study/pareto.csv", "line": line, "values": {}}
    assert len(explained(evidence).joined[0]) == 12
    assert "double-counted-channel" in by_rule(found(evidence))


def test_tables_of_other_runs_are_not_joined(study: Study) -> None:
    published = study.table({"energy_j": [1.0] * 12})
    published.cells = {**published.cells, "run_id": np.array(["other"] * 12, dtype=object)}
    evidence = study.evidence(published)
    assert explained(evidence).joined == []


OTHERS = ("above-idle", "one-device", "asked-step")
"""Ways that need more than samples: an idle power, a second device, what the sampler was asked."""


@pytest.mark.parametrize(
    "key", [key for key, way in WAYS.items() if way.faults and way.name not in OTHERS]
)
def test_every_way_is_recognised_by_its_own_figures(wrapped: Study, key: str) -> None:
    digests = [each.recomputed for each in wrapped.evidence().digests]
    part = "gpu" if key.startswith("W") else "cpu"
    figures = [each.parts[part].joules[key] for each in digests if each is not None]
    rules = set(by_rule(of(wrapped, f"{part}_energy_j", figures)))
    assert rules, "nothing was found"
    assert rules <= set(WAYS[key].faults) | ({"assumed-constant-step"} if part == "gpu" else set())


ODD = ("", "0", "inf", "-inf", "nan", "-5", "1e400", "n/a", "1,5", "-0.0", "five")
NAMES = (
    "energy", "gpu_energy_j", "cpu_joules", "total_energy_kwh", "power_w", "joules_per_token",
    "duration_s", "tokens", "accuracy", "idle_energy_j", "train_energy_j", "energy_per_window",
    "n_correct", "dram_energy_j", "time(s)", "requests",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_odd_cells_break_nothing(wrapped: Study, seed: int) -> None:
    """Warnings of numpy are errors here."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name in rng.choice(NAMES, 6, replace=False):
        factor = rng.choice([1.0, 1.15, 1e3, 0.0, -1.0])
        texts = [repr(factor * run.total) for run in wrapped.runs]
        for row in rng.integers(0, len(texts), 5):
            texts[row] = str(rng.choice(ODD))
        columns[str(name)] = texts
    evidence = wrapped.evidence(wrapped.table(columns))
    assert all(finding.message for finding in found(evidence))
    assert all(np.isfinite(each.corrected).all() for each in corrections(evidence))
