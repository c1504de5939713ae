"""A cohort's genes and a model's: by name, whatever their order; values as the model expects them."""

import numpy as np
import pytest
import scanpy as sc
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn

from lrp_domains.genes import CohortError, Expects, gene_model, made_cohort, rank, relevance
from lrp_domains.genes.cohorts.values.expression import expression_of

NEEDED = ["g1_0", "other_3", "g3_2"]


class OnlyThese(nn.Module):
    """A classifier that reads three genes, each of which is evidence for one class."""

    def __init__(self, genes):
        super().__init__()
        weight = torch.zeros(3, len(genes))
        for row, gene in enumerate(NEEDED):
            weight[row, list(genes).index(gene)] = 1.0
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return x @ self.weight.T


@pytest.fixture
def model():
    genes = list(made_cohort().var_names)
    return gene_model(OnlyThese(genes), genes, list("abc"), most_missing=0.5)


def ensembl(number, version=None):
    return f"ENSG{number:011d}" + (f".{version}" if version else "")


def shuffled(adata):
    return adata[:, np.random.default_rng(1).permutation(adata.n_vars)].copy()


def fewer(adata):
    return adata[:, [gene for gene in adata.var_names if gene in NEEDED or gene < "other_35"]].copy()


def more(adata):
    extra = AnnData(sparse.csr_matrix(np.full((adata.n_obs, 5), 3.0, np.float32)), obs=adata.obs)
    extra.var_names = [f"new_{i}" for i in range(5)]
    both = AnnData(sparse.hstack([extra.X, adata.X]).tocsr(), obs=adata.obs)
    both.var_names = [*extra.var_names, *adata.var_names]
    return both


def dense(adata):
    adata.X = adata.X.toarray()
    return adata


@pytest.mark.parametrize("changes", [[shuffled], [fewer], [more], [fewer, more, shuffled], [more, shuffled, dense]])
@pytest.mark.filterwarnings("ignore:.*genes are not in the cohort")
def test_only_the_genes_that_are_read_have_relevance(model, changes):
    expected, adata = made_cohort(), made_cohort()
    for change in changes:
        adata = change(adata)
    for target in "abc":
        for cohort in (expected, adata):
            relevance(cohort, model, target=target, score="logit")
        table = rank(adata, wilcoxon=False)
        gene = NEEDED["abc".index(target)]
        assert (table[table["score"] != 0]["gene"] == gene).all() and (table["score"] > 0).any()
        result, whole = (cohort.layers["lrp"] for cohort in (adata, expected))
        result, whole = (matrix.toarray() if sparse.issparse(matrix) else matrix for matrix in (result, whole))
        np.testing.assert_allclose(result[:, adata.var_names.get_loc(gene)], whole[:, expected.var_names.get_loc(gene)])
        assert not np.delete(result, adata.var_names.get_loc(gene), axis=1).any()


def test_missing_and_surplus_genes_are_counted_and_warned_of(model):
    adata = more(fewer(made_cohort()))
    with pytest.warns(
        UserWarning, match=r"\d+ of the model's 60 genes are not in the cohort and are read as 0: 'other_4'"
    ):
        relevance(adata, model)
    assert adata.uns["lrp"]["genes_surplus"] == 5
    assert adata.uns["lrp"]["genes_missing"] == 60 + 5 - adata.n_vars
    assert len(rank(adata, wilcoxon=False)["gene"].unique()) == adata.n_vars - 5  # what isn't read has no rank


@pytest.mark.parametrize("column", [None, "ids"])
def test_ensembl_ids_are_compared_without_versions(column):
    adata = made_cohort()
    model = gene_model(
        OnlyThese(adata.var_names), [ensembl(i, 3) for i in range(60)], list("abc"), identifiers="ensembl"
    )
    names = [ensembl(i, 11 if i % 2 else None) for i in range(60)]
    expected = made_cohort()
    relevance(expected, gene_model(OnlyThese(adata.var_names), adata.var_names, list("abc")))
    if column:
        adata.var[column] = names
    else:
        adata.var_names = names
    relevance(adata, model, gene_column=column)
    np.testing.assert_array_equal(adata.layers["lrp"].toarray(), expected.layers["lrp"].toarray())
    assert set(rank(adata, wilcoxon=False)["gene"]) == set(adata.var_names)


def rename(names):
    def change(adata):
        adata.var_names = names(adata)
        return adata

    return change


def in_a_column(adata):
    adata.var["symbol"] = adata.var_names
    adata.var_names = [ensembl(i) for i in range(60)]
    return adata


def twice_in_a_column(adata):
    adata.var["symbol"] = ["g1_0", *adata.var_names[1:-1], "g1_0"]
    return adata


@pytest.mark.parametrize(
    "change, options, message",
    [
        (rename(lambda a: [f"x{i}" for i in range(60)]), {}, r"60 of the model's 60 genes \(100%\) are not in the"),
        (rename(lambda a: [ensembl(i) for i in range(60)]), {}, r"look like Ensembl ids \('ENSG.*expects symbols"),
        (rename(lambda a: a.var_names.str.upper()), {}, r"They differ in upper and lower case: another species\?"),
        (in_a_column, {}, r"The column 'symbol' of var has them: name it as the gene column"),
        (lambda a: a, {"gene_column": "symbols"}, r"var has no column 'symbols' of gene names"),
        (twice_in_a_column, {"gene_column": "symbol"}, r"1 gene name\(s\) are used more than once in the"),
    ],
)  # fmt: skip
def test_genes_that_do_not_fit_are_refused(model, change, options, message):
    adata = change(made_cohort())
    with pytest.raises(CohortError, match=message):
        relevance(adata, model, **options)
    assert not adata.layers and not adata.uns


