"""What a verdict says beside its claims: one factor changed, numbers, interactions, couplings."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from joulebench.analysis.answer import Answer
from joulebench.analysis.block_tests import ONE_STEP, ONE_STEP_HERE, REPEATED
from joulebench.analysis.claim import FAIRLY, how_sure, weaker
from joulebench.analysis.claims import degrees, plural
from joulebench.analysis.evidence_rows import Evidence, omnibus_row, p_text
from joulebench.analysis.saturation import saturation
from joulebench.analysis.size_tests import FIT, LAW, OF_UNITS
from joulebench.analysis.spoken_ratio import Pair, named_pairs, with_ends
from joulebench.analysis.unit_claims import Speech
from joulebench.analysis.units import unit_word


def steps(speech: Speech) -> Iterator[str]:
    """Say how units compare that differ in one factor alone, each with how sure it is."""
    made = speech.made
    found = made.find(ONE_STEP, speech.scale)
    here = "" if found is not None else ", in these runs"
    found = found or made.find(ONE_STEP_HERE, speech.scale)
    for pair in named_pairs(found, made.steps, speech.own):
        told = pair.sentence(speech.words, speech.unit, speech.factor)
        yield f"{told} ({_sure(pair)}{here})"


def _sure(pair: Pair) -> str:
    sure = how_sure(pair.p)
    if pair.hidden:
        return "not shown: the meters' own uncertainty covers it"
    return weaker(sure, how_sure(pair.p_with_bias)) if pair.shown else sure


def extras(speech: Speech) -> Iterator[str]:
    """Give further sentences on a question, each with what it rests on."""
    yield from _slope(speech)
    if speech.made.question.kind == "crossed":
        yield from _interactions(speech)
    for covariate in speech.made.question.covariates:
        yield from _coupling(speech.made, covariate)


def _slope(speech: Speech) -> Iterator[str]:
    """Say how the response goes with the number behind the units."""
    made, numbers = speech.made, speech.made.numbers
    if numbers is None or made.question.groups != made.unit:
        return
    law = LAW[speech.scale]
    across = numbers.set_by_run and bool(made.layout.others)
    found = made.find(law if across else f"{law}, {OF_UNITS}", speech.scale, "consec")
    missed = omnibus_row(made, f"{law}, {FIT}", speech.scale, made.unit) if across else None
    if found is None:
        return
    row = found.found.to_dict("records")[1]
    straight = speech.scale == "raw"
    if row["p"] > FAIRLY or (straight and missed is not None and missed.p <= FAIRLY):
        return  # a line that is not there, or does not fit, helps nobody
    value, ends = with_ends(row["estimate"], row["ci_low"], row["ci_high"])
    mark = f" {speech.unit}" if speech.unit else ""
    what = (
        f"{speech.words} rises by {value}{mark} ({ends}) a unit of {numbers.name}"
        if straight
        else f"{speech.words} goes with {numbers.name} to the power {value} ({ends})"
    )
    held = speech.scatter if across else speech.units
    tested = f"t({row['df1']:.0f}) = {row['value']:.3g}, {p_text(row['p'])}"
    yield f"{what}: {tested}, {held}{_fits(missed, law)}"


def _fits(missed: Evidence | None, law: str) -> str:
    """Say whether the line misses what the units hold, where conditions tell."""
    if missed is None:
        return ""
    if missed.p <= FAIRLY:
        return f"; but no {law} describes it ({missed.text})"
    return f"; that a {law} misses anything is not shown ({missed.text})"


def _interactions(speech: Speech) -> Iterator[str]:
    """Say whether differences depend on the other factor: for these units, and beyond them."""
    made, layout = speech.made, speech.made.layout
    within, factor = made.question.within, made.question.groups
    these = omnibus_row(made, REPEATED, speech.scale, f"{layout.unit}:{layout.conditions}")
    if these is not None and layout.others == (within,):
        depends = "depends" if these.p <= FAIRLY else "is not shown to depend"
        word = unit_word(made.means, layout.parts)
        yield f"how far these {word}s lie apart {depends} on {within}: {these.text} on repetitions"
    wide = omnibus_row(made, "mixed model, satterthwaite", speech.scale, f"{factor}:{within}")
    if wide is not None:
        shown = "is shown" if wide.p <= FAIRLY else "is not shown"
        doubt = f"; {wide.note}" if wide.note else ""
        yield (
            f"that the effect of {factor} depends on {within} beyond these runs {shown}: "
            f"{wide.text} between runs{_no_chance(made, factor, within)}{doubt}"
        )


def _no_chance(made: Answer, factor: str, within: str) -> str:
    """Say that the scatter between runs is a factor that the model left out."""
    found = saturation(made.means, (factor, within))
    if not found.left_out or found.saturated:
        return ""
    name, levels = next(iter(found.left_out.items()))
    return (
        f", whose {degrees(found.df)} are {name} {' against '.join(levels[:3])}: no chance, so "
        "that the test says little"
    )


def _coupling(made: Answer, covariate: str) -> Iterator[str]:
    """Say how the energy goes with a covariate, in each group and inside runs."""
    by = made.find(f"Spearman with {covariate}", None, "pairwise")
    over = made.find(f"Spearman with {covariate}", None, "omnibus")
    if by is None or over is None:
        return
    rho = by.found["effect"].dropna()
    if rho.empty:
        return
    rows = plural(by.level)
    p, n = float(over.found["p"].iloc[0]), int(over.found["n"].iloc[0])
    told = (
        f"{by.response} and {covariate}: Spearman's rho {over.found['effect'].iloc[0]:.2f} over "
        f"all {n} {rows} ({p_text(p)}), {rho.min():.2f} to {rho.max():.2f} inside the levels of "
        f"{made.question.groups}"
    )
    inside = made.find(f"Spearman with {covariate} within runs", None, "pairwise")
    if inside is not None and inside.found["effect"].notna().any():
        told += f", {median(inside.found['effect'].dropna()):.2f} inside a run (median)"
    yield told
