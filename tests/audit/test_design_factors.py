"""The design behind a table."""

from __future__ import annotations

import pytest
from design_samples import measured
from tables import table

from joulebench.audit.design_factors import design_of, determines, kind_of


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("precision_mode", "precision"),
        ("model_parameter_dtype", "precision"),
        ("max_sequence_length", "length"),
        ("batch_size", "batch"),
        ("model_size", "model"),
        ("generation", "model"),
        ("model_label", "model"),
        ("num_encoder_layers", "depth"),
        ("token_pruning_keep_ratio", "pruning"),
        ("gpu", "hardware"),
        ("label", "name"),
        ("sweep", "place"),
        ("n", ""),
        ("hidden_size", "width"),
        ("vocab_size", ""),
        ("gpu_model", "hardware"),
    ],
)
def test_names_tell_kinds(column: str, kind: str) -> None:
    assert kind_of(column) == kind


def test_spellings_of_one_level_are_one() -> None:
    columns = measured({"generation": ["3"], "task": ["a", "b"]}, repetitions=2)
    columns["generation"] = ["3", "3.0", " 3", "3.00"]
    columns["task"] = ["CB", "cb", "rte", "RTE"]
    design = design_of(table(columns))
    assert [factor.column for factor in design.factors] == ["task"]
    assert design.cell_count == 2


def test_a_column_that_renames_another_is_no_factor() -> None:
    columns = measured({"precision": ["fp32", "fp16"], "max_sequence_length": [64, 128, 256]})
    columns["label"] = [
        f"{a}-{b}"
        for a, b in zip(columns["precision"], columns["max_sequence_length"], strict=True)
    ]
    columns["dtype"] = [f"torch.{name}" for name in columns["precision"]]
    design = design_of(table(columns))
    assert [factor.column for factor in design.factors] == ["precision", "max_sequence_length"]
    assert design.factors[0].aliases == ("dtype",)
    assert design.cell_count == 6


def test_a_folder_does_not_part_cells() -> None:
    columns = measured({"precision": ["fp32", "fp16"]}, repetitions=4)
    columns["sweep"] = ["one", "one", "two", "two"] * 2
    assert design_of(table(columns)).cell_count == 2


def test_counts_of_the_answer_are_no_factor() -> None:
    columns = measured({"model": ["a", "b"]}, repetitions=3)
    columns["response_length_sum_characters"] = [100, 200, 100, 200, 100, 200]
    columns["run"] = [0, 1, 0, 1, 0, 1]
    assert [factor.column for factor in design_of(table(columns)).factors] == ["model"]


def test_seeds_are_repetitions() -> None:
    columns = measured({"model": ["a", "b"]}, repetitions=3)
    columns["seed"] = columns.pop("repetition")
    assert [factor.column for factor in design_of(table(columns)).factors] == ["model"]


def test_a_finer_factor_determines_a_coarser_one() -> None:
    columns = measured({"max_sequence_length": [64, 128, 256]}, repetitions=2)
    columns["doc_stride"] = [min(64, length) for length in columns["max_sequence_length"]]
    columns["doc_stride"] = [64 if n > 64 else 32 for n in columns["max_sequence_length"]]
    fine, coarse = design_of(table(columns)).factors
    assert determines(fine, coarse)
    assert not determines(coarse, fine)
