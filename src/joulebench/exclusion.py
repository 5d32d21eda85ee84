"""Conditions on the levels of a design: which cells are left out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence

from joulebench.errors import UsageError, unknown

Level = str | int | float | bool
Levels = Mapping[str, Level]


def level_text(level: Level) -> str:
    """Give a level as it is written in a study file."""
    return str(level).lower() if isinstance(level, bool) else str(level)


class Exclusion:
    """A condition on levels: the cells where it holds are not run.

    Names of factors, constants, comparisons, ``in``, ``and``, ``or``, ``not`` and brackets; nothing
    else, so a study file from a stranger can do no harm. Levels are compared as they are written,
    so ``generation == 3.1`` and ``generation == '3.1'`` are the same; ``<`` and its kin compare
    numbers.

    Args:
        expression: For example ``"generation == '2' and model_size != '7B'"``.
        factors: Names that may be used.
        spelling: How the levels are spelt that it will be asked about, where that is not as people
            wrote them: gives "2" for "2.0".

    Raises:
        UsageError: The expression cannot be read, or names what is not a factor.
    """

    def __init__(
        self, expression: str, factors: Sequence[str], spelling: Callable[[str], str] = str
    ) -> None:
        self.expression = expression
        self.factors = tuple(factors)
        self._spelling = spelling
        self._tree = self._parse()
        self._check(self._tree)

    def holds(self, levels: Levels) -> bool:
        """Say whether the condition holds for a cell."""
        return self._truth(self._tree, levels)

    def _parse(self) -> ast.expr:
        try:
            return ast.parse(self.expression.strip(), mode="eval").body
        except SyntaxError as error:
            raise self._refused(f"cannot be read ({error.msg})") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._refused(f"cannot be read ({type(error).__name__}: {error})") from error

    def _refused(self, why: str) -> UsageError:
        return UsageError(
            f"exclude {self.expression!r}: {why}; write for example \"task == 'boolq' and "
            "model != 'tiny_a'\""
        )

    def _check(self, node: ast.expr) -> None:
        """Refuse at once what no cell could evaluate."""
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self._check(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._check(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                self._check_operand(left, in_list=False)
                for op, operand in zip(ops, comparators, strict=True):
                    if isinstance(op, ast.Is | ast.IsNot):
                        raise self._refused("write == or != instead of 'is'")
                    self._check_operand(operand, in_list=isinstance(op, ast.In | ast.NotIn))
            case _:
                raise self._refused(f"{ast.unparse(node)!r} is not a comparison")

    def _check_operand(self, node: ast.expr, *, in_list: bool) -> None:
        if in_list != isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise self._refused("'in' needs a list, as in task in ['boolq', 'cb']")
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for element in node.elts:
                self._check_operand(element, in_list=False)
        elif isinstance(node, ast.Name):
            if node.id not in self.factors and node.id not in ("true", "false"):
                raise unknown(f"exclude {self.expression!r}: factor", node.id, self.factors)
        elif self._constant(node) is None:
            raise self._refused(f"{ast.unparse(node)!r} is neither a factor nor a constant")

    def _truth(self, node: ast.expr, levels: Levels) -> bool:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._truth(value, levels) for value in values)
            case ast.BoolOp(values=values):
                return any(self._truth(value, levels) for value in values)
            case ast.UnaryOp(operand=operand):
                return not self._truth(operand, levels)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                pairs = zip([left, *comparators], ops, comparators, strict=False)
                return all(self._compare(a, op, b, levels) for a, op, b in pairs)
            case _:  # pragma: no cover  (refused when the expression was read)
                raise self._refused(f"{ast.unparse(node)!r} is not a comparison")

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, levels: Levels) -> bool:
        value = self._text(left, levels)
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            listed = value in [self._text(element, levels) for element in right.elts]
            return listed if isinstance(op, ast.In) else not listed
        other = self._text(right, levels)
        if isinstance(op, ast.Eq | ast.NotEq):
            return (value == other) is isinstance(op, ast.Eq)
        a, b = self._number(value), self._number(other)
        if isinstance(op, ast.Lt | ast.LtE):
            return a < b or (isinstance(op, ast.LtE) and a == b)
        return a > b or (isinstance(op, ast.GtE) and a == b)

    def _text(self, node: ast.expr, levels: Levels) -> str:
        if isinstance(node, ast.Name):
            return level_text(levels[node.id]) if node.id in self.factors else node.id
        return self._spelling(self._constant(node) or "")

    def _constant(self, node: ast.expr) -> str | None:
        """Give a constant as written: 3.10 stays '3.10'."""
        sign = ""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = "-", node.operand
        if not isinstance(node, ast.Constant):
            return None
        if isinstance(node.value, str):
            return None if sign else node.value
        if isinstance(node.value, bool):
            return level_text(node.value)
        if isinstance(node.value, int | float):
            return sign + (ast.get_source_segment(self.expression.strip(), node) or "")
        return None

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self._refused(
                f"{text!r} is not a number, and <, <=, >, >= compare numbers"
            ) from None
