"""A fitted mixed model in short."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    fixed = model.fixed()[_FIXED].rename(columns={"df1": "df", "value": "t"})
    lines = [
        f"Linear mixed model by {kind}: {model.formula.text}",
        f"{model.n} rows; groups: {groups}; {name} {model.fit.criterion:.6g}",
        "",
        "Random effects:",
        random.to_string(index=False, float_format=_short, na_rep=""),
        "",
        "Fixed effects (degrees of freedom after Satterthwaite):",
        fixed.to_string(index=False, float_format=_short),
    ]
    return "\n".join([*lines, *(["", f"Note: {model.note}"] if model.note else [])])


def _short(number: float) -> str:
    return f"{number:.4g}"
