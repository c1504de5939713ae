"""The tree of a selection, evaluated node by node on a table of cells; nodes of any other kind are refused."""

import ast
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ...errors import CohortError, choices, listed
from .patterns import fits

ALLOWED = (
    "a selection has columns of obs, literals, comparisons, and, or, not, in, + - * / // %, and methods such as "
    "isna(), isin([...]), str.contains('...')"
)
_QUOTED = re.compile(r"quoted_column_+\d+_")

_COMPARISONS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_SIGNS = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_AND_OR = {ast.And: operator.and_, ast.Or: operator.or_}

# The methods of columns: types of their arguments, and of further ones that are optional and named.
_ANY = (str, int, float, pd.Series)
_METHODS = {
    **dict.fromkeys(("isna", "notna", "isnull", "notnull", "min", "max"), ((), {})),
    "isin": ((list,), {}),
    "between": ((_ANY, _ANY), {"inclusive": str}),
    "astype": ((str,), {}),
}
_METHODS_OF_NUMBERS = {
    **dict.fromkeys(("abs", "mean", "median", "std"), ((), {})),
    "quantile": (((int, float),), {}),
}
_METHODS_OF_TEXT = {
    **dict.fromkeys(("lower", "upper", "len"), ((), {})),
    **dict.fromkeys(("strip", "lstrip", "rstrip"), ((), {"to_strip": str})),
    **dict.fromkeys(("startswith", "endswith"), (((str, list),), {"na": bool})),
    "contains": ((str,), {"case": bool, "na": bool, "regex": bool}),
    **dict.fromkeys(("match", "fullmatch"), ((str,), {"case": bool, "na": bool})),
}
_TYPES = ("str", "int", "float")


