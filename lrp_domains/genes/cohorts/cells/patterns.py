"""Which texts of a column fit a regular expression, in time linear in the text, whatever the expression."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ....domain import reason
from ...errors import CohortError

# Python's re tries exponentially many ways for some expressions, and can't be stopped; RE2, in pyarrow, can't do so.
_ANCHORED = {"contains": "{}", "match": r"\A(?:{})", "fullmatch": r"\A(?:{})\z"}


def fits(
    column: pd.Series, pattern: str, *, how: str, case: bool = True, na: bool = False, regex: bool = True
) -> pd.Series:
    """Return which texts of a column contain a pattern, or match it from their start or as a whole.

    Parameters
    ----------
    column
        Texts; values that are missing, or not texts, have the result `na`.
    pattern
        A regular expression of RE2, which has no look-around and no back-references; with ``regex=False`` plain text.
    how
        ``contains``, ``match`` or ``fullmatch``.
    case
        Whether upper and lower case differ.
    """
    texts = pa.array([value if isinstance(value, str) else None for value in column], pa.string())
    if texts.null_count == len(texts) and column.notna().any():
        raise CohortError(
            f"the selection looks for a pattern in the column '{column.name}', which holds {column.dtype}, not texts"
        )
    find = pc.match_substring_regex if regex else pc.match_substring
    try:
        find(pa.array([""]), pattern, ignore_case=not case)  # without the anchors, which might close a bracket
        found = find(texts, _ANCHORED[how].replace("{}", pattern) if regex else pattern, ignore_case=not case)
    except pa.ArrowInvalid as error:
        raise CohortError(
            f"'{pattern}' is not a regular expression of RE2: {reason(error)}; RE2 has no look-around and no "
            "back-references"
        ) from error
    return pd.Series(found.fill_null(na).to_numpy(zero_copy_only=False), index=column.index)
