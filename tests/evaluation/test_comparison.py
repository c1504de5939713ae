"""Methods compared on the same samples: the better one wins, ties are ties, and an interrupted comparison resumes."""

import numpy as np
import pandas as pd
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import LOWER_IS_BETTER, compare, faithfulness, plausibility, simplicity
from lrp_domains.evaluation.page import FILES, write_comparison

RANDOM = np.random.default_rng(0)
WEIGHTS = [RANDOM.exponential(size=12) * (RANDOM.random(12) < 0.5) + 0.01 for _ in range(40)]


def additive(samples, kept):
    return np.array([WEIGHTS[s][mask].sum() for s, mask in zip(samples, kept, strict=True)])


def noisy(scale: float, seed: int):
    random = np.random.default_rng(seed)
    return [w + scale * random.standard_normal(12) for w in WEIGHTS]


METHODS = {
    "true": lambda: WEIGHTS,
    "the same": lambda: [w.copy() for w in WEIGHTS],
    "noisy": lambda: noisy(0.5, 1),
    "random": lambda: [np.random.default_rng(2).standard_normal(12) for _ in WEIGHTS],
}
MEASURES = [faithfulness(additive), simplicity, plausibility([w > 0.02 for w in WEIGHTS])]


@pytest.fixture(scope="module")
def comparison():
    return compare(METHODS, MEASURES, unit="true")


def test_the_true_order_is_best_in_everything_and_so_is_its_copy(comparison):
    table = comparison.table()
    faithful = ("ABPC", "comprehensiveness", "sufficiency", "deletion", "AUAC", "AU-MSE", "AUPRC", "AUROC", "p@1")
    for measure in faithful:
        rows = table[table["measure"] == measure].set_index("method")
        best = rows["mean"].min() if measure in LOWER_IS_BETTER else rows["mean"].max()
        assert rows.loc["true", "mean"] == best
        assert rows.loc[["true", "the same"], "best"].all()
        if measure != "p@1":  # which noise rarely changes
            assert not rows.loc[["noisy", "random"], "best"].any()


def test_differences_are_paired(comparison):
    table = comparison.table(against="random").set_index(["method", "measure"])
    values = comparison.values["ABPC"]
    expected = (values.loc["noisy"] - values.loc["random"]).mean()
    assert table.loc[("noisy", "ABPC"), "difference"] == pytest.approx(expected)
    assert table.loc[("random", "ABPC"), "difference"] == 0
    assert table.loc[("true", "ABPC"), "samples"] == 40
    with pytest.raises(DomainError, match="not one of the methods"):
        comparison.table(against="nothing")


def test_an_order_no_better_than_random_is_warned_of():
    methods = METHODS | {"constant": lambda: [np.ones(12)] * 40}
    assert compare(methods, MEASURES[:1]).warnings() == ["no better than a random order, in ABPC: constant"]
    assert compare({"true": METHODS["true"], "random": METHODS["random"]}, MEASURES[:1]).warnings() == []


def test_costs_are_counted_in_the_unit(comparison):
    costs = comparison.costs
    assert costs.loc["true", "gradients"] == 1
    np.testing.assert_allclose(costs["gradients"], costs["seconds"] / costs.loc["true", "seconds"])


def test_methods_must_explain_the_same_units():
    methods = {"true": METHODS["true"], "other": lambda: [w[:-1] for w in WEIGHTS]}
    with pytest.raises(DomainError, match="other samples or units"):
        compare(methods, [simplicity])
    with pytest.raises(DomainError, match="not one of the methods"):
        compare(METHODS, [simplicity], unit="gradient")


def test_an_interrupted_comparison_resumes(tmp_path):
    calls = []

    def counted(name):
        def run():
            calls.append(name)
            if name == "noisy" and len(calls) == 3:
                raise KeyboardInterrupt
            return METHODS[name]()

        return run

    methods = {name: counted(name) for name in METHODS}
    with pytest.raises(KeyboardInterrupt):
        compare(methods, MEASURES, folder=tmp_path)
    resumed = compare(methods, MEASURES, folder=tmp_path)
    assert calls == ["true", "the same", "noisy", "noisy", "random"]
    pd.testing.assert_frame_equal(resumed.values, compare(METHODS, MEASURES).values)


def test_files_hold_the_table_the_samples_and_a_page(comparison, tmp_path):
    write_comparison(comparison, tmp_path / "out", title="A <comparison>", notes=["Made <here>."])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    table = pd.read_csv(tmp_path / "out" / FILES[0], sep="\t")
    assert list(table["method"].unique()) == list(METHODS)
    samples = pd.read_parquet(tmp_path / "out" / FILES[1])
    assert len(samples) == 4 * 40
    page = (tmp_path / "out" / FILES[2]).read_text()
    assert "A &lt;comparison&gt;" in page
    assert "Made &lt;here&gt;." in page
    best = comparison.values["ABPC"].loc["true"].mean()
    assert f"<b>{best:.3f}</b>" in page
    worst = comparison.values["ABPC"].loc["random"].mean()
    assert f">{worst:.3f}<" in page
    assert f"<b>{worst:.3f}</b>" not in page


def test_the_figure_has_a_point_per_method(comparison):
    (axes,) = comparison.figure("ABPC").axes
    assert {text.get_text() for text in axes.texts} == set(METHODS)
    assert axes.get_xscale() == "log"
