"""The page of evidence agrees with the results of the benchmarks; what its words claim follows from them."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

pytest.importorskip("transformers")
pytest.importorskip("jinja2")
pytest.importorskip("sklearn")

from benchmarks.evidence import cells, gene_page, genes, image_page, nothing, page, studies
from benchmarks.evidence.cohorts import cohort
from lrp_domains.evaluation import Comparison
from lrp_domains.evaluation.measured import NO_CURVES


def test_the_page_is_made_of_the_results():
    assert page.PAGE.read_text() == page.page(), "run python -m benchmarks.evidence.page"


def compared(**deletion):
    """Return a comparison of 40 cells; each method's deletion area is a number plus the same noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 40)
    own = {name: np.random.default_rng(1).normal(0, 0.02, 40) if "near" in name else 0 for name in deletion}
    values = {
        name: pd.DataFrame({"deletion": value + noise + own[name], "ABPC": 1 - value}).rename_axis("sample")
        for name, value in deletion.items()
    }
    costs = pd.DataFrame({"seconds": 1.0, "gradients": 2.0}, index=pd.Index(list(values), name="method"))
    return Comparison(pd.concat(values, names=["method"]), costs, NO_CURVES)


def test_a_rival_that_is_lower_by_chance_is_a_tie():
    found = compared(**{"attn-lrp": 0.2, "near": 0.199, "better": 0.15, "worse": 0.3, "gamma": 0.1})
    assert cells.below(found, "attn-lrp") == {"lower": ["near", "better"], "beyond the interval": ["better"]}
    assert cells.below(found, "gamma") == {"lower": [], "beyond the interval": []}


def test_the_page_names_the_lowest_rival_and_by_how_much():
    means = {"rule": 0.2, "near": 0.199, "better": 0.15, "best": 0.125}
    rows = [{"method": method, "measure": "deletion", "mean": mean} for method, mean in means.items()]

    def claim(lower, beyond):
        rivals = {"lower": lower, "beyond the interval": beyond}
        return gene_page._claim("rule", {"rows": rows, "rivals": {"rule": rivals}})

    assert claim([], []) == "**lowest**"
    assert claim(["near"], []) == "**tie**"
    assert claim(["near", "better"], ["better"]) == "better -0.0500"
    assert claim(["near", "better", "best"], ["better", "best"]) == "best -0.0750, and 1 more"


def test_methods_of_the_same_figures_share_a_row():
    rows = [
        {"method": method, "measure": "deletion", "mean": mean, "gradients": cost}
        for method, mean, cost in (("a", 0.2, 1.0), ("b", 0.2001, 1.3), ("c", 0.3, 10.0))
    ]
    lines = gene_page._means({"rows": rows, "best": {"deletion": ["a", "b"]}}).splitlines()
    assert lines[0] == "| method | deletion ↓ | gradients |"
    assert lines[2:] == ["| a, b | **0.200** | 1.0 to 1.3 |", "| c | 0.300 | 10.0 |"]


def test_changes_are_paired_by_seed_and_counted_by_what_was_seen(monkeypatch):
    monkeypatch.setattr(genes, "STUDIES", {"new": genes.Study("er", ("a", "b"), genes.OTHER)})
    rows = []
    for seed, level in enumerate((0.1, 0.3, 0.5)):
        for setting, gain in ((gene_page.BEFORE, 0), (gene_page.AFTER, 0.1 + 0.01 * seed)):
            both = {"decay": setting[0], "order": setting[1], "seed": seed}
            pair = {"jaccard": level + gain, "spearman": 0.5, "jaccard of differential": 0.2}
            one = {"accuracy": 0.8, "deletion": 0.7, "deletion of differential": 0.71}
            rows += [both | pair, both | one]
    change = gene_page._change("new", {"rows": rows})
    assert change["row"]["difference"] == "+0.110 ± 0.006"
    assert change["row"]["deletion, minus differential expression's"] == "-0.0100, -0.0100"
    assert gene_page._confirmed([change]) == "other patients: higher in 1 of 1, lower in 0"


