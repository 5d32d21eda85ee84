"""A fitted model, and its means, in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.linear_model import LinearModel
    from joulebench.stats.lmm_model import MixedModel

_FIXED = ["term", "estimate", "se", "df1", "value", "p"]
_RANDOM = ["group", "effect", "effect_2", "variance", "sd", "correlation"]


def summary(model: MixedModel) -> str:
    """Give formula, likelihood, random and fixed effects of a model as lines of text."""
    kind = "REML" if model.reml else "maximum likelihood"
    name = "REML criterion" if model.reml else "deviance"
    groups = ", ".join(
        f"{len(b.levels)} {b.group}" for b in {b.group: b for b in model.fit.blocks}.values()
    )
    random = model.variance_components()[_RANDOM]
    lines = [
        f"Linear mixed model by {kind}: {model.formula.text}",
        f"{model.n} rows; groups: {groups}; {name} {model.fit.criterion:.6g}",
        "",
        "Random effects:",
        in_columns(random),
        "",
        "Fixed effects (degrees of freedom after Satterthwaite):",
        _coefficients(model.fixed()),
        *_note(model.note),
    ]
    return "\n".join(lines)


def linear_summary(model: LinearModel) -> str:
    """Give formula, scatter and coefficients of a linear model as lines of text."""
    lines = [
        f"Linear model: {model.formula.text}",
        f"{model.n} rows; residual standard deviation {model.sigma:.4g} on {model.df_residual} "
        "degrees of freedom",
        "",
        _coefficients(model.coefficients()),
        *_note(model.note),
    ]
    return "\n".join(lines)


def in_columns(frame: pd.DataFrame) -> str:
    """Print a frame with four digits, and nothing where nothing is."""
    return frame.to_string(index=False, float_format=_short, na_rep="")


def _coefficients(found: pd.DataFrame) -> str:
    return in_columns(found[_FIXED].rename(columns={"df1": "df", "value": "t"}))


def _note(note: str) -> list[str]:
    return ["", f"Note: {note}"] if note else []


def _short(number: float) -> str:
    return f"{number:.4g}"
