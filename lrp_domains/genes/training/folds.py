"""Folds of similar composition, with no donor on both sides, and the cells to stop early on."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from ..cohorts.cells.labels import check_group_sizes
from ..errors import CohortError, listed
from .target import Target

ATTEMPTS = 20


def deal(target: Target, donors: pd.Series | None, *, folds: int, seed: int) -> np.ndarray:
    """Assign each row to a fold, so that folds have similar shares of classes or events.

    Parameters
    ----------
    target
        What is learnt.
    donors
        The donor of each row, all of whose rows get one fold; None if every row is a donor, or donors are ignored.
    folds
        Number of folds; with fewer donors than that, each donor is a fold, and a warning is given.
    seed
        Fixes the assignment.

    Raises
    ------
    CohortError
        There are too few rows or donors, or a class that the networks of some fold could not learn.
    """
    if donors is None:
        _check_sizes(target, folds)
        return _numbered(_splitter(target, folds, seed=seed, grouped=False), target, None)

    n_donors = donors.nunique()
    if n_donors < 2:
        raise CohortError(
            f"all cells come from one donor ('{donors.iloc[0]}' in '{donors.name}'); networks that have not seen a "
            "donor require two or more: train without donor"
        )
    _check_donors(target, donors)
    if n_donors < folds:
        warnings.warn(
            f"{n_donors} donors in '{donors.name}' make {n_donors} folds, not {folds}: each donor is held out once",
            stacklevel=3,
        )
    if n_donors <= folds:
        return pd.factorize(donors.astype(str), sort=True)[0]

    _check_counts(target, folds)
    # By chance all donors of a class may share a fold, whose networks then lack the class.
    for attempt in range(ATTEMPTS):
        splitter = _splitter(target, folds, seed=seed + 1000 * attempt, grouped=True)
        numbers = _numbered(splitter, target, donors)
        if len(np.unique(numbers)) == folds and _all_learnt(target, numbers):
            return numbers
    raise CohortError(
        f"{folds} folds of the {n_donors} donors in '{donors.name}' always leave a class of too few donors without any "
        "cell to learn from; drop rare classes, or use more folds"
    )


def split(
    rows: np.ndarray, target: Target, donors: pd.Series | None, *, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split training rows into those to learn from and those to stop early on.

    They are of different donors if there are four or more and every class can still be learnt; otherwise some rows of
    each class are taken, but never its last.
    """
    strata = np.zeros(len(target.values), np.int64) if target.strata is None else target.strata
    if donors is not None and donors.iloc[rows].nunique() >= 4:
        parts = min(donors.iloc[rows].nunique(), round(1 / share))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about classes with fewer cells than parts
            splitter = _splitter(target, parts, seed=seed, grouped=True)
            for learn, validate in splitter.split(rows, strata[rows], donors.iloc[rows]):
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
    """Draw the same number of rows with replacement, class by class, so that no class gets lost."""
    strata = np.zeros(len(rows), np.int64) if target.strata is None else target.strata[rows]
    return np.concatenate(
        [random.choice(rows[strata == stratum], (strata == stratum).sum()) for stratum in np.unique(strata)]
    )


def _can_stop(target: Target, rows: np.ndarray) -> bool:
    """Return whether a loss can be computed of some rows; Cox's requires an event."""
    return bool(target.values[rows].any() if target.task == "survival" else len(rows))


def _splitter(target: Target, folds: int, *, seed: int, grouped: bool):
    """Return scikit-learn's splitter, stratified unless a value is learnt."""
    if target.strata is None:
        return (GroupKFold if grouped else KFold)(folds, shuffle=True, random_state=seed)
    return (StratifiedGroupKFold if grouped else StratifiedKFold)(folds, shuffle=True, random_state=seed)


def _numbered(splitter, target: Target, donors: pd.Series | None) -> np.ndarray:
    """Return the number of each row's fold."""
    rows = np.arange(len(target.values))
    numbers = np.empty(len(rows), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about classes with fewer cells than folds, if donors are dealt
        for fold, (_, held_out) in enumerate(splitter.split(rows, target.strata, donors)):
            numbers[held_out] = fold
    return numbers


def _all_learnt(target: Target, folds: np.ndarray) -> bool:
    """Return whether each class, or each kind of event, occurs in two folds, so that no fold's networks lack it."""
    return target.strata is None or bool((pd.Series(folds).groupby(target.strata).nunique() >= 2).all())


def _check_sizes(target: Target, folds: int) -> None:
    """Raise if a class, or the cohort, is too small for the folds."""
    if target.task == "classes":
        labels = pd.Series(pd.Categorical.from_codes(target.values, target.names), name=target.column)
        check_group_sizes(labels, folds)
    _check_counts(target, folds)


def _check_counts(target: Target, folds: int) -> None:
    """Raise if there are too few rows, or too few with or without an event, for the folds."""
    rows = len(target.values)
    if rows < 2 * folds:
        raise CohortError(f"{rows} cells are too few for {folds} folds of at least 2; use fewer folds")
    if target.task == "survival" and (fewest := int(np.bincount(target.strata).min())) < folds:
        what = "with" if fewest == int(target.values.sum()) else "without"
        raise CohortError(f"{fewest} row(s) {what} the event are too few for {folds} folds; use fewer folds")


def _check_donors(target: Target, donors: pd.Series) -> None:
    """Raise if a class comes from one donor: with that donor held out, nothing is left to learn it from."""
    if target.strata is None:
        return
    n_donors = donors.astype(str).groupby(target.strata, observed=True).nunique()
    names = target.names if target.task == "classes" else ("no event", "event")
    lone = [names[code] for code in n_donors.index[n_donors < 2]]
    if lone:
        raise CohortError(
            f"all cells of {listed(lone)} come from one donor in '{donors.name}': if it is held out, nothing is left "
            "to learn them from, and they can't be predicted; drop these cells, or train without donor"
        )
