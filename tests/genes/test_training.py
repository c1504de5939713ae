"""Training: networks that have not seen what they explain, for classes, values and risks, by donor."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch import nn

from lrp_domains import CP_LRP, ledger
from lrp_domains.genes import CohortError, Training, load_trained, made_cohort, rank, relevance, save_model, train
from lrp_domains.genes.models.classifier import GeneClassifier
from lrp_domains.genes.models.transformer import GeneTransformer
from lrp_domains.genes.training.folds import bag, deal, split
from lrp_domains.genes.training.losses import cox
from lrp_domains.genes.training.performance import concordance, of_classes
from lrp_domains.genes.training.settings import resolved
from lrp_domains.genes.training.target import Target

QUICK = Training(folds=3, hidden=8, epochs=5)
MARKERS = {
    "Naive T": {"g1_0", "g1_1", "g1_2"},
    "CD4+/CD25 T Reg": {"g2_0", "g2_1", "g2_2"},
    "CD19+ B": {"g3_0", "g3_1", "g3_2"},
}
KINDS = ("mlp", "linear", "transformer")


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def donors_of(adata, number):
    """Name donors such that each has cells of every group."""
    return [f"donor_{(row // 3) % number}" for row in range(adata.n_obs)]


def planted(task, rows=300, seed=0):
    """Make patients of 12 genes, where the first two alone say what becomes of them."""
    random = np.random.default_rng(seed)
    x = random.poisson(2.0, (rows, 12)) * (random.random((rows, 12)) < 0.7)
    adata = AnnData(np.log1p(x).astype(np.float32), obs=pd.DataFrame(index=[f"patient_{i}" for i in range(rows)]))
    adata.var_names = ["up", "down", *(f"other_{i}" for i in range(10))]
    signal = adata.X[:, 0] - adata.X[:, 1]
    if task == "value":
        adata.obs["wanted"] = 100 + 20 * signal + random.normal(scale=2, size=rows)
    elif task == "survival":
        until, seen = random.exponential(np.exp(-3 * signal)), random.exponential(2.0, rows)
        adata.obs["wanted"], adata.obs["months"] = (until <= seen).astype(int), np.minimum(until, seen)
    else:
        adata.obs["wanted"] = np.where(signal > 0, "high", "low")
    return adata


# ------------------------------------------------------------------------------------------- planted signals


@pytest.mark.parametrize("task", ["classes", "value", "survival"])
@pytest.mark.parametrize("network", KINDS)
def test_the_genes_that_decide_lead_and_nothing_else_does(network, task):
    adata = planted(task, rows=200 if network == "transformer" else 300)
    model = train(
        adata,
        "wanted",
        task=task,
        time="months" if task == "survival" else None,
        training=Training(folds=3, network=network, hidden=16, epochs=60, learning_rate=1e-2, input_dropout=0.0),
    )
    relevance(adata, model, rules=CP_LRP)
    mean = pd.Series(np.abs(adata.layers["lrp"]).mean(0), index=adata.var_names).sort_values(ascending=False)
    assert set(mean.index[:2]) == {"up", "down"} and mean.iloc[1] > 2 * mean.iloc[2]
    least, name = {"classes": (0.85, "accuracy"), "value": (0.8, "r2"), "survival": (0.65, "concordance")}[task]
    assert model.performance[f"held_out_{name}"].mean() > least
    if task != "classes":  # more of the one raises the output, more of the other lowers it
        assert (adata.layers["lrp"][:, 0].sum() > 0) and (adata.layers["lrp"][:, 1].sum() < 0)


@pytest.mark.parametrize("network", KINDS)
def test_markers_of_sparse_cells_lead_their_group(network):
    adata = made_cohort()
    settings = Training(folds=3, network=network, hidden=16, epochs=40, batch_size=16, learning_rate=5e-3)
    model = train(adata, "group", training=settings)
    relevance(adata, model, rules=CP_LRP)
    table = rank(adata, wilcoxon=False)
    for group, markers in MARKERS.items():
        assert set(table.loc[table["group"] == group, "gene"].head(3)) == markers
    assert adata.layers["lrp"].nnz <= adata.X.nnz  # a gene that isn't expressed has no relevance
    held = adata.uns["lrp"]
    assert abs(held["ledger_residue"]) < 1e-4 * abs(held["ledger_score"])


# ------------------------------------------------------------------------------------------- the transformer


def test_the_transformer_reads_expressed_genes_alone():
    torch.manual_seed(0)
    network = GeneTransformer(20, 3, hidden=8, tokens=6).double().eval()
    x = torch.rand(4, 20, dtype=torch.float64) * (torch.arange(20) % 4 == 0)  # five genes are expressed
    x[3] = 0
    scores = network(x)
    assert torch.isfinite(scores).all()
    with torch.no_grad():
        network.embedding.weight[1::4] = 9.0  # of genes that are not
    torch.testing.assert_close(network(x), scores)


@pytest.mark.parametrize("tokens", [6, 20])
def test_the_transformer_conserves_relevance_and_absent_genes_have_none(tokens):
    torch.manual_seed(0)
    network = GeneTransformer(20, 3, hidden=8, tokens=tokens).double().eval()
    x = (torch.randn(5, 20, dtype=torch.float64) * (torch.rand(5, 20) < 0.4)).requires_grad_()
    account = ledger(network(x)[:, 1], x, rules=CP_LRP, model=network)
    assert abs(account.residue) < 1e-9 * max(1.0, abs(account.score))
    assert (account.relevance[0][x.detach() == 0] == 0).all() and (account.relevance[0] != 0).sum() > 0


# ------------------------------------------------------------------------------------------- nobody peeks


@pytest.mark.parametrize("fold", range(3))
def test_a_network_does_not_depend_on_the_cells_that_it_explains(fold):
    """Overwrite the held-out cells with noise and train again: their own networks stay the same to the last bit."""
    adata = made_cohort()
    settings = Training(folds=3, hidden=8, epochs=3, members=2)
    first = train(adata, "group", training=settings)
    adata.X.data[np.repeat((first.folds == fold).to_numpy(), np.diff(adata.X.indptr))] = 9.0
    second = train(adata, "group", training=settings)
    np.testing.assert_array_equal(first.folds, second.folds)
    for k, members in enumerate(zip(first.networks, second.networks, strict=True)):
        same = [torch.equal(weights(a), weights(b)) for a, b in zip(*members, strict=True)]
        assert same == [k == fold] * 2


def test_each_cell_is_explained_by_the_networks_of_its_fold():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=5, members=2))
    relevance(adata, model, score="margin")
    np.testing.assert_array_equal(adata.obs["lrp_fold"], model.folds)
    x = torch.tensor(adata.X.toarray())
    logits = torch.stack([sum(network(x) for network in members) / 2 for members in model.networks])
    own = logits[model.folds.to_numpy(), np.arange(adata.n_obs)]
    others = (own.sum(1) - own.max(1).values) / 2
    np.testing.assert_allclose(adata.obs["lrp_score"], (own.max(1).values - others).detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["classes", "value", "survival"])
def test_no_donor_is_on_both_sides(task):
    adata = planted(task, rows=120)
    adata.obs["donor"] = donors_of(adata, 12)
    time = "months" if task == "survival" else None
    settings = Training(folds=3, hidden=4, epochs=1, network="linear")
    model = train(adata, "wanted", task=task, time=time, donor="donor", training=settings)
    assert (model.folds.groupby(adata.obs["donor"]).nunique() == 1).all() and model.folds.nunique() == 3
    assert model.training["donor"] == "donor" and model.training["folds"] == 3


def test_cells_to_stop_early_on_are_of_other_donors():
    codes = np.tile([0, 1, 2], 40)
    target = Target("classes", codes, None, ("a", "b", "c"))
    donors = pd.Series([f"d{(i // 3) % 8}" for i in range(120)], name="donor")
    rows = np.flatnonzero(deal(target, donors, folds=4, seed=0) != 0)
    learn, validate = split(rows, target, donors, share=0.15, seed=0)
    assert not set(donors[learn]) & set(donors[validate]) and sorted([*learn, *validate]) == rows.tolist()
    learn, validate = split(
        rows, target, donors.where(donors == "d0", "d1"), share=0.15, seed=0
    )  # two donors: some of each
    assert set(codes[learn]) == set(codes[validate]) == {0, 1, 2} and len(learn) + len(validate) == len(rows)


def test_a_class_of_few_donors_is_never_without_cells_to_learn_from():
    random = np.random.default_rng(0)
    donors = pd.Series(random.permutation(np.repeat([f"d{i}" for i in range(10)], 12)), name="donor")
    codes = (donors.isin(["d0", "d1"]) & (random.random(120) < 0.5)).astype(int).to_numpy()
    target = Target("classes", codes, None, ("common", "rare"))
    for seed in range(20):
        folds = deal(target, donors, folds=5, seed=seed)
        assert len(set(folds[codes == 1])) == 2 and len(set(folds)) == 5
        for fold in range(5):
            learn, _ = split(np.flatnonzero(folds != fold), target, donors, share=0.15, seed=seed)
            assert set(codes[learn]) == {0, 1}


def test_with_two_donors_each_is_held_out_once():
    adata = made_cohort()
    adata.obs["donor"] = donors_of(adata, 2)
    with pytest.warns(UserWarning, match="2 donors in 'donor' make 2 folds, not 5"):
        model = train(adata, "group", donor="donor", training=Training(hidden=4, epochs=1))
    assert len(model.networks) == 2 and model.folds.groupby(adata.obs["donor"]).nunique().eq(1).all()
    relevance(adata, model)


def test_rows_that_are_donors_of_their_own_are_dealt_as_rows():
    adata = made_cohort()
    plain = train(adata, "group", training=QUICK)
    own = train(adata, "group", donor="index", training=QUICK)
    np.testing.assert_array_equal(plain.folds, own.folds)


def test_folds_are_of_like_composition():
    adata = made_cohort()
    model = train(adata, "group", training=QUICK)
    counts = adata.obs.groupby(["group", model.folds.rename("fold")], observed=True).size()
    assert counts.max() - counts.min() <= 1 and len(counts) == 9
    row = model.performance.iloc[0]
    assert row["training_cells"] + row["validation_cells"] + row["held_out_cells"] == adata.n_obs
    assert row["validation_cells"] > 0


# ------------------------------------------------------------------------------------------- how it learns


def test_rare_groups_are_learnt():
    """Without class weights five cells beside forty are not worth learning."""
    adata = made_cohort()
    rare = np.flatnonzero(adata.obs["group"] == "CD19+ B")[9:]
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), rare)].copy()
    model = train(adata, "group", training=Training(folds=3, hidden=16, batch_size=16))
    assert model.performance["held_out_balanced_accuracy"].mean() > 0.8


def test_early_stopping_keeps_the_best_epoch():
    """Labels at random: the validation loss soon rises, so training ends long before the last epoch."""
    adata = made_cohort()
    adata.obs["group"] = np.random.default_rng(0).permutation(adata.obs["group"])
    model = train(adata, "group", training=Training(folds=3, hidden=32, epochs=300, patience=5))
    assert (model.performance["epochs"] < 200).all()


def test_a_value_comes_back_in_its_own_units():
    adata = planted("value")
    settings = Training(folds=3, network="linear", epochs=80, learning_rate=2e-2, input_dropout=0.0)
    model = train(adata, "wanted", task="value", training=settings)
    weight = model.networks[0][0].layers[1].weight[0].detach().numpy()
    assert weight[0] == pytest.approx(20, rel=0.1) and weight[1] == pytest.approx(-20, rel=0.1)
    assert model.performance["held_out_rmse"].mean() < 4 and model.performance["held_out_spearman"].mean() > 0.95
    own = train(adata, "wanted", task="value", network=lambda genes, outputs: nn.Linear(genes, outputs), training=QUICK)
    assert own.networks[0][0](torch.as_tensor(adata.X)).mean().item() == pytest.approx(100, abs=25)


def test_members_learn_from_bags_of_their_own():
    codes = np.array([0] * 50 + [1] * 3)
    target = Target("classes", codes, None, ("a", "b"))
    drawn = bag(np.arange(53), target, np.random.default_rng(0))
    assert np.bincount(codes[drawn]).tolist() == [50, 3] and 20 < len(set(drawn)) < 45
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=8, epochs=3, members=3))
    assert model.n_networks == 9
    for a, b in itertools.combinations(model.networks[0], 2):
        assert not torch.equal(weights(a), weights(b))


def test_small_bulk_cohorts_get_ensembles_and_cells_do_not():
    chosen = resolved(Training(), rows=150, bulk=True, task="classes")
    assert (chosen.members, chosen.hidden, chosen.batch_size) == (10, 128, 64)
    assert resolved(Training(), rows=5000, bulk=True, task="classes").members == 1
    assert resolved(Training(), rows=150, bulk=False, task="classes").members == 1
    assert resolved(Training(members=3), rows=150, bulk=True, task="survival").members == 3
    assert resolved(Training(network="transformer"), rows=150, bulk=False, task="classes").hidden == 32


def test_the_seed_fixes_everything_and_the_callers_random_numbers_go_on():
    adata = made_cohort()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    torch.set_num_threads(2)
    before = np.random.get_state()[1].copy()
    first = train(adata, "group", training=QUICK)
    assert torch.equal(torch.rand(1), expected) and torch.get_num_threads() == 2
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    torch.set_num_threads(1)
    second = train(adata, "group", training=QUICK)
    other = train(adata, "group", training=Training(folds=3, hidden=8, epochs=5, seed=1))
    assert first.digest() == second.digest() != other.digest()
    assert (first.folds != other.folds).any()


def test_ones_own_network_is_trained_the_same_way():
    """With batch norm, which fails on a lone cell: 121 cells leave one over for the last batch of some fold."""
    adata = made_cohort(cells=121)

    def network(genes, outputs):
        return nn.Sequential(nn.Linear(genes, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, outputs))

    model = train(adata, "group", network=network, training=Training(folds=3, epochs=15, batch_size=66))
    assert model.performance["training_cells"].eq(67).any() and model.training["network"] == "own"
    relevance(adata, model)
    assert not any(module.training for _, network in model.unseen(-1) for module in network.modules())
    assert np.isfinite(adata.layers["lrp"].data).all()


# ------------------------------------------------------------------------------------------- how good it is


def test_accuracies_are_of_held_out_cells():
    adata = made_cohort()
    model = train(adata, "group", training=Training(folds=3, hidden=8, epochs=5, members=2))
    relevance(adata, model)
    for fold, row in model.performance.iterrows():
        own = adata.obs[(model.folds == fold).to_numpy()]
        assert row["held_out_accuracy"] == accuracy_score(own["group"], own["lrp_predicted"])
        assert row["held_out_balanced_accuracy"] == pytest.approx(
            balanced_accuracy_score(own["group"], own["lrp_predicted"])
        )


def test_calibration_as_written_out():
    random = np.random.default_rng(0)
    logits, known = random.normal(size=(80, 3)) * 2, random.integers(0, 3, 80)
    found = of_classes(logits, known)
    p = softmax(logits, axis=1)
    brier = sum(sum((p[i, c] - (c == known[i])) ** 2 for c in range(3)) for i in range(80)) / 80
    error = 0.0
    for b in range(10):
        inside = [i for i in range(80) if b / 10 < p[i].max() <= (b + 1) / 10]
        if inside:
            right = np.mean([p[i].argmax() == known[i] for i in inside])
            error += len(inside) / 80 * abs(np.mean([p[i].max() for i in inside]) - right)
    assert found["brier"] == pytest.approx(brier) and found["calibration_error"] == pytest.approx(error)
    assert found["log_loss"] == pytest.approx(-np.mean([np.log(p[i, known[i]]) for i in range(80)]))


def test_concordance_as_written_out():
    random = np.random.default_rng(0)
    risk, event, time = random.integers(0, 9, 60) * 1.0, random.integers(0, 2, 60), random.integers(1, 15, 60)
    pairs = good = 0.0
    for i in range(60):
        for j in range(60):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                good += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    assert concordance(risk, event, time) == pytest.approx(good / pairs)
    assert np.isnan(concordance(risk, np.zeros(60), time))


def test_the_partial_likelihood_as_written_out():
    random = np.random.default_rng(0)
    risk, event, time = random.normal(size=40), random.integers(0, 2, 40), random.integers(1, 12, 40)
    total = 0.0
    for i in range(40):
        if event[i]:
            total += np.log(sum(np.exp(risk[j]) for j in range(40) if time[j] >= time[i])) - risk[i]
    found = cox(*(torch.as_tensor(one, dtype=torch.float64) for one in (risk, event, time)))
    assert found.item() == pytest.approx(total / event.sum(), rel=1e-12)
    assert cox(torch.ones(3, requires_grad=True), torch.zeros(3), torch.ones(3)).item() == 0


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("network", KINDS)
def test_written_and_read_again(network, tmp_path):
    adata = planted("value", rows=60)
    settings = Training(folds=3, network=network, hidden=8, epochs=2, members=2)
    model = train(adata, "wanted", task="value", training=settings)
    save_model(model, tmp_path / "models.pt")
    again = load_trained(tmp_path / "models.pt")
    assert again.digest() == model.digest() and again.training == model.training
    assert (again.task, again.classes, again.expects) == (model.task, model.classes, model.expects)
    pd.testing.assert_series_equal(again.folds, model.folds)
    pd.testing.assert_frame_equal(again.performance, model.performance)
    again_explained, explained = adata.copy(), adata.copy()
    relevance(explained, model)
    relevance(again_explained, again)
    np.testing.assert_array_equal(explained.layers["lrp"], again_explained.layers["lrp"])


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "models.pt"
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=4, epochs=1))
    save_model(model, path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no model"):
        path.write_bytes(broken)
        with pytest.raises(CohortError, match="not a whole file of trained models"):
            load_trained(path)
    content = torch.load(_written(path, whole), weights_only=True)
    for changed, message in (
        ({"format": 1}, "format 1, this version reads"),
        ({"classes": ["one", "two"]}, "not a whole file"),
        ({"training": {}}, "not a whole file"),
    ):
        torch.save(content | changed, path)
        with pytest.raises(CohortError, match=message):
            load_trained(path)
    torch.save({"weights": GeneClassifier(3, 2)}, path)  # a pickle with code, which must not be run
    with pytest.raises(CohortError, match="not a whole file"):
        load_trained(path)
    with pytest.raises(CohortError, match="there is no file"):
        load_trained(tmp_path / "other.pt")
    own = train(made_cohort(), "group", network=lambda genes, outputs: nn.Linear(genes, outputs), training=QUICK)
    with pytest.raises(CohortError, match="only built-in networks"):
        save_model(own, path)


def _written(path, content):
    path.write_bytes(content)
    return path


def test_an_interrupted_training_resumes(tmp_path):
    adata = made_cohort()
    settings = Training(folds=3, hidden=8, epochs=4, members=2)
    whole = train(adata, "group", training=settings)

    def interrupted(items, description):
        yield from itertools.islice(items, 4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(adata, "group", training=settings, resume=tmp_path, progress=interrupted)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pt")}
    assert len(files) == 4
    broken = next(iter(files))
    broken.write_bytes(b"half")
    resumed = train(adata, "group", training=settings, resume=tmp_path)
    assert resumed.digest() == whole.digest() and len(list(tmp_path.glob("*.pt"))) == 6
    pd.testing.assert_frame_equal(resumed.performance, whole.performance)
    assert all(path.stat().st_mtime_ns == at for path, at in files.items() if path != broken)
    adata.X.data[0] += 1  # other data, other networks
    train(adata, "group", training=settings, resume=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 12


# ------------------------------------------------------------------------------------------- what cannot be learnt


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "mpl"}, "there is no network 'mpl'; did you mean 'mlp'"),
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
def test_settings_that_are_refused(settings, message):
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
        ("risk", None, {}, "there is no task 'risk'"),
    ],
)
def test_cohorts_that_cannot_be_learnt_from_are_refused(task, change, asked, message):
    adata = planted(task, rows=ROWS)
    if change is not None:
        change(adata)
    asked = {"labels": "wanted", "time": "months" if task == "survival" else None} | asked
    with pytest.raises(CohortError, match=message):
        train(adata, asked.pop("labels"), task=task, **asked)


def test_too_few_events_to_stop_early_on_are_said():
    adata = planted("survival", rows=40)
    adata.obs["wanted"] = (np.arange(40) % 20 == 0).astype(int)
    adata.obs["donor"] = np.where(np.arange(40) < 20, "a", "b")
    with (
        pytest.warns(UserWarning, match="2 donors"),
        pytest.raises(CohortError, match="too few rows with the event to learn from some"),
    ):
        train(adata, "wanted", task="survival", time="months", donor="donor")