def read(adata, normalisation, **options):
    result = expression_of(adata, Expects(tuple(adata.var_names), "X", normalisation), **options)
    return result.chunk(0, adata.n_obs).values


@pytest.fixture
def counts():
    adata = made_cohort()
    adata.X = sparse.csr_matrix(np.random.default_rng(0).poisson(0.6, adata.shape).astype(np.float32))
    return adata


@pytest.mark.filterwarnings("ignore:Some cells have zero counts")
def test_counts_become_what_scanpy_makes_of_them(counts):
    counts.X.data[counts.X.indptr[7] : counts.X.indptr[8]] = 0  # an empty cell stays empty
    expected = counts.copy()
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    result = read(counts, "log1p_cp10k")
    assert sparse.issparse(result)
    np.testing.assert_allclose(result.toarray(), expected.X.toarray(), rtol=1e-6)
    counts.X = counts.X.toarray()
    np.testing.assert_allclose(read(counts, "log1p_cp10k"), expected.X.toarray(), rtol=1e-6)


def test_library_size_is_that_of_all_genes_and_not_of_those_that_are_read(counts):
    expects = Expects(tuple(counts.var_names[:10]), "X", "log1p_cp10k")
    result = expression_of(counts, expects).chunk(0, counts.n_obs).values
    np.testing.assert_allclose(result.toarray(), read(counts, "log1p_cp10k").toarray()[:, :10])


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_z_scores_are_those_of_the_cohort(form):
    adata = made_cohort()
    values = adata.X.toarray().astype(np.float64)
    values[:, 5] = 1000.0 + values[:, 5] * 1e-3  # far from zero, which cancels in careless sums of squares
    values[:, 6] = 7.0
    adata.X = values if form == "dense" else sparse.csr_matrix(values)
    deviation = values.std(0)
    expected = np.divide(values - values.mean(0), deviation, out=np.zeros_like(values), where=deviation > 1e-12)
    np.testing.assert_allclose(read(adata, "zscore"), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "values, normalisation, message",
    [
        ("counts", "log", r"'X' should hold logs, but has whole numbers up to \d+, as counts are; .*log1p_cp10k"),
        ("log", "counts", r"'X' should hold counts \(normalisation 'counts'\), but has fractions such as"),
        ("log", "log1p_cp10k", r"logs taken for counts are logged twice: declare 'log' if it holds logs"),
        ("centred", "log", r"has negative values \(lowest -1\), as centred data have"),
    ],
)
def test_counts_mistaken_for_logs_and_the_reverse_are_warned_of(counts, values, normalisation, message):
    adata = counts
    adata.X = {"counts": adata.X * 20, "log": made_cohort().X, "centred": adata.X.toarray() - 1}[values]
    with pytest.warns(UserWarning, match=message):
        read(adata, normalisation)


def test_negative_counts_are_refused(counts):
    counts.X.data[3] = -1
    with pytest.raises(CohortError, match=r"should hold counts .*but has negative values \(lowest -1\)"):
        read(counts, "log1p_cp10k")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"normalisation": "log2"}, r"unknown normalisation 'log2'; did you mean 'log'"),
        ({"identifiers": "entrez"}, r"unknown identifiers 'entrez'"),
        ({"most_missing": 1.0}, r"most_missing is 1.0; expected a share of genes"),
        ({"genes": ()}, r"the model expects no genes"),
        ({"genes": ("a", "b", "a")}, r"the model's genes are not unique: 'a'"),
        (
            {"genes": (ensembl(1, 1), ensembl(1, 2)), "identifiers": "ensembl"},
            r"not unique: 'ENSG00000000001'",
        ),
    ],
)
def test_invalid_expectations_are_refused(change, message):
    with pytest.raises(CohortError, match=message):
        Expects(**({"genes": ("a", "b")} | change))


@pytest.mark.parametrize("column", [None, "id", "symbol"])
def test_the_remedy_for_names_used_twice_works_where_it_is_given(column):
    """Two columns that differ as names, but not as what is compared: two versions of an id, or a column of `var`."""
    adata = made_cohort()
    genes = list(adata.var_names) if column == "symbol" else [ensembl(i) for i in range(adata.n_vars)]
    names = list(genes) if column == "symbol" else [f"{gene}.1" for gene in genes]
    names[7] = genes[2] if column == "symbol" else f"{genes[2]}.2"
    if column is None:
        adata.var_names = names
    else:
        adata.var[column] = names
    identifiers = "symbol" if column == "symbol" else "ensembl"
    expects = Expects(tuple(genes), identifiers=identifiers, most_missing=0.5)
    with pytest.raises(CohortError, match=r"1 gene name\(s\) are used more than once in the cohort") as error:
        expression_of(adata, expects, gene_column=column)
    adata = eval(str(error.value).rpartition("adata = ")[2], {"adata": adata})
    with pytest.warns(UserWarning, match="1 of the model's 60 genes are not in the cohort"):
        assert expression_of(adata, expects, gene_column=column).alignment.position[2] == 2
