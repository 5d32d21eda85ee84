"""Linear functions of a model's coefficients that the data may or may not determine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.emmeans_grid import Marginal
from joulebench.stats.fitted_model import FittedModel, Inference

Array = npt.NDArray[np.float64]


def estimates(model: FittedModel, functions: Array, ddf: str | None) -> Inference:
    """Estimate linear functions; NaN where the data do not determine one.

    Args:
        model: The fitted model.
        functions: Over all columns of its model matrix, aliased ones too, shape (k, p_all); a row
            that is not finite determines nothing.
        ddf: How degrees of freedom are found, for a mixed model.
    """
    known = determined(model, functions)
    parts = [np.full(len(functions), np.nan) for _ in range(3)]
    if known.any():
        found = model.inference(functions[known][:, model.design.rank.kept], ddf)
        for part, value in zip(parts, (found.estimate, found.se, found.df), strict=True):
            part[known] = value
    return Inference(*parts)


def determined(model: FittedModel, functions: Array) -> npt.NDArray[np.bool_]:
    """Say which linear functions the data determine, shape (k,); see :func:`estimates`."""
    known = np.asarray(~np.isnan(functions).any(axis=1))
    known[known] = model.design.estimable(functions[known])
    return known


def contrasted(of: Marginal, weights: Array) -> Marginal:
    """Apply weights to the means of each by-group.

    Args:
        of: The means; groups follow one another.
        weights: Shape (c, block).

    Returns:
        The contrasts, those of one group together, with the by-levels alone, the rows behind the
        means that have a weight, and the empty combinations of these.
    """
    block, used = of.block, weights != 0
    groups = len(of.levels) // block
    unknown = np.isnan(of.functions).any(axis=1).reshape(groups, 1, block)
    filled = np.nan_to_num(of.functions).reshape(groups, block, -1)
    functions = np.einsum("ck,gkp->gcp", weights, filled)
    functions[(unknown & used).any(axis=2)] = np.nan
    first = np.repeat(np.arange(groups) * block, len(weights))
    return replace(
        of,
        levels=pd.DataFrame(
            {name: of.levels[name].to_numpy()[first] for name in of.by},
            index=pd.RangeIndex(len(first)),
        ),
        block=len(weights),
        functions=functions.reshape(len(first), -1),
        n=(of.n.reshape(groups, block) @ used.T).ravel(),
        empty=tuple(
            "; ".join(dict.fromkeys(filter(None, np.array(group, dtype=object)[row])))
            for group in np.array(of.empty, dtype=object).reshape(groups, block)
            for row in used
        ),
    )


def notes(model: FittedModel, of: Marginal, found: Inference, *others: str) -> list[str]:
    """Say what is doubtful about each of a set of means or contrasts.

    Args:
        model: The fitted model.
        of: The means or contrasts.
        found: What came out.
        others: What holds for all of them; empty strings are left out.
    """
    common = [model.note, _mixing(model, of), _nests(of), *others]
    return [
        "; ".join(filter(None, [*common, _unknown(found, k, of.empty[k])]))
        for k in range(len(of.levels))
    ]


def _unknown(found: Inference, k: int, empty: str) -> str:
    if np.isnan(found.estimate[k]):
        why = f"no rows at {empty}" if empty else "it depends on coefficients that are aliased"
        return f"cannot be estimated: {why}"
    return "the standard error is 0" if found.se[k] == 0 else ""


def _mixing(model: FittedModel, of: Marginal) -> str:
    """Name variables that are averaged over although the specs' effect depends on them."""
    specs = set(of.specs)
    mixed = [
        name
        for name in of.averaged
        if any(name in t.variables and specs & set(t.variables) for t in model.design.terms)
    ]
    if not mixed:
        return ""
    return f"averages over {', '.join(mixed)}, with which {', '.join(of.specs)} interacts"


def _nests(of: Marginal) -> str:
    """Name nested variables that are averaged over, or whose nest is."""
    told = [
        f"{inner} is nested in {', '.join(sorted(outer))}"
        for inner, outer in of.nested.items()
        if inner in of.averaged or outer & set(of.averaged)
    ]
    return ", ".join(told)
