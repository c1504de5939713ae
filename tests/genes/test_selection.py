"""Cells are selected by a small language: as pandas does for queries that users write, and never by running code."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains.genes import CohortError, select_cells

TYPES = ["B cell", "T cell", "NK", "mono (CD14+)", "it's"]
OBS = pd.DataFrame(
    {
        "cell_type": pd.Categorical([TYPES[i % 5] for i in range(30)]),
        "louvain": [str(i % 4) for i in range(30)],
        "n_genes": [100 * i for i in range(30)],
        "percent_mito": [0.5 * (i % 7) if i % 6 else np.nan for i in range(30)],
        "er": [None if i % 3 == 0 else ["pos", "neg"][i % 2] for i in range(30)],
        "is_tumour": [i % 2 == 0 for i in range(30)],
        "cell type": [TYPES[i % 3] for i in range(30)],
        "er.status & more": [i % 5 for i in range(30)],
        "@odd": range(30),
        "class": [i % 2 for i in range(30)],
    },
    index=[f"AAA{i}-1" for i in range(30)],
)


def cohort():
    return AnnData(X=np.zeros((len(OBS), 1), dtype=np.float32), obs=OBS.copy())


def chosen(expression):
    return list(select_cells(cohort(), expression).obs_names)


QUERIES = [
    'cell_type == "B cell" and n_genes > 500',
    'louvain in ["0", "2"]',
    "louvain not in ('0', '2')",
    'louvain == ["0", "2"]',
    'louvain != ["0", "2"]',
    "500 <= n_genes < 2000",
    "n_genes > 500 & percent_mito < 2 | is_tumour",
    "(n_genes > 500) & ~(percent_mito < 2)",
    "not is_tumour and not louvain == '1'",
    "~is_tumour",
    "er.notna()",
    "er.isnull() or er == 'pos'",
    "er != 'pos'",
    "percent_mito != percent_mito",
    "`cell type` == 'NK' and `er.status & more` > 2",
    "`@odd` > 3 and `class` == 1",
    "cell_type == \"it's\" or cell_type == 'it\\'s'",
    "n_genes / 100 % 3 == 1 and n_genes * 2 - 100 > -n_genes // 7",
    "cell_type.isin(['NK', 'T cell'])",
    "n_genes.between(200, 900, inclusive='left')",
    "n_genes.between(200, n_genes.max() - 300)",
    "n_genes > n_genes.median() and percent_mito < percent_mito.quantile(0.9)",
    "cell_type.str.startswith('B')",
    "cell_type.str.endswith('cell')",
    "cell_type.str.contains('cell|NK')",
    "cell_type.str.contains('(CD14+)', regex=False)",
    "cell_type.str.contains('CELL', case=False)",
    "cell_type.str.lower().str.contains(r'^b\\s')",
    "cell_type.str.match('[BT] ')",
    "cell_type.str.fullmatch('NK|B')",
    "cell_type.str.strip('B ').str.len() == 4",
    "louvain.astype('int') > 2",
    "index.str.startswith('AAA1')",
    "index == 'AAA3-1'",
    "n_genes == 5e2 or n_genes in [0, 100.0]",
    "is_tumour == True",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_queries_select_what_pandas_selects(query):
    assert chosen(query) == list(OBS.query(query, engine="python").index)


NUMBERS = st.sampled_from(["n_genes", "percent_mito", "`er.status & more`"])
NAMES = st.sampled_from(["cell_type", "louvain", "`cell type`", "er"])
VALUES = st.sampled_from([*TYPES, "0", "1", "pos", "x"]).map(repr)
AMOUNTS = st.one_of(st.integers(-5, 3000).map(str), st.sampled_from(["0.5", "1e3"]))
SUMS = st.recursive(
    st.one_of(NUMBERS, AMOUNTS),
    lambda part: st.tuples(part, st.sampled_from("+-*"), part).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=3,
)
TESTS = st.one_of(
    st.tuples(NUMBERS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), SUMS).map(" ".join),
    st.tuples(AMOUNTS, NUMBERS, AMOUNTS).map(" <= ".join),
    st.tuples(NAMES, st.sampled_from(["==", "!="]), VALUES).map(" ".join),
    st.tuples(NAMES, st.sampled_from(["in", "not in", "==", "!="]), st.lists(VALUES, max_size=3)).map(
        lambda parts: f"{parts[0]} {parts[1]} [{', '.join(parts[2])}]"
    ),
    st.tuples(st.one_of(NAMES, NUMBERS), st.sampled_from([".isna()", ".notna()"])).map("".join),
    st.just("is_tumour"),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["and", "or", "&", "|"]), part).map(" ".join),
        part.map(lambda text: f"not ({text})"),
        part.map(lambda text: f"~({text})"),
        part.map(lambda text: f"({text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(CONDITIONS)
def test_any_condition_selects_what_pandas_selects(query):
    expected = list(OBS.query(query, engine="python").index)
    if expected:
        assert chosen(query) == expected
    else:
        with pytest.raises(CohortError, match="leaves none of the 30 cells"):
            chosen(query)


S1 = (
    "cell_type.astype('str').str.replace('.+', 'open(\"MARK\", \"w\")', regex=True)"
    ".map(@select_cells.__builtins__.get('eval')) == 0"
)
ATTACKS = {
    "the one that was found": S1,
    "variable": "n_genes > @select_cells",
    "dunder of a column": "cell_type.__class__",
    "dunder method": "cell_type.__reduce__()",
    "import": "__import__('os').system('touch MARK')",
    "builtin": "eval('1')",
    "open": "open('MARK', 'w')",
    "writes a file": "cell_type.to_csv('MARK')",
    "writes a pickle": "cell_type.to_pickle('MARK')",
    "maps": "cell_type.map(eval)",
    "applies": "cell_type.apply('eval')",
    "pipes": "cell_type.pipe(print)",
    "lambda": "(lambda: n_genes > 1)()",
    "comprehension": "[x for x in louvain]",
    "generator": "any(x for x in louvain)",
    "dict": "{'a': 1}",
    "set": "louvain in {'0'}",
    "f-string": "cell_type == f'{cell_type}'",
    "walrus": "(x := n_genes > 1)",
    "format": "cell_type == '{0.__class__}'.format(1)",
    "percent format": "cell_type == '%s' % 1",
    "huge power": "n_genes > 9**9**9**9",
    "huge text": "cell_type == 'a' * 10**9",
    "huge shift": "n_genes > 1 << 10**9",
    "padding": "cell_type.str.ljust(10000000000) == 'a'",
    "repeats": "cell_type.str.repeat(10000000000) == 'a'",
    "deep brackets": "(" * 900 + "is_tumour" + ")" * 900,
    "deep signs": "n_genes > " + "-" * 1900 + "1",
    "deep not": "not " * 1900 + "is_tumour",
    "deep sums": "n_genes > " + "+".join("1" * 1900),
    "many operators": "n_genes > " + "+".join("1" * 50_000),
    "very long": "cell_type == '" + "a" * 200_000 + "'",
    "null byte": "n_genes > 1\0",
    "confusable column": "ｎ_genes > 1",
    "confusable method": "cell_type.ｔo_csv('MARK')",
    "attribute of a text": "'a'.__class__ == 1",
    "method of a text": "cell_type == 'a'.upper()",
    "star": "cell_type.isin(*['a'])",
    "two stars": "cell_type.isin(**{'values': ['a']})",
    "keyword": "cell_type.str.contains('a', flags=0)",
    "keyword of pandas": "n_genes.mean(axis=0) > 1",
    "unknown value of a keyword": "n_genes.between(1, 2, inclusive='evil')",
    "subscript": "cell_type.str[0] == 'B'",
    "slice": "cell_type[1:] == 'B'",
    "await": "await cell_type",
    "yield": "(yield cell_type)",
    "condition": "is_tumour if 1 else is_tumour",
    "two statements": "is_tumour; print(1)",
    "two lines": "is_tumour\nprint(1)",
    "assignment": "n_genes = 1",
    "accessor": "cell_type.cat.codes == 1",
    "plot": "n_genes.plot()",
    "str without a method": "cell_type.str",
    "type": "cell_type.astype('category')",
    "bytes": "cell_type == b'a'",
    "None": "cell_type == None",
    "ellipsis": "cell_type == ...",
    "complex number": "n_genes == 1j",
    "is": "is_tumour is True",
    "catastrophic with look-ahead": "cell_type.str.contains('(?=a)')",
    "pattern closes a bracket": "cell_type.str.match('a)|(b')",
    "surrogate": "cell_type == '\ud800' and \udc80",
    "matrix product": "n_genes @ n_genes",
    "a long list on the left": "['a'] in cell_type",
    "text in a column": "'a' in cell_type",
    "list of columns": "louvain in [cell_type]",
    "literal": "True",
    "only literals": "1 < 2",
    "number as a condition": "n_genes",
    "text as a condition": "cell_type and is_tumour",
    "text in a sum": "louvain + louvain == '00'",
    "pattern on numbers": "n_genes.str.contains('1')",
    "nothing": " ",
    "comment": "#",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_anything_else_is_refused_and_nothing_runs(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CohortError) as refused:
        chosen(attack)
    assert not list(tmp_path.iterdir())
    message = str(refused.value)
    assert message.startswith(("the selection", "'")) and "\n" not in message and len(message) < 700


def test_no_pattern_hangs():
    adata = cohort()
    adata.obs["long"] = "a" * 5000 + "b"
    with pytest.raises(CohortError, match="leaves none"):
        select_cells(adata, "long.str.contains('^(a+)+$')")


@pytest.mark.parametrize(
    "expression, message",
    [
        ("cel_type == 'B'", "'cel_type', which is not a column of obs; did you mean .*'cell_type'"),
        ("er.status == 1", r"'er\.status', which is not allowed"),
        ("cell_type.to_csv('x')", r"'cell_type\.to_csv\('x'\)'.*: the methods of columns are 'isna'"),
        ("n_genes > @least", "'@', a variable of Python, which is not allowed; write its value instead"),
        ("cell type == 'B'", "can't be read: .*; names with spaces, dots or other signs belong in backticks"),
        ("`cell type`.str.title() == 'B'", r"'`cell type`\.str\.title\(\)', which is not allowed"),
        ("cell_type in 'B cell'", r"in requires a list on its right"),
        ("n_genes > 'many'", "can't be computed: "),
        ("cell_type.str.contains('(?=a)')", "is not a regular expression of RE2"),
        ("n_genes.isna(1)", "takes 0 argument"),
    ],
)  # fmt: skip
def test_errors_name_the_piece_and_the_remedy(expression, message):
    with pytest.raises(CohortError, match=message):
        chosen(expression)


def test_what_pandas_refuses():
    assert chosen("cell_type.str.endswith(('cell', 'K'))") == chosen("cell_type in ['B cell', 'T cell', 'NK']")
    assert chosen("er.str.contains('s')") == chosen("er == 'pos'")  # a missing value fits no pattern
    assert chosen("er.str.contains('s', na=True)") == chosen("er == 'pos' or er.isna()")


def test_a_column_is_not_taken_for_one_in_backticks():
    adata = cohort()
    adata.obs["quoted_column_0_"] = adata.obs["n_genes"]
    assert select_cells(adata, "`@odd` >= 0 and quoted_column_0_ == 100").n_obs == 1
    with pytest.raises(CohortError, match=r"'`cell type`\.size'"):
        select_cells(adata, "quoted_column_0_ == 1 and `cell type`.size")


def test_cells_of_one_name_are_selected_by_their_own_row():
    adata = cohort()
    adata.obs_names = ["same"] * adata.n_obs
    assert select_cells(adata, "n_genes == 500").n_obs == 1
