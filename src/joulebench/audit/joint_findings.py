"""What a published column that the traces explain, or contradict, is reported as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joulebench.audit.joint_effect import Effect
from joulebench.audit.joint_fit import Bools, Fit
from joulebench.audit.joint_space import Hypothesis
from joulebench.audit.joint_strays import explained_strays, stray_findings
from joulebench.audit.table import Floats
from joulebench.audit.variants import WAYS, Way
from joulebench.finding import Finding

_NEGLIGIBLE = 2e-4
"""Largest effect of a fault that is not worth a finding."""

_UNEXPLAINED = 0.05
"""Median difference from which on an unexplained one makes the number wrong: no gain of a sensor
explains it."""

_OF_WINDOWS = frozenset({"tail-not-integrated", "edge-uncertainty", "scope-mismatch"})
"""Rules on where a window ends, and on what of a log it holds."""

_MEND = "--fix writes the corrected column"

_REMEDIES = {
    "assumed-constant-step": "multiply each sample by its own interval out of the time stamps",
    "tail-not-integrated": "interpolate at both edges of the window",
    "edge-uncertainty": "cut the first and the last interval at the edges of the window",
    "counter-wrap": "add the counter's range wherever it falls",
    "energy-not-power-times-time": "integrate the power over time",
    "scope-mismatch": "say what the figure covers, or take the energy of the measured window",
}


def energy_findings(fit: Fit) -> Iterator[Finding]:
    """Give what is wrong with a column of energies or powers; nothing where it agrees."""
    if fit.hypothesis is None:
        found = list(stray_findings(fit)) if fit.agrees else explained_strays(fit)
        yield from found or ([] if fit.agrees else [_unexplained(fit)])
        return
    yield from _weights(fit, fit.hypothesis)
    yield from _ways(fit, fit.hypothesis)
    yield from _divisor(fit)
    yield from _scale(fit)
    yield from stray_findings(fit)


def where(fit: Fit) -> str:
    """Give the place of a finding: the column, and that it is held against traces."""
    return f"{fit.joined.table.where(fit.column)} against its runs"


def _share(fit: Fit) -> float:
    """Give the share that a figure may be off by: half the 95 % interval without the gain."""
    share = fit.doubt[fit.present] / np.abs(fit.ours[fit.present])
    return float(np.median(share)) if share.size else 0.0


def _over(upper: Floats, lower: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(lower) & (lower != 0), upper / lower - 1.0, np.nan)


def _effect(fit: Fit, shares: Floats) -> Effect:
    return Effect(np.where(fit.present & ~fit.strays, shares, np.nan), fit.joined.levels)


def _agreement(fit: Fit) -> str:
    """Say how well the way explains the column."""
    count = int((fit.present & ~fit.strays).sum())
    how = "to the last digit" if fit.exact else "within the uncertainty"
    return f"in {count} of {int(fit.present.sum())} rows {how}"


def formula(hypothesis: Hypothesis) -> str:
    """Print what was added: ``"gpu + 2 x cpu"``."""
    return " + ".join(part if n == 1 else f"{n} x {part}" for part, n in hypothesis.weights)


def _weights(fit: Fit, hypothesis: Hypothesis) -> Iterator[Finding]:
    """Find parts that are counted too often, nested in another, foreign, or left out."""
    claimed, meant = dict(hypothesis.weights), dict(fit.meant.weights)
    if not fit.meaning.part:
        yield from _left_out(fit, claimed)
    if claimed == meant:
        return
    rule, what = _wrong_weights(claimed, meant)
    keys = dict(zip(hypothesis.parts, hypothesis.keys, strict=True))
    alike = tuple(keys.get(p, k) for p, k in zip(fit.meant.parts, fit.meant.keys, strict=True))
    sound = Hypothesis(fit.meant.weights, alike)
    effect = _effect(fit, _over(hypothesis.joules(fit.joined), sound.joules(fit.joined)))
    yield _finding(
        fit, rule, effect, f"{what}: it is {formula(hypothesis)} {_agreement(fit)}",
        f"take {formula(fit.meant)}; {_MEND}", possible=formula(fit.meant),
    )  # fmt: skip


def _wrong_weights(claimed: dict[str, int], meant: dict[str, int]) -> tuple[str, str]:
    """Name what is wrong with how often the parts are counted."""
    doubled = [part for part, times in claimed.items() if times > 1]
    if doubled:
        return "double-counted-channel", f"the {' and '.join(doubled)} energy is counted twice"
    nested = [part for part in claimed if part not in meant and part in ("core", "uncore")]
    if nested and "cpu" in claimed:
        named = " and ".join(nested)
        return "nested-domains-added", f"the {named} energy, a part of the cpu's, is added to it"
    foreign = [part for part in claimed if part not in meant]
    if foreign and set(meant) <= set(claimed):
        named = " and ".join(foreign)
        text = f"the {named} energy is in it too, and is counted twice where both are added"
        return "double-counted-channel", text
    missing = " and ".join(part for part in meant if part not in claimed)
    return "scope-mismatch", f"the {missing} energy is not in it"


def _left_out(fit: Fit, claimed: dict[str, int]) -> Iterator[Finding]:
    """Say that a column of "energy" leaves out a part that was measured."""
    missing = [part for part in fit.joined.headline if part not in claimed]
    if not missing or not fit.exact:
        return
    whole = [p for p in fit.joined.headline if p in claimed] or list(claimed)
    total = sum(fit.joined.joules(p, fit.joined.plain_key(p)) for p in fit.joined.headline)
    held = sum(fit.joined.joules(p, fit.joined.plain_key(p)) for p in whole)
    effect = _effect(fit, np.asarray(_over(np.asarray(held), np.asarray(total))))
    named = " and ".join(missing)
    missing_part = _finding(
        fit, "scope-mismatch", effect,
        f"it is called {fit.column} and leaves out the {named} energy, which was measured",
        f"call it the energy of the {' and '.join(whole)}, or add the {named} energy",
        "warning", possible=" + ".join(fit.joined.headline),
    )  # fmt: skip
    yield replace(missing_part, where=f"{missing_part.where}: parts")


def _ways(fit: Fit, hypothesis: Hypothesis) -> Iterator[Finding]:
    """Find what is wrong with how the traces were integrated."""
    found: dict[str, list[tuple[str, Way, Effect]]] = {}
    for key, faults in hypothesis.faults.items():
        for rule in faults:
            if rule in _OF_WINDOWS and fit.joined.windows_unknown:
                continue  # nobody says where the window ends
            effect = _of_rule(fit, hypothesis, key, rule)
            if effect.largest >= _NEGLIGIBLE:
                found.setdefault(rule, []).append((key, WAYS[key], effect))
    for rule, causes in found.items():
        key, way, effect = max(causes, key=lambda cause: cause[2].largest)
        parts = [p for p, k in zip(hypothesis.parts, hypothesis.keys, strict=True) if k == key]
        done = WAYS["J:inside"] if _hides_tail(way, rule) else way
        text = f"the {' and '.join(parts)} energy in it {done.text}, {_agreement(fit)}"
        if rule == "counter-wrap":
            text += _wrapped_rows(fit, effect)
        scope = rule == "scope-mismatch"
        remedy = _REMEDIES[rule] if scope else f"{_REMEDIES[rule]}; {_MEND}"
        yield _finding(fit, rule, effect, text, remedy, "warning" if scope else "")


def _hides_tail(way: Way, rule: str) -> bool:
    """Say whether a way that does not undo wraps leaves out the edges besides."""
    return rule == "tail-not-integrated" and "counter-wrap" in way.faults


def _of_rule(fit: Fit, hypothesis: Hypothesis, key: str, rule: str) -> Effect:
    """Give the effect of one fault of a way, the others left as they are."""
    way = WAYS[key]
    whole = way.sound == "whole"
    upper, lower = key, f"{way.unit}:{way.sound}"
    if rule == "scope-mismatch" and whole:
        upper, lower = f"{way.unit}:whole", f"{way.unit}:plain"
    elif rule == "scope-mismatch":
        lower = f"{way.unit}:plain"
    elif rule == "counter-wrap":
        lower = "J:whole" if whole else "J:inside"
    elif _hides_tail(way, rule):
        upper = "J:inside"
    above, below = (
        Hypothesis(hypothesis.weights, tuple(k if k != key else new for k in hypothesis.keys))
        for new in (upper, lower)
    )
    shares = _over(above.joules(fit.joined), below.joules(fit.joined))
    if rule == "counter-wrap":
        shares = np.where(np.abs(shares) > 1e-9, shares, np.nan)
    return _effect(fit, shares)


def rows_of_rule(fit: Fit, rule: str) -> Bools:
    """Say which rows a rule concerns: single ones for wraps and labels, else all."""
    if rule not in ("counter-wrap", "mislabelled-row"):
        return fit.present
    rows = fit.strays
    for key, faults in (fit.hypothesis.faults if fit.hypothesis else {}).items():
        if fit.hypothesis and rule in faults:
            rows = rows | np.isfinite(_of_rule(fit, fit.hypothesis, key, rule).shares)
    return rows


def _wrapped_rows(fit: Fit, effect: Effect) -> str:
    rows = np.flatnonzero(np.isfinite(effect.shares))
    named = fit.joined.table.places(fit.joined.rows[rows].tolist())
    return f"; the counter wraps in {named}"


def _divisor(fit: Fit) -> Iterator[Finding]:
    divisor = fit.divisor
    if divisor is None or not divisor.fault:
        return
    effect = _effect(fit, _over(fit.right.by, divisor.by))
    text = f"it is divided by {divisor.name}, not by {fit.right.name}, {_agreement(fit)}"
    if divisor.fault == "decimal-comma":
        effect = _effect(fit, fit.inflation)
    remedy = f"divide by {fit.right.name}; {_MEND}"
    yield _finding(fit, divisor.fault, effect, text, remedy, possible=fit.right.name)


def _scale(fit: Fit) -> Iterator[Finding]:
    if fit.scale == 1.0:
        return
    said = fit.meaning.unit or "J"
    text = f"its figures are {fit.scale:.6g} times what {said} would give, {_agreement(fit)}"
    effect = _effect(fit, np.full(len(fit.joined), fit.scale - 1.0))
    remedy = f"divide by {fit.scale:.6g}, or name the unit they are in; {_MEND}"
    yield _finding(fit, "unit-scale", effect, text, remedy, "error", possible=said)


def _finding(
    fit: Fit, rule: str, effect: Effect, text: str, remedy: str, severity: str = "",
    possible: str = "",
) -> Finding:  # fmt: skip
    by_level = effect.by_level()
    share = _share(fit)
    beyond = effect.largest if rule == "counter-wrap" else abs(effect.median)
    judged = severity or ("error" if beyond > share else "note")
    small = f"; less than the {100 * share:.2g} % that the uncertainty allows"
    within = "" if beyond > share or rule in ("unit-scale", "scope-mismatch") else small
    return Finding(
        rule, judged, where(fit), f"{text}{within}{'; ' if by_level else ''}{by_level}",
        remedy, effect.seen(), possible or f"within {100 * share:.2g} % of the traces",
    )  # fmt: skip


def _unexplained(fit: Fit) -> Finding:
    effect = Effect(fit.inflation, fit.joined.levels)
    outside, count = int(fit.outside.sum()), int(fit.present.sum())
    by_level = effect.by_level()
    wrong = abs(effect.median) > _UNEXPLAINED
    if fit.joined.windows_unknown and (effect.median < 0 or fit.meaning.kind == "power"):
        return _of_another_window(fit, effect)
    return Finding(
        _rule_of_source(fit),
        "error" if wrong else "warning",
        where(fit),
        f"{outside} of {count} figures differ from what their traces give by more than its "
        f"uncertainty, and no known way of integrating explains it{'; ' if by_level else ''}"
        f"{by_level}",
        f"find out what was integrated, over which window, and publish the code; {_MEND}",
        effect.seen(),
        f"within {100 * _share(fit):.2g} % of {formula(fit.meant)}",
    )


def _of_another_window(fit: Fit, effect: Effect) -> Finding:
    """Give the finding that a figure is of a part of logs that nobody says which it is."""
    return Finding(
        _rule_of_source(fit),
        "note",
        where(fit),
        f"{int(fit.outside.sum())} of {int(fit.present.sum())} figures are not those of whole "
        "logs, and nothing says when the work ran: they may be of a window within",
        "import the logs with a file for --map that says when the work ran, and audit that",
        effect.seen(),
        f"{formula(fit.meant)} of the whole log",
    )


def _rule_of_source(fit: Fit) -> str:
    """Name the rule: where a tool wrote both the figures and the traces, its summary is stale."""
    sources = [str(e.run.facts.get("published", {}).get("table", "")) for e in fit.joined.digests]
    own = fit.joined.table.path is None and all(_is_summary(source) for source in sources)
    return "stale-summary" if own else "unexplained-difference"


def _is_summary(source: str) -> bool:
    return source.lower().endswith((".json", ".txt", ".log"))
