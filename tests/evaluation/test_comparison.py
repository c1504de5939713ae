"""Methods compared on the same samples: the better one wins, ties are ties, and an interrupted comparison resumes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import LOWER_IS_BETTER, Accounted, compare, faithfulness, plausibility, remove, simplicity
from lrp_domains.evaluation.page import FILES, read_comparison, write_comparison

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
    assert compare(methods, MEASURES[:1]).warnings() == ["No better than a random order, in ABPC: constant."]
    assert compare({"true": METHODS["true"], "random": METHODS["random"]}, MEASURES[:1]).warnings() == []


def test_a_method_that_does_not_conserve_relevance_is_named(tmp_path):
    methods = {
        "kept": lambda: Accounted.of(WEIGHTS, 0.005, (1.0, -0.7)),
        "lost": lambda: Accounted.of(WEIGHTS, -0.3, (1.0, -2.0)),
        "unknown": METHODS["true"],
    }
    for _ in range(2):  # measured, and as it was kept
        found = compare(methods, [simplicity], folder=tmp_path)
        np.testing.assert_allclose(found.costs["residue"], [0.005, 0.15, np.nan])
        (warning,) = found.warnings()
        assert warning.startswith("Not conserved") and warning.endswith(": lost (15%).")


def test_warnings_are_on_the_page(tmp_path):
    found = replace(
        compare(METHODS | {"constant": lambda: [np.ones(12)] * 40}, MEASURES), cautions=("The <model> is poor.",)
    )
    write_comparison(found, tmp_path / "poor", title="A comparison")
    page = (tmp_path / "poor" / "comparison.html").read_text()
    assert '<div class="warning"><p>The &lt;model&gt; is poor.</p><p>No better than a random order' in page
    good = {"true": METHODS["true"], "random": METHODS["random"]}
    write_comparison(compare(good, MEASURES), tmp_path / "good", title="A comparison")
    assert '<div class="warning">' not in (tmp_path / "good" / "comparison.html").read_text()


def test_a_figure_of_an_unknown_measure_is_refused(comparison):
    with pytest.raises(DomainError, match="'abpc' is not one of the measures: ABPC"):
        comparison.figure("abpc")


def test_costs_are_counted_in_the_unit(comparison):
    costs = comparison.costs
    assert costs.loc["true", "gradients"] == 1
    np.testing.assert_allclose(costs["gradients"], costs["seconds"] / costs.loc["true", "seconds"])


def test_the_memory_of_a_method_is_what_it_takes_at_its_peak():
    def large():
        freed = np.ones(6 * 2**20)  # 48 MiB
        return [np.ones(12) * freed[0] for _ in WEIGHTS]

    costs = compare({"large": large, "small": METHODS["true"]}, [simplicity]).costs
    if costs["memory"].isna().all():
        pytest.skip("the system doesn't report memory")
    assert costs.loc["large", "memory"] == pytest.approx(48, abs=4)
    assert costs.loc["small", "memory"] < 4


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
    expected = compare(METHODS, MEASURES)
    pd.testing.assert_frame_equal(resumed.values, expected.values)
    pd.testing.assert_frame_equal(resumed.curves, expected.curves)


def test_other_methods_in_the_same_folder_are_measured(tmp_path):
    for name in ("true", "random", "true"):
        found = compare({name: METHODS[name]}, MEASURES, folder=tmp_path)
        pd.testing.assert_frame_equal(found.values, compare({name: METHODS[name]}, MEASURES).values)


def test_curves_are_means_of_what_is_measured():
    measures = [faithfulness(additive, through=np.square, fractions=(0.05, 0.25)), simplicity]
    found = compare(METHODS, measures).curves
    for method, explain in METHODS.items():
        removal = remove(additive, explain(), fractions=(0.05, 0.25))
        assert list(found.loc[method].index) == [0, 0.05, 0.25, 1]
        for name in ("without_most", "without_least", "only_most"):
            np.testing.assert_allclose(found.loc[method, name], np.square(getattr(removal, name)).mean(0))
    assert compare(METHODS, [simplicity]).curves.empty


def test_the_area_between_the_mean_curves_is_the_mean_area(comparison):
    for method in comparison.methods:
        curves = comparison.curves.loc[method]
        area = np.trapezoid(curves["without_least"] - curves["without_most"], curves.index)
        assert area == pytest.approx(comparison.values.loc[method, "ABPC"].mean())


def test_what_is_read_is_what_was_written(comparison, tmp_path):
    write_comparison(comparison, tmp_path, title="A comparison")
    found = read_comparison(tmp_path)
    pd.testing.assert_frame_equal(found.values, comparison.values)
    pd.testing.assert_frame_equal(found.costs, comparison.costs, rtol=1e-5)
    pd.testing.assert_frame_equal(found.curves.reset_index(), comparison.curves.reset_index(), rtol=1e-5)
    pd.testing.assert_frame_equal(found.table(), comparison.table(), rtol=1e-5)
    assert read_comparison(tmp_path / "none") is None


def test_without_faithfulness_there_is_a_table_and_no_figure(tmp_path):
    write_comparison(compare(METHODS, [simplicity], unit="true"), tmp_path, title="A comparison")
    assert "<figure>" not in (tmp_path / "comparison.html").read_text()
    assert read_comparison(tmp_path).curves.empty


def test_files_hold_the_table_the_samples_and_a_page(comparison, tmp_path):
    write_comparison(comparison, tmp_path / "out", title="A <comparison>", notes=["Made <here>."])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    table = pd.read_csv(tmp_path / "out" / "comparison.tsv", sep="\t")
    assert list(table["method"].unique()) == list(METHODS)
    samples = pd.read_parquet(tmp_path / "out" / "samples.parquet")
    assert len(samples) == 4 * 40
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert page.count("<figure>") == 2
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


def test_the_figure_of_curves_has_two_lines_per_method(comparison):
    figure = comparison.removal_figure()
    (axes,) = figure.axes
    solid, dashed = ([line for line in axes.lines if line.get_linestyle() == style] for style in ("-", "--"))
    assert [line.get_label() for line in solid] == list(METHODS) and len(dashed) == len(METHODS)
    for method, most, least in zip(METHODS, solid, dashed, strict=True):
        curves = comparison.curves.loc[method]
        np.testing.assert_array_equal(most.get_xydata(), curves["without_most"].reset_index())
        np.testing.assert_array_equal(least.get_xydata(), curves["without_least"].reset_index())
        assert most.get_color() == least.get_color()