@pytest.fixture(scope="module")
def pictures():
    return json.loads((page.RESULTS / "evidence" / "images.json").read_text())["studies"]


COMPOSITES = ["epsilon-gamma-box", "epsilon-alpha2-beta1-flat", "epsilon-plus-flat"]
MASS, RANK, BLUR, MEAN = image_page.SHOWN


def test_words_on_convolutional_networks_follow_from_the_results(pictures):
    overall = image_page.means("CNN", pictures)
    assert overall[RANK].nlargest(3).index.tolist() == COMPOSITES
    for name, study in pictures.items():
        rank = image_page.means("CNN", {name: study})[RANK]
        np.testing.assert_allclose(rank[["attn-lrp", "cp-lrp"]], rank["gradient"], atol=1e-3)
        if name in ("shapes", "textures"):
            assert rank[COMPOSITES].min() > rank.drop([*COMPOSITES, "epsilon-plus", "gamma"]).max() + 0.05
            assert rank[COMPOSITES].min() > rank["grad-cam"] > 2 * rank["random"]
        else:
            assert rank["grad-cam"] < 1.5 * rank["random"]
        if name == "added":
            assert rank[COMPOSITES].max() < rank["gradient"]


def test_words_on_transformers_follow_from_the_results(pictures):
    overall = image_page.means("ViT", pictures)
    without = [name for name in overall.index if image_page.is_rule(name) and not name.startswith("secant")]
    assert overall.loc[without, MASS].idxmax() == "attn-lrp"
    assert overall.loc[without, BLUR].idxmin() == overall.loc[without, MEAN].idxmin() == "attn-lrp"
    others = ["gamma", "epsilon-plus-flat", "epsilon-gamma-box"]
    for name, study in pictures.items():
        of = image_page.means("ViT", {name: study})
        if name in ("shapes", "textures"):
            assert of.loc[others, RANK].min() > of.loc["attn-lrp", RANK]
        else:
            assert of.loc[others, MASS].max() < of.loc["attn-lrp", MASS]
            assert (of.loc[others, [BLUR, MEAN]].min() > of.loc["attn-lrp", [BLUR, MEAN]]).all()
    compared = overall.loc[["secant-mean", "secant-blur"]]
    assert overall[MASS].max() - compared[MASS].max() < 0.01 and overall[RANK].max() - compared[RANK].max() < 0.01
    assert compared[BLUR].min() - overall[BLUR].min() < 0.01 and compared[MEAN].min() - overall[MEAN].min() < 0.01


def test_words_on_rivals_and_references_follow_from_the_results(pictures):
    for model in ("CNN", "ViT"):
        overall = image_page.means(model, pictures)
        for reference in ("mean", "blur"):
            ours, theirs = (overall.loc[f"{name}-{reference}"] for name in ("secant", "integrated-gradients"))
            assert (ours - theirs)[[MASS, RANK, BLUR, MEAN]].abs().max() < 0.05
            assert theirs["gradients"] > 7 * ours["gradients"]
        stripes = image_page.means(model, {"textures": pictures["textures"]})
        for name in ("gradient", "attn-lrp", "gamma", "secant-zero", "integrated-gradients-zero"):
            assert stripes.loc[name, [BLUR, MEAN]].min() > 0.9 * stripes.loc["random", [BLUR, MEAN]].max()
        found = image_page.means(model, {"smooth": pictures["smooth"]})[MASS]
        assert found.max() < 0.56 and 2 * (found < 0.5).sum() > len(found)


