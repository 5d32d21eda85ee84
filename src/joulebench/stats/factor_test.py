"""The F test of one factor of a plan, by least squares, for many responses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import fdtrc

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.groups import cell_codes
from joulebench.stats.pilot import Layout, Pilot
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]


class FactorTest:
    """The F test of a factor in one layout, for many responses.

    Args:
        rest: Columns beside the factor, shape (n, p).
        own: Columns of the factor, shape (n, q).
        more: Columns that take part in the residual variance alone.
        name: The test in words.

    Raises:
        Refused: The layout leaves nothing to test or to judge by.
    """

    def __init__(self, rest: Array, own: Array, more: Array, name: str) -> None:
        self.name = name
        before = _basis(rest)
        self._own = _basis(own - before @ (before.T @ own))
        self._full = _basis(np.hstack([rest, own, more]))
        self.df = self._own.shape[1], len(rest) - self._full.shape[1]
        if self.df[0] == 0:
            raise Refused("the factor cannot be told from the other terms of the plan")
        if self.df[1] < 1:
            raise Refused("the plan leaves no residual to judge by: raise repetitions or copies")

    def p(self, response: Array) -> float:
        """Give p of one response, shape (n,)."""
        explained = float(((self._own.T @ response) ** 2).sum()) / self.df[0]
        left = response - self._full @ (self._full.T @ response)
        return float(fdtrc(*self.df, explained / (float(left @ left) / self.df[1])))


class GroupTest:
    """The F test of a factor on means of groups."""

    def __init__(self, codes: npt.NDArray[np.intp], on_means: FactorTest) -> None:
        self.name = on_means.name
        self._codes, self._counts, self._test = codes, np.bincount(codes), on_means

    def p(self, response: Array) -> float:
        """Give p of one response, shape (n,)."""
        return self._test.p(np.bincount(self._codes, response) / self._counts)


def factor_test(pilot: Pilot, layout: Layout) -> FactorTest | GroupTest:
    """Give the least-squares test of the pilot's factor that suits its random terms.

    Raises:
        Refused: Random terms other than one ``(1 | group)``.
    """
    random = pilot.model.formula.random
    fixed = FixedDesign.of(pilot.model.design.fixed, layout.frame, "sum")
    rest, own, more = _parts(fixed, pilot.factor)
    if not random:
        return FactorTest(rest, own, more, "F test")
    if len(random) > 1 or random[0].effects != "1":
        texts = ", ".join(term.text for term in random)
        raise Refused(
            f"no exact test is at hand for {texts}: give test=, a function of the simulated frame "
            "that gives p, for example from lmm()"
        )
    codes = cell_codes(layout.frame, list(random[0].group))[0]
    cells = np.eye(int(codes.max()) + 1)[codes]
    means = cells.T / cells.sum(axis=0)[:, None]
    if np.abs(own - cells @ (means @ own)).max() > 1e-9:
        return FactorTest(np.hstack([rest, cells]), own, more, f"F test within {random[0].name}")
    name = f"F test on means of {random[0].name}"
    return GroupTest(codes, FactorTest(means @ rest, means @ own, means @ more, name))


def _parts(design: FixedDesign, factor: str) -> tuple[Array, Array, Array]:
    """Part the columns: beside the factor, its own, those of terms that contain it."""
    terms = {term.name: term for term in design.terms}
    own = list(terms[factor].columns)
    containing = [t for t in terms.values() if factor in t.variables and t.name != factor]
    more = [int(k) for term in containing for k in term.columns]
    rest = [k for k in range(design.x.shape[1]) if k not in {*own, *more}]
    return design.x[:, rest], design.x[:, own], design.x[:, more]


def _basis(columns: Array) -> Array:
    """Give an orthonormal basis of the columns, shape (n, rank)."""
    if columns.shape[1] == 0:
        return np.zeros((len(columns), 0))
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, size > 1e-9 * max(1.0, float(size[0]))])
