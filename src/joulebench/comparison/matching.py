"""Which cells of two sides are the same, and what differs between the sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.design_factors import level_key
from joulebench.comparison.side import Rows, Side
from joulebench.errors import UsageError, unknown

Key = tuple[str, ...]

_MOST_NAMED = 6


@dataclass(frozen=True, eq=False)
class SharedCell:
    """A combination of levels that both sides have.

    Args:
        levels: Levels as A writes them.
        a: Rows of A, by their place among those that are used.
        b: Rows of B.
    """

    levels: Key
    a: Rows
    b: Rows

    @property
    def label(self) -> str:
        """The levels in one line."""
        return " · ".join(self.levels) or "all runs"


@dataclass(frozen=True, eq=False)
class Matching:
    """How the rows of two sides go together.

    Args:
        factors: The factors whose levels were matched.
        cells: Combinations that both sides have, in the order of A's levels.
        only_a: Combinations that A alone has.
        only_b: Combinations that B alone has.
        averaged: Factors whose levels stand together in a cell, each in a sentence.
        differs: Settings that are not the same: name -> (level of A, level of B).
    """

    factors: tuple[str, ...]
    cells: tuple[SharedCell, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    averaged: tuple[str, ...]
    differs: dict[str, tuple[str, str]]


def match(a: Side, b: Side, wanted: Sequence[str] = (), maps: Sequence[str] = ()) -> Matching:
    """Match the cells of two sides by the levels of the factors that both have.

    A factor is what was varied on either side. One that has a single level on each side, another
    one there, is what the comparison is about and is not matched.

    Args:
        a: First side.
        b: Second side.
        wanted: Factors to match; all that both sides have if empty.
        maps: Levels that correspond, ``LEVEL_OF_A=LEVEL_OF_B``.

    Raises:
        UsageError: A name or a level that is not there, or no cell that both sides have.
    """
    varied = list(dict.fromkeys([*a.factors, *b.factors]))
    names = _wanted(a, b, wanted) if wanted else [n for n in varied if a.factor(n) and b.factor(n)]
    pairs = _mapped(a, b, names, maps)
    differs = {n: (_levels(a, n)[0], _levels(b, n)[0]) for n in names
               if not wanted and _apart(a, b, n, pairs)}  # fmt: skip
    names = [name for name in names if name not in differs]
    in_a, in_b = _cells(a, names, {}), _cells(b, names, pairs)
    shared = [key for key in in_a if key in in_b]
    if not shared:
        raise _nothing_shared(a, b, names, pairs)
    cells = tuple(
        SharedCell(_as_written(a, names, k), in_a[k], in_b[k]) for k in _sorted(a, names, shared)
    )
    return Matching(
        tuple(names),
        cells,
        tuple(_told(a, names, k) for k in _sorted(a, names, [k for k in in_a if k not in in_b])),
        tuple(_told(b, names, k, pairs) for k in in_b if k not in in_a),
        tuple(_averaged(a, b, [n for n in varied if n not in names and n not in differs], cells)),
        differs | _settings_apart(a, b, varied),
    )


def _wanted(a: Side, b: Side, wanted: Sequence[str]) -> list[str]:
    for side, other in ((a, b), (b, a)):
        for name in wanted:
            if side.factor(name) is None:
                both = [n for n in {*a.factors, *b.factors} if a.factor(n) and b.factor(n)]
                if other.factor(name) is None or not both:
                    raise unknown("--match", name, both)
                raise UsageError(
                    f"--match {name}: {side.named} has no such column; leave it out, or add the "
                    "column there"
                )
    return list(dict.fromkeys(wanted))


def _mapped(
    a: Side, b: Side, names: Sequence[str], maps: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Give, by factor, the key of a level of B -> that of the level of A it corresponds to.

    Raises:
        UsageError: A mapping that cannot be read, or a level that no factor has.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text in maps:
        first, sign, second = (part.strip() for part in text.partition("="))
        if not (sign and first and second):
            raise UsageError(f"--map {text}: write LEVEL_OF_A=LEVEL_OF_B, such as fp16=int8")
        one, other = level_key(first), level_key(second)
        fitting = [n for n in names if one in _keys(a, n) and other in _keys(b, n)]
        if not fitting:
            raise _not_mapped(a, b, names, (first, second))
        for name in fitting:
            found[name][other] = one
    return found


def _not_mapped(a: Side, b: Side, names: Sequence[str], asked: tuple[str, str]) -> UsageError:
    for side, level in zip((a, b), asked, strict=True):
        levels = [each for name in names for each in _levels(side, name)]
        if level_key(level) not in map(level_key, levels):
            return unknown(f"--map: level of {side.letter}", level, levels)
    return UsageError(
        f"--map {asked[0]}={asked[1]}: the two are levels of different factors; name two of one"
    )


def _levels(side: Side, name: str) -> tuple[str, ...]:
    factor = side.factor(name)
    return factor.levels if factor is not None else ()


def _keys(side: Side, name: str) -> set[str]:
    return {level_key(level) for level in _levels(side, name)}


def _apart(a: Side, b: Side, name: str, pairs: Mapping[str, Mapping[str, str]]) -> bool:
    """Say whether a factor has one level on each side, not the same."""
    one, other = _keys(a, name), _keys(b, name)
    return len(one) == len(other) == 1 and one != other and name not in pairs


def _cells(
    side: Side, names: Sequence[str], pairs: Mapping[str, Mapping[str, str]]
) -> dict[Key, Rows]:
    """Group the rows of a side by the keys of their levels; rows without a level are left out."""
    columns = []
    for name in names:
        factor = side.factor(name)
        assert factor is not None
        to_a = pairs.get(name, {})
        keys = (level_key(text) for text in side.texts(factor.column))
        columns.append([to_a.get(key, key) for key in keys])
    groups: dict[Key, list[int]] = defaultdict(list)
    rows = zip(*columns, strict=True) if columns else [()] * len(side)
    for place, key in enumerate(rows):
        if all(key):
            groups[key].append(place)
    return {key: np.array(places, dtype=np.intp) for key, places in groups.items()}


def _sorted(side: Side, names: Sequence[str], keys: Sequence[Key]) -> list[Key]:
    ranks = [{level_key(level): i for i, level in enumerate(_levels(side, n))} for n in names]
    return sorted(keys, key=lambda key: [r.get(k, 0) for r, k in zip(ranks, key, strict=True)])


def _as_written(side: Side, names: Sequence[str], key: Key) -> Key:
    found = [{level_key(level): level for level in _levels(side, name)} for name in names]
    return tuple(each.get(k, k) for each, k in zip(found, key, strict=True))


def _told(
    side: Side, names: Sequence[str], key: Key, pairs: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    back = [{v: k for k, v in (pairs or {}).get(name, {}).items()} for name in names]
    own = tuple(each.get(k, k) for each, k in zip(back, key, strict=True))
    return " · ".join(_as_written(side, names, own))


def _nothing_shared(
    a: Side, b: Side, names: Sequence[str], pairs: Mapping[str, Mapping[str, str]]
) -> UsageError:
    for name in names:
        to_a = pairs.get(name, {})
        if _keys(a, name).isdisjoint(to_a.get(key, key) for key in _keys(b, name)):
            one, other = _levels(a, name), _levels(b, name)
            rest = ",".join(n for n in names if n != name)
            leave = f", or match the other factors alone with --match {rest}" if rest else ""
            return UsageError(
                f"no cell stands in both: {name} is {_listed(one)} in A and {_listed(other)} in B; "
                f"say which levels correspond with --map {one[0]}={other[0]}{leave}"
            )
    return UsageError(
        f"no cell stands in both: A and B have no combination of {', '.join(names)} in common; "
        "match fewer factors with --match"
    )


def _listed(levels: Sequence[str]) -> str:
    more = f" and {len(levels) - _MOST_NAMED} more" if len(levels) > _MOST_NAMED else ""
    return ", ".join(levels[:_MOST_NAMED]) + more


def _averaged(a: Side, b: Side, names: Sequence[str], cells: Sequence[SharedCell]) -> Iterator[str]:
    """Say which factors stand together in a cell: those of one side alone, or not matched."""
    for name in names:
        seen = {side.letter: _seen(side, name, [getattr(c, side.letter.lower()) for c in cells])
                for side in (a, b)}  # fmt: skip
        parts = [f"{letter}: {_listed(levels)}" for letter, levels in seen.items() if levels]
        parts += [f"{letter} has no such column" for letter, levels in seen.items() if not levels]
        if any(len(levels) > 1 for levels in seen.values()):
            yield f"averaged over {name} ({'; '.join(parts)})"
        else:
            yield f"{name} is constant ({'; '.join(parts)})"


def _seen(side: Side, name: str, rows: Sequence[Rows]) -> list[str]:
    factor = side.factor(name)
    if factor is None:
        return []
    texts = side.texts(factor.column)
    used = {factor.level_of.get(texts[row], "") for group in rows for row in group.tolist()}
    return [level for level in factor.levels if level in used]


def _settings_apart(a: Side, b: Side, varied: Sequence[str]) -> dict[str, tuple[str, str]]:
    one, other = a.settings(), b.settings()
    return {
        name: (one[name], other[name])
        for name in one
        if name in other and name not in varied and level_key(one[name]) != level_key(other[name])
    }
