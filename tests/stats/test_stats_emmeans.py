"""Marginal means, contrasts, slopes and joint tests against R's emmeans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emmeans_oracles import (
    contrasts_of,
    deviation,
    fitted,
    means_of,
    numbers,
    oracle,
    r_column,
)

from joulebench.stats.emmeans_joint import CONFOUNDED, joint_tests
from joulebench.stats.model_frame import level_text

CASES = oracle()["cases"]
JOINT = oracle()["joint"]
CLOSED = 1e-8
MIXED = 1e-5
# R's quantile of the studentised range stops at steps of 1e-4, its Dunnett one at 5e-4.
R_TUKEY_ENDS = 1e-5
R_TUKEY_P = 1e-7  # ptukey itself is off by up to so much; test_stats_tukey has exact values
R_DUNNETT_ENDS = 1e-3


def named(case: dict[str, Any]) -> str:
    call = case["call"]
    parts = [call["formula"], call["data"], *call["specs"], "|", *call["by"], call.get("ddf", "")]
    return " ".join([*parts, str(call.get("kind", "")), call["adjust"] if "kind" in call else ""])


def within(case: dict[str, Any]) -> float:
    return MIXED if "|" in case["call"]["formula"] else CLOSED


@pytest.mark.parametrize("case", [c for c in CASES if "kind" not in c["call"]], ids=named)
def test_means(case: dict[str, Any]) -> None:
    table, found = case["table"], means_of(case["call"]).frame()
    limit = within(case)
    estimate = r_column(table, "emmean", "response", ".trend")
    assert deviation(found["estimate"], estimate) < limit
    assert deviation(found["se"], r_column(table, "SE")) < limit
    assert deviation(found["df1"], r_column(table, "df")) < limit
    assert deviation(found["ci_low"], r_column(table, "lower.CL", ".LCL")) < limit
    assert deviation(found["ci_high"], r_column(table, "upper.CL", ".UCL")) < limit
    assert found["n"].tolist() == case["n"]
    for name in [*case["call"]["specs"], *case["call"]["by"]]:
        assert [level_text(v) for v in found[name]] == list(map(str, table[name]))
    assert found["note"].str.contains("cannot be estimated").tolist() == np.isnan(estimate).tolist()


@pytest.mark.parametrize("case", [c for c in CASES if "kind" in c["call"]], ids=named)
def test_contrasts(case: dict[str, Any]) -> None:
    call, table = case["call"], case["table"]
    found, limit = contrasts_of(call), within(case)
    assert deviation(found["estimate"], r_column(table, "ratio", "estimate")) < limit
    assert deviation(found["se"], r_column(table, "SE")) < limit
    assert deviation(found["df1"], r_column(table, "df")) < limit
    assert deviation(found["value"], r_column(table, "t.ratio", "z.ratio")) < limit
    tukey = set(found["adjust"]) == {"tukey"}
    p = r_column(table, "p.value")
    if tukey:
        assert found["p_adjusted"].to_numpy() == pytest.approx(p, abs=R_TUKEY_P, nan_ok=True)
    else:
        # R takes Sidak's p from 1, which leaves it no more than 16 decimals.
        assert deviation(found["p_adjusted"], p, floor=1e-8) < limit
    ends = {"tukey": R_TUKEY_ENDS, "dunnettx": R_DUNNETT_ENDS}.get(
        found["ci_adjust"].iloc[0], limit
    )
    scale = np.fmax(found["se"], np.abs(found["estimate"]))
    for ours, theirs in (("ci_low", "lower.CL"), ("ci_high", "upper.CL")):
        bound = r_column(table, theirs, f".{theirs[0].upper()}CL")
        finite = np.isfinite(bound)
        assert np.array_equal(finite, np.isfinite(found[ours]))
        away = (np.abs(found[ours] - bound) / scale).to_numpy()[finite]
        assert away.max(initial=0.0) < ends


@pytest.mark.parametrize("case", JOINT, ids=lambda case: str(list(case["call"].values())))
def test_joint_tests(case: dict[str, Any]) -> None:
    call, table = dict(case["call"]), case["table"]
    found = joint_tests(fitted(call.pop("formula"), call.pop("data")), **call)
    assert list(found["term"]) == table["model term"]
    assert found["df1"].tolist() == table["df1"]
    # R rounds F to three decimals and degrees of freedom to two, but not the p of them; the
    # confounded row is made of rounded ones.
    credited = (found["term"] != CONFOUNDED).to_numpy()
    assert found["value"].to_numpy() == pytest.approx(numbers(table["F.ratio"]), abs=3e-3)
    assert found["value"][credited].to_numpy() == pytest.approx(
        numbers(table["F.ratio"])[credited], abs=5.1e-4
    )
    df2 = numbers(table["df2"])
    assert ((found["df2"] == df2) | (np.abs(found["df2"].clip(upper=1e9) - df2) < 5.1e-3)).all()
    assert deviation(found["p"][credited], numbers(table["p.value"])[credited]) < 1e-6
    for name in call["by"]:
        assert list(found[name]) == table[name]


def test_the_cases_are_those_that_bite() -> None:
    """Guard the oracle: without these, the tests above would say less than they seem to."""
    missing = [numbers(c["table"]["SE"]) for c in CASES]
    assert sum(np.isnan(se).any() for se in missing) > 15
    assert {c["call"].get("ddf") for c in CASES} >= {"satterthwaite", "kenward-roger", "asymptotic"}
    assert any(CONFOUNDED in j["table"]["model term"] for j in JOINT)
