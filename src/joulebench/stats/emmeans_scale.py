"""Estimates of a transformed response, brought back to the response's own unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.stats.formula import Transform
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BackTransform:
    """The way back from what was modelled to the response.

    Args:
        name: Of the transformation.
        inverse: From the scale of the model to that of the response.
        slope: Derivative of ``inverse``.
        of_ratios: Whether differences on the scale of the model are ratios on the other.
    """

    name: Transform
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    of_ratios: bool

    def of_columns(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Give columns of results with estimate, standard error and interval brought back.

        The standard error is that of the delta method; as the way back rises, the low end of an
        interval stays the low one.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite
            return {
                **columns,
                "estimate": self.inverse(columns["estimate"]),
                "se": np.abs(self.slope(columns["estimate"])) * columns["se"],
                "ci_low": self.inverse(columns["ci_low"]),
                "ci_high": self.inverse(columns["ci_high"]),
            }


def back_transform(transform: Transform) -> BackTransform:
    """Give the way back from a transformed response.

    ``sqrt`` holds values below 0 for 0, which no root can be below, as emmeans does.

    Args:
        transform: Of the response, as its formula writes it.
    """
    if transform == "none":
        return BackTransform(transform, lambda x: x, np.ones_like, of_ratios=False)
    if transform == "sqrt":
        return BackTransform(
            transform,
            lambda x: np.maximum(x, 0.0) ** 2,
            lambda x: 2.0 * np.maximum(x, 0.0),
            of_ratios=False,
        )
    base = {"log": np.e, "log10": 10.0, "log2": 2.0}[transform]
    if transform == "log":
        return BackTransform(transform, np.exp, np.exp, of_ratios=True)
    return BackTransform(
        transform,
        lambda x: np.asarray(base**x),
        lambda x: np.asarray(base**x * np.log(base)),
        of_ratios=True,
    )


def check_scale(scale: str) -> None:
    """Refuse a scale that is neither the model's nor the response's.

    Raises:
        Refused: It is another word.
    """
    if scale not in ("model", "response"):
        raise Refused(f"scale must be 'model' or 'response', got {scale!r}")
