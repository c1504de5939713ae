"""Settings and cohorts that are refused before training."""

import numpy as np
import pytest

from lrp_domains.genes import CohortError, Training, train

from .training_cohorts import planted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "mpl"}, "unknown network 'mpl'; did you mean 'mlp'"),
        ({"members": 0}, "members is 0; expected a whole number from 1 on or None"),
        ({"members": "many"}, "members is 'many'"),
        ({"folds": 1}, "folds is 1"),
        ({"hidden": 2.5}, "hidden is 2.5"),
        ({"hidden": 30, "network": "transformer"}, "multiple of 4"),
        ({"dropout": 1.0}, "dropout is 1.0; expected a share"),
        ({"input_dropout": "some"}, "input_dropout is 'some'"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"epochs": True}, "epochs is True"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"weight_decay": -1}, "weight_decay is -1"),
        ({"validation_share": 0.9}, "validation_share is 0.9"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(CohortError, match=message):
        Training(**settings)


def _with(**columns):
    def change(adata):
        for name, values in columns.items():
            adata.obs[name] = values(adata) if callable(values) else values

    return change


ROWS = 60


@pytest.mark.parametrize(
    ("task", "change", "asked", "message"),
    [
        ("classes", _with(donor="one"), {"donor": "donor"}, r"one donor \('one' in 'donor'\).*train without donor"),
        (
            "classes",
            _with(donor=lambda a: np.where(a.obs["wanted"] == "low", "a", "b")),
            {"donor": "donor"},
            "all cells of 'high', 'low' come from one donor in 'donor'.*can't be predicted",
        ),
        ("classes", _with(donor=[None] + ["a"] * (ROWS - 1)), {"donor": "donor"}, "1 of 60 cells have no donor"),
        ("classes", None, {"donor": "patient"}, "no column 'patient' of donors"),
        ("classes", None, {"training": Training(folds=40)}, "fewer cells than the 40 folds"),
        ("classes", _with(wanted=[None] + ["a", "b"] * (ROWS // 2 - 1) + ["a"]), {}, "no label in 'wanted'.*notna"),
        ("classes", None, {"time": "months"}, "time is for 'survival'"),
        ("value", None, {"training": Training(folds=40)}, "60 cells are too few for 40 folds"),
        ("value", _with(wanted=3.0), {}, "all 60 values of 'wanted' are 3; there is nothing to learn"),
        ("value", _with(wanted=["tall"] + [1.0] * (ROWS - 1)), {}, "should hold numbers, but 'patient_0' has 'tall'"),
        ("value", _with(wanted=[np.nan, *range(ROWS - 1)]), {}, "1 of 60 cells have no value in 'wanted'.*notna"),
        ("value", None, {"labels": "want"}, "obs has no column 'want'; did you mean 'wanted'"),
        ("survival", None, {"time": None}, "got no column of times"),
        ("survival", None, {"time": "weeks"}, "obs has no column 'weeks'"),
        ("survival", _with(wanted=[2] + [0, 1] * (ROWS // 2 - 1) + [1]), {}, "has the value 2; an event is 1"),
        ("survival", _with(wanted=0), {}, "all rows have 0 as event"),
        ("survival", _with(wanted=[1, 1] + [0] * (ROWS - 2)), {}, r"2 row\(s\) with the event are too few for 5"),
        ("survival", _with(months=-1.0), {}, "negative value -1"),
        ("risk", None, {}, "unknown task 'risk'"),
    ],
)
def test_cohorts_that_cannot_be_learnt_from_are_refused(task, change, asked, message):
    adata = planted(task, rows=ROWS)
    if change is not None:
        change(adata)
    asked = {"labels": "wanted", "time": "months" if task == "survival" else None} | asked
    with pytest.raises(CohortError, match=message):
        train(adata, asked.pop("labels"), task=task, **asked)


def test_too_few_events_to_stop_early_on_are_refused():
    adata = planted("survival", rows=40)
    adata.obs["wanted"] = (np.arange(40) % 20 == 0).astype(int)
    adata.obs["donor"] = np.where(np.arange(40) < 20, "a", "b")
    with (
        pytest.warns(UserWarning, match="2 donors"),
        pytest.raises(CohortError, match="too few rows with the event to learn from some"),
    ):
        train(adata, "wanted", task="survival", time="months", donor="donor")