def short(text: str, most: int = 80) -> str:
    """Return a text on one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


@dataclass(frozen=True)
class Tree:
    """Evaluates the nodes of an expression: a column is a series, a literal itself, a list a list."""

    obs: pd.DataFrame
    source: str
    quoted: Mapping[str, str]

    def value(self, node: ast.AST) -> Any:
        """Return the value of a node."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as literal):
                return literal
            case ast.Name(id=name):
                return self.column(name)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.literal(item) for item in items]
            case ast.BoolOp(op=op, values=parts):
                return reduce(_AND_OR[type(op)], [self.condition(part) for part in parts])
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=part):
                rows = self.condition(part)
                return ~rows if isinstance(rows, pd.Series) else not rows
            case ast.UnaryOp(op=op, operand=part):
                return _SIGNS[type(op)](self.number(part))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _ARITHMETIC[type(op)](self.number(left), self.number(right))
            case ast.Compare(left=left, ops=ops, comparators=others):
                operands = [left, *others]
                pairs = zip(operands, ops, others, strict=False)
                return reduce(operator.and_, [self.compared(*pair) for pair in pairs])
            case ast.Call(func=ast.Attribute()):
                return self.called(node)
            case ast.Attribute() if (dotted := self.text(node)) in self.obs:
                raise self.refused(node, f"write the column in backticks: `{dotted}`")
        raise self.refused(node)

    def column(self, name: str) -> pd.Series:
        """Return a column of obs, or its index."""
        name = self.quoted.get(name, name)
        if name in self.obs:
            column = self.obs[name]
            if isinstance(column, pd.DataFrame):
                raise CohortError(f"the selection names the column '{name}', which obs has twice; rename one")
            return column
        if name in ("index", self.obs.index.name):
            return self.obs.index.to_series()
        raise CohortError(
            f"the selection names '{short(name)}', which is not a column of obs; {choices(name, self.obs)}"
        )

    def condition(self, node: ast.AST) -> pd.Series | bool:
        """Return the value of a node that is true or false per row."""
        value = self.value(node)
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if isinstance(value, pd.Series) and is_bool_dtype(value) and not isinstance(value.dtype, pd.CategoricalDtype):
            return value
        raise self.refused(node, "it is not true or false; compare it with a value, or write its name in backticks")

    def number(self, node: ast.AST) -> Any:
        """Return the value of a node that is a number, or a column of numbers."""
        value = self.value(node)
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            return value
        if isinstance(value, pd.Series) and is_numeric_dtype(value) and not is_bool_dtype(value):
            return value
        raise self.refused(node, "it is not a number, which arithmetic requires")

    def literal(self, node: ast.AST) -> Any:
        """Return the value of an item of a list."""
        value = self.value(node)
        if isinstance(value, pd.Series | list):
            raise self.refused(node, "a list has literals only")
        return value

    def compared(self, left: ast.AST, op: ast.cmpop, right: ast.AST) -> Any:
        """Return the outcome of a comparison; equality with a list is membership, as in pandas."""
        first, second = self.value(left), self.value(right)
        if isinstance(first, list):
            raise self.refused(left, "a list is on the right of in, not in, == or !=")
        if isinstance(op, ast.In | ast.NotIn) or (isinstance(second, list) and isinstance(op, ast.Eq | ast.NotEq)):
            if not isinstance(first, pd.Series):
                raise self.refused(left, "in requires a column on its left")
            if not isinstance(second, list):
                raise self.refused(
                    right, "in requires a list on its right, such as ['a', 'b']; parts of texts: str.contains"
                )
            rows = first.isin(second)
            return rows if isinstance(op, ast.In | ast.Eq) else ~rows
        if isinstance(second, list) or type(op) not in _COMPARISONS:
            raise self.refused(right, "compare with ==, !=, <, <=, >, >=, in or not in")
        return _COMPARISONS[type(op)](first, second)

    def called(self, node: ast.Call) -> Any:
        """Return the result of a method of a column, such as ``isna()`` or ``str.startswith("B")``."""
        method, owner = node.func.attr, node.func.value
        of_text = isinstance(owner, ast.Attribute) and owner.attr == "str"
        known = _METHODS_OF_TEXT if of_text else _METHODS | _METHODS_OF_NUMBERS
        if method not in known:
            prefix = "str." if of_text else ""
            names = [f"{prefix}{name}" for name in known]
            raise self.refused(
                node, f"the methods of {'texts' if of_text else 'columns'} are {listed(names, len(names))}"
            )

        column = self.number(owner) if method in _METHODS_OF_NUMBERS else self.value(owner.value if of_text else owner)
        if not isinstance(column, pd.Series):
            raise self.refused(node, "only columns have methods")
        arguments, options = self.arguments(node, *known[method])
        if of_text and method in ("contains", "match", "fullmatch"):
            return fits(column, arguments[0], how=method, **options)
        if of_text and method in ("startswith", "endswith"):
            ends, options = arguments[0], {"na": False} | options
            return getattr(column.str, method)(
                tuple(ends) if isinstance(ends, list) else ends, **{"na": False} | options
            )
        if method == "astype" and arguments[0] not in _TYPES:
            raise self.refused(node, f"the types are {listed(_TYPES)}")
        result = getattr(column.str if of_text else column, method)(*arguments, **options)
        return result.item() if isinstance(result, np.generic) else result

    def arguments(self, node: ast.Call, required: tuple, optional: Mapping[str, type]) -> tuple[list, dict]:
        """Return the arguments of a call, after checking their number, names and types."""
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        positional = [*node.args]
        expected = [*required, *optional.values()]
        if not len(required) <= len(positional) <= len(expected) or len(given) < len(node.keywords):
            raise self.refused(node, f"it takes {len(required)} argument(s)")
        names = list(optional)[len(positional) - len(required) :]
        for name in given:
            if name not in names:
                raise self.refused(
                    node, f"it takes {listed(names)}" if names else f"it takes {len(required)} argument(s)"
                )

        types = [*zip(positional, expected, strict=False), *((given[name], optional[name]) for name in given)]
        values = []
        for argument, kind in types:
            value = self.value(argument)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise self.refused(argument, f"not an argument of '{node.func.attr}'")
            values.append(value)
        return values[: len(positional)], dict(zip(given, values[len(positional) :], strict=True))

    def text(self, node: ast.AST) -> str:
        """Return a piece of the expression as it was written."""
        piece = ast.get_source_segment(self.source.strip(), node) or type(node).__name__
        return short(_QUOTED.sub(lambda match: f"`{self.quoted.get(match[0], match[0])}`", piece))

    def refused(self, node: ast.AST, why: str = ALLOWED) -> CohortError:
        """Return an error with the piece that is not allowed, and what is."""
        return CohortError(f"the selection has '{self.text(node)}', which is not allowed: {why}")