def test_a_page_of_images_says_who_is_best():
    rows = [
        {"method": method, "measure": measure, "mean": mean, "gradients": 1.0}
        | dict.fromkeys(("difference", "difference_low", "difference_high"), mean)
        for method, mean in (("gamma", 0.2), ("gradient", 0.3), ("integrated-gradients-blur", 0.1))
        for measure in image_page.SHOWN
    ]
    best = {MASS: ["gradient"], RANK: ["gradient", "gamma"], BLUR: ["integrated-gradients-blur"], MEAN: ["gamma"]}
    record = {"rows": rows, "best": best, "accuracy": 0.95, "pictures": 8, "true": 0.1}
    study = {"title": "What", "models": {"CNN": record}}
    leads = {row["measure"]: row for row in image_page._leads("CNN", {"a": study, "b": study})}
    assert leads["mass accuracy"]["best rival"] == "gradient, 0.300"
    assert leads["deletion, mean ↓"]["best rival"] == "integrated-gradients-blur, 0.100"
    assert [row["only rivals are best"] for row in leads.values()] == ["2 of 2", "0 of 2", "2 of 2", "0 of 2"]
    assert [row["only rules are best"] for row in leads.values()] == ["0 of 2", "0 of 2", "0 of 2", "2 of 2"]
    assert "| gradient | 0.300 (2) | 0.300 (2) | 0.300 (0) | 0.300 (0) | 1.0 |" in image_page._overall(
        "CNN", {"a": study, "b": study}
    )
    tables = image_page._study(study)["models"][0]
    assert "| gamma | 0.200 | **0.200** | 0.200 | **0.200** | 1.0 |" in tables["means"]
    assert "| gamma | +0.200 [+0.200, +0.200] |" in tables["differences"]
    assert "blur" not in tables["differences"].split("---")[-1]


@pytest.fixture
def folder(tmp_path):
    grade = np.where(np.arange(23) < 3, np.nan, np.arange(23) % 3 + 1)
    obs = pd.DataFrame({"grade": grade}, index=[f"patient {number}" for number in range(23)])
    AnnData(np.ones((23, 2), np.float32), obs=obs).write_h5ad(tmp_path / "breast_expos.h5ad")
    return tmp_path


def test_halves_divide_the_patients_of_each_label(folder):
    whole = cohort(folder, "expos", "grade")
    assert whole.n_obs == 20  # whose grade is known
    halves = [cohort(folder, f"expos:{half}", "grade", split=1) for half in (0, 1)]
    assert sorted([*halves[0].obs_names, *halves[1].obs_names]) == sorted(whole.obs_names)
    counts = [half.obs["grade"].value_counts() for half in halves]
    assert (counts[0] - counts[1]).abs().max() <= 1
    assert set(cohort(folder, "expos:0", "grade").obs_names) != set(halves[0].obs_names)


def test_like_rankings_are_alike():
    names = [f"G{number}" for number in range(60)]
    table = pd.DataFrame({"group": "a", "gene": names, "score": np.arange(60.0)})
    reverse = table.assign(score=-table["score"])
    assert nothing.likeness(table, table.sample(frac=1, random_state=0)) == {"spearman": 1, "jaccard": 1}
    assert nothing.likeness(table, table.assign(score=(table["score"] + 10) % 60))["jaccard"] == 10 / 30
    assert nothing.likeness(table, reverse) == {"spearman": pytest.approx(-1), "jaccard": 0}


def test_a_study_is_measured_once_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "RESULTS", tmp_path)
    monkeypatch.setattr(studies.torch, "set_num_threads", lambda count: None)
    measured = []

    def measure(name, folder):
        if name == "broken":
            raise KeyboardInterrupt
        measured.append((name, folder))
        return {"rows": [{"a": 1}, {"a": 2}]}

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["command", "data", *arguments])
        studies.run("kind", {"first": 1, "broken": 2}, measure, "What it is for.")

    for arguments in ((), (), ("--study", "first")):
        with contextlib.suppress(KeyboardInterrupt):
            run(*arguments)
    assert measured == [("first", Path("data"))] * 2
    record = json.loads((tmp_path / "evidence" / "kind.json").read_text())["studies"]
    assert list(record) == ["first"] and record["first"]["rows"] == [{"a": 1}, {"a": 2}] and record["first"]["machine"]
