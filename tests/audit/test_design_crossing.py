"""Factors that the cells cannot tell apart."""

from __future__ import annotations

from design_samples import Columns, measured, on_table

from joulebench.audit.design_crossing import RULES


def test_factors_that_share_no_level() -> None:
    out = [{"generation": "2", "model_size": "8B"}, {"generation": "3", "model_size": "7B"}]
    factors = {"generation": ["2", "3"], "model_size": ["7B", "8B", "70B"]}
    columns = measured(factors, exclude=[*out, {"generation": "2", "model_size": "70B"}])
    (finding,) = on_table(RULES, columns)
    assert finding.severity == "warning"
    assert finding.where == "t.csv: generation x model_size"
    assert finding.seen == "3 of 6 cells, rank 3"
    assert finding.possible == "rank 4 for both factors"


def test_factors_that_share_levels_lose_their_interaction_only() -> None:
    out = [{"precision": "int8", "batch_size": 1}]
    factors: Columns = {"precision": ["fp32", "int8"], "batch_size": [1, 8, 64]}
    (finding,) = on_table(RULES, measured(factors, exclude=out))
    assert finding.severity == "note"
    assert "1 of 2 parameters of the interaction" in finding.message


def test_other_models_on_other_devices_cannot_be_told_apart() -> None:
    out = [{"model": "a", "gpu": "H100"}, {"model": "b", "gpu": "A100"}]
    columns = measured({"model": ["a", "b"], "gpu": ["A100", "H100"]}, exclude=out)
    (finding,) = on_table(RULES, columns)
    assert finding.severity == "warning"


def test_a_full_crossing_passes() -> None:
    assert not on_table(RULES, measured({"precision": ["fp32", "int8"], "batch_size": [1, 8]}))


def test_a_setting_that_follows_from_another_passes() -> None:
    columns = measured({"max_sequence_length": [64, 128, 256], "batch_size": [1, 8]})
    columns["doc_stride"] = [128 if n > 64 else 64 for n in columns["max_sequence_length"]]
    columns["label"] = [f"L{n}" for n in columns["max_sequence_length"]]
    assert not on_table(RULES, columns)
    family: Columns = {"model": ["a-1", "a-3", "b-1"]}
    columns = measured(family) | {}
    columns["family"] = [name[0] for name in columns["model"]]
    assert not on_table(RULES, columns)


def test_columns_that_describe_are_not_called_confounded() -> None:
    columns: Columns = {
        "model": ["a-7", "b-7", "c-13", "d-13"],
        "licence": ["open", "open", "closed", "other"],
        "country": ["x", "y", "z", "z"],
        "energy_j": [1.0, 2.0, 3.0, 4.0],
    }
    assert not on_table(RULES, columns)


def test_a_level_that_is_not_known_empties_no_cell() -> None:
    columns = measured({"precision": ["fp32", "int8"], "batch_size": [1, 8]})
    columns["precision"] = ["" if n == 8 else p for p, n in zip(
        columns["precision"], columns["batch_size"], strict=True)]  # fmt: skip
    assert not on_table(RULES, columns)
