"""Who is held out: folds of like composition, no donor on both sides, and cells to stop early on."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from ..cohorts.labels import check_group_sizes
from ..errors import CohortError, listed
from .target import Target

ATTEMPTS = 20


def deal(target: Target, donors: pd.Series | None, folds: int, seed: int) -> np.ndarray:
    """Give each row its fold, so that folds have like shares of classes or events.

    Parameters
    ----------
    target
        What is learnt.
    donors
        The donor of each row, all of whose rows get one fold; None where every row is one of its own.
    folds
        The number of folds; with fewer donors than that, each donor is a fold, and that is said.

    Raises
    ------
    CohortError
        Too few rows or donors, or a class that some fold's networks could not learn.
    """
    if donors is None:
        _check_sizes(target, folds)
        return _numbered(_splitter(target, folds, seed, grouped=False), target, None)
    number = donors.nunique()
    if number < 2:
        raise CohortError(
            f"all cells come from one donor ('{donors.iloc[0]}' in '{donors.name}'); networks that have not seen a "
            "donor need two or more: train without donor"
        )
    _check_donors(target, donors)
    if number < folds:
        warnings.warn(
            f"{number} donors in '{donors.name}' make {number} folds, not {folds}: each donor is held out once",
            stacklevel=3,
        )
    if number <= folds:
        return pd.factorize(donors.astype(str), sort=True)[0]
    _check_counts(target, folds)
    for attempt in range(ATTEMPTS):  # by chance all donors of a class may share a fold, whose networks lack it then
        found = _numbered(_splitter(target, folds, seed + 1000 * attempt, grouped=True), target, donors)
        if len(np.unique(found)) == folds and _all_learnt(target, found):
            return found
    raise CohortError(
        f"{folds} folds of the {number} donors in '{donors.name}' always leave a class of too few donors without any "
        "cell to learn from; drop rare classes, or use more folds"
    )


def split(
    rows: np.ndarray, target: Target, donors: pd.Series | None, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut training rows into those to learn from and those to stop early on.

    They are of different donors where there are four or more and every class can still be learnt; otherwise some rows
    of each class are taken, but never its last.
    """
    strata = np.zeros(len(target.values), np.int64) if target.strata is None else target.strata
    if donors is not None and donors.iloc[rows].nunique() >= 4:
        parts = min(donors.iloc[rows].nunique(), round(1 / share))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes with fewer cells than parts
            ways = _splitter(target, parts, seed, grouped=True).split(rows, strata[rows], donors.iloc[rows])
            for learn, validate in ways:
                if set(strata[rows[learn]]) == set(strata[rows]) and _can_stop(target, rows[validate]):
                    return rows[learn], rows[validate]
    shuffled = pd.Series(strata[rows], index=rows).sample(frac=1, random_state=seed % 2**32)
    position = shuffled.groupby(shuffled).cumcount()
    size = shuffled.groupby(shuffled).transform("size")
    validation = position < np.minimum(np.ceil(share * size), size - 1)
    learn, validate = np.sort(shuffled.index[~validation]), np.sort(shuffled.index[validation])
    if not _can_stop(target, validate):
        what = "with the event " if target.task == "survival" else ""
        raise CohortError(
            f"a fold leaves too few rows {what}to learn from some and stop early on others; use fewer folds"
        )
    return learn, validate


def bag(rows: np.ndarray, target: Target, random: np.random.Generator) -> np.ndarray:
    """Draw as many rows with replacement, class by class, so that each is still there."""
    strata = np.zeros(len(rows), np.int64) if target.strata is None else target.strata[rows]
    return np.concatenate([random.choice(rows[strata == one], (strata == one).sum()) for one in np.unique(strata)])


def _can_stop(target: Target, rows: np.ndarray) -> bool:
    """Tell whether a loss can be had of some rows; Cox's needs an event."""
    return bool(target.values[rows].any() if target.task == "survival" else len(rows))


def _splitter(target: Target, folds: int, seed: int, grouped: bool):
    if target.strata is None:
        return (GroupKFold if grouped else KFold)(folds, shuffle=True, random_state=seed)
    return (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=seed)


def _numbered(splitter, target: Target, donors: pd.Series | None) -> np.ndarray:
    rows = np.arange(len(target.values))
    found = np.empty(len(rows), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer cells than folds, where donors are dealt
        for fold, (_, held_out) in enumerate(splitter.split(rows, target.strata, donors)):
            found[held_out] = fold
    return found


def _all_learnt(target: Target, folds: np.ndarray) -> bool:
    """Tell whether each class, or each kind of event, occurs in two folds, so that no fold's networks lack it."""
    return target.strata is None or bool((pd.Series(folds).groupby(target.strata).nunique() >= 2).all())


def _check_sizes(target: Target, folds: int) -> None:
    if target.task == "classes":
        named = pd.Series(pd.Categorical.from_codes(target.values, target.names), name="the labels")
        check_group_sizes(named, folds)
    _check_counts(target, folds)


def _check_counts(target: Target, folds: int) -> None:
    rows = len(target.values)
    if rows < 2 * folds:
        raise CohortError(f"{rows} cells are too few for {folds} folds; 2 for each are the least: use fewer folds")
    if target.task == "survival" and (fewest := int(np.bincount(target.strata).min())) < folds:
        what = "with" if fewest == int(target.values.sum()) else "without"
        raise CohortError(f"{fewest} row(s) {what} the event are too few for {folds} folds; use fewer folds")


def _check_donors(target: Target, donors: pd.Series) -> None:
    """Refuse classes that come from one donor: held out, it leaves nothing to learn them from."""
    if target.strata is None:
        return
    number = donors.astype(str).groupby(target.strata, observed=True).nunique()
    names = target.names if target.task == "classes" else ("no event", "event")
    alone = [names[code] for code in number.index[number < 2]]
    if alone:
        raise CohortError(
            f"all cells of {listed(alone)} come from one donor in '{donors.name}': where it is held out, nothing is "
            "left to learn them from, and they cannot be predicted; drop these cells, or train without donor"
        )
