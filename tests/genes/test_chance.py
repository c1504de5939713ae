"""Whether networks have learnt anything: said of labels at random, not of real signals."""

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from lrp_domains.genes import Training, load_trained, made_cohort, relevance, save_model, train
from lrp_domains.genes.training.chance import held_out
from lrp_domains.genes.training.performance import concordance
from lrp_domains.genes.training.target import Target

SETTINGS = {"folds": 3, "network": "linear", "members": 1, "epochs": 6}


def bulk(seed, rows=60, genes=80, effect=0.0):
    """Make log2 intensities far from zero, of which ten genes differ between groups."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.arange(rows) % 2)
    values = random.uniform(6, 13, genes) + random.normal(0, 0.7, (rows, genes))
    values[group == 1, :10] += effect
    obs = pd.DataFrame({"group": np.where(group, "b", "a")}, index=[f"patient_{i}" for i in range(rows)])
    return AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"gene_{i}" for i in range(genes)]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("donor", ["index", "donor"])
def test_labels_at_random_are_at_chance_in_nearly_all_runs_and_signals_are_not(donor):
    def at_chance(seed, effect):
        adata = bulk(seed, effect=effect)
        if donor == "donor":  # two rows per donor, of the same group
            adata.obs["donor"] = "d" + pd.Series(adata.obs.groupby("group").cumcount() // 2).astype(str)
            adata.obs["donor"] = adata.obs["group"].astype(str) + adata.obs["donor"]
        return train(adata, "group", donor=donor, training=Training(seed=seed, **SETTINGS)).held_out.at_chance

    assert sum(at_chance(seed, 0.0) for seed in range(20)) >= 18
    assert not any(at_chance(seed, 1.5) for seed in range(5))


@pytest.mark.parametrize("task", ["classes", "value", "survival"])
@pytest.mark.parametrize("donors", [None, 12])
def test_predictions_at_random_are_at_chance_in_nearly_all_draws_and_good_ones_are_not(task, donors):
    random, rows = np.random.default_rng(0), 120
    wrong = right = 0
    for _ in range(100):
        unit = np.arange(rows) if donors is None else np.arange(rows) % donors
        names = None if donors is None else pd.Series(unit.astype(str))
        signal, noise = random.normal(size=rows)[unit], random.normal(size=rows)[unit]
        folds = unit % 3
        if task == "classes":
            target = Target(task, (signal > np.median(signal)).astype(np.int64), None, ("a", "b"))
        elif task == "value":
            target = Target(task, signal, None, ("value",))
        else:
            target = Target(task, np.ones(rows, int), np.exp(-signal), ("risk",))

        def result(values, target=target, folds=folds, names=names):
            outputs = np.stack([-values, values], 1)[:, -len(target.names) :]
            return held_out(target, outputs, folds=folds, donors=names).at_chance

        wrong += not result(noise + 0.1 * random.normal(size=rows))
        right += not result(signal + 0.3 * random.normal(size=rows))
    assert wrong <= 10 and right >= 95


def test_rows_of_a_donor_are_not_counted_as_independent():
    """Ten copies of each row say no more than one."""
    random = np.random.default_rng(0)
    true, outputs = np.arange(30) % 2, random.normal(size=(30, 2))
    once = held_out(Target("classes", true, None, ("a", "b")), outputs, folds=np.arange(30) % 3, donors=None)
    copies = np.repeat(np.arange(30), 10)
    target = Target("classes", true[copies], None, ("a", "b"))
    names = pd.Series(copies.astype(str))
    repeated = held_out(target, outputs[copies], folds=copies % 3, donors=names)
    assert repeated.value == pytest.approx(once.value) and repeated.error == pytest.approx(once.error)
    assert held_out(target, outputs[copies], folds=copies % 3, donors=None).error < 0.5 * once.error


def test_concordance_counts_pairs_within_folds():
    random = np.random.default_rng(0)
    event, time, risk = random.integers(0, 2, 40), random.exponential(size=40), random.normal(size=40)
    target = Target("survival", event, time, ("risk",))
    one_fold = held_out(target, risk[:, None], folds=np.zeros(40, int), donors=None)
    assert one_fold.value == pytest.approx(concordance(risk, event, time))
    twice = Target("survival", np.r_[event, event], np.r_[time, time], ("risk",))
    shifted = held_out(twice, np.r_[risk, risk + 9][:, None], folds=np.repeat([0, 1], 40), donors=None)
    assert shifted.value == pytest.approx(one_fold.value)  # another zero in another fold changes nothing


def test_users_are_warned_and_explained_cohorts_and_files_say_it(tmp_path):
    adata = bulk(0)
    with pytest.warns(UserWarning, match=r"balanced accuracy 0\.\d\d ± 0\.\d\d is within error of chance \(0\.50\)"):
        model = train(adata, "group", donor="index", training=Training(**SETTINGS))
    save_model(model, tmp_path / "model.pt")
    again = load_trained(tmp_path / "model.pt")
    assert again.held_out == model.held_out
    with pytest.warns(UserWarning, match="within error of chance"):
        relevance(adata, again)
    facts = adata.uns["lrp"]
    assert facts["at_chance"] is True and facts["chance"] == 0.5
    assert (facts["held_out"], facts["held_out_error"]) == (model.held_out.value, model.held_out.error)

    adata = made_cohort()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = train(adata, "group", training=Training(folds=3, hidden=16))
        relevance(adata, model)
    assert adata.uns["lrp"]["at_chance"] is False and model.held_out.warning == ""
