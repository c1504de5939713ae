"""Expressions that select cells by their columns in ``obs``. They are never executed as Python.

The language is what queries of pandas commonly contain. Python's parser makes a tree of an expression, and `Tree`
walks it: whatever it does not name is refused, so that an expression can compute nothing but a selection.
"""

import ast
import re
import unicodedata
import warnings

import numpy as np
import pandas as pd

from ....domain import reason
from ...errors import CohortError
from .selection_tree import ALLOWED, Tree, short

MOST_CHARACTERS = 100_000  # enough for a list of thousands of cells
MOST_PIECES = 2_000  # names and operators; they bound how deeply an expression is nested

# Strings remain unchanged, columns in backticks become identifiers, & and | bind like and, or (as in pandas).
_PIECES = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|`([^`]*)`|([&|])""", re.DOTALL)
_NAME_OR_OPERATOR = re.compile(r"[^\W\d]\w*|[^\w\s,.]")


def selected(obs: pd.DataFrame, expression: str) -> np.ndarray:
    """Return which rows of a table an expression selects, as booleans.

    A missing value fits no comparison except ``!=``, no list and no pattern.
    """
    source, quoted = _source(expression)
    reader = Tree(obs, source, quoted)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning of strings such as '\d'
            tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise CohortError(
            f"the selection '{short(expression)}' can't be read: {getattr(error, 'msg', None) or reason(error)}; "
            "names with spaces, dots or other signs belong in backticks"
        ) from error

    try:
        rows = reader.condition(tree)
    except RecursionError as error:
        raise CohortError(f"the selection '{short(expression)}' is nested too deeply; simplify it") from error
    except CohortError:
        raise
    except Exception as error:  # pandas raises many kinds for values of different types
        raise CohortError(f"the selection '{short(expression)}' can't be computed: {reason(error)}") from error
    if not isinstance(rows, pd.Series):
        raise CohortError(f"the selection '{short(expression)}' names no column of obs; {ALLOWED}")
    return rows.fillna(False).to_numpy(dtype=bool)


def _source(expression: str) -> tuple[str, dict[str, str]]:
    """Return an expression for Python's parser, and the columns that were in backticks by their identifiers."""
    quoted: dict[str, str] = {}
    prefix = "quoted_column_"
    while prefix in expression:  # a column may have this name
        prefix += "_"

    def replace(match: re.Match) -> str:
        text, column, sign = match.groups()
        if text is not None:
            return text
        if sign is not None:
            return {"&": " and ", "|": " or "}[sign]
        identifier = f"{prefix}{len(quoted)}_"
        quoted[identifier] = column
        return identifier

    if len(expression) > MOST_CHARACTERS:
        raise CohortError(
            f"the selection has {len(expression)} characters, at most {MOST_CHARACTERS} are read; select by a column, "
            "which may be added from a table (obs)"
        )
    outside = _PIECES.sub(lambda match: " _ " if match[3] is None else match[3], expression)
    pieces = _NAME_OR_OPERATOR.findall(outside)
    if len(pieces) > MOST_PIECES:
        raise CohortError(f"the selection has {len(pieces)} names and operators, at most {MOST_PIECES} are read")
    if "@" in pieces:
        raise CohortError("the selection has '@', a variable of Python, which is not allowed; write its value instead")
    for name in pieces:
        if unicodedata.normalize("NFKC", name) != name:
            raise CohortError(
                f"the selection has the name '{name}', whose letters are not unique; write it in backticks"
            )
    return _PIECES.sub(replace, expression), quoted
