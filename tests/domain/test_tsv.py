"""Tables for spreadsheets: no cell is a formula, numbers stay numbers, and names are read back unchanged."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrp_domains.domain.files.tsv import original, read_tsv, write_parts, write_tsv

FORMULAS = ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "＝1", "-", '=HYPERLINK("x")']


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("kind", [object, "category", "string"])
def test_no_cell_is_a_formula(tmp_path, name, kind):
    table = pd.DataFrame({"gene": pd.Series([name, "CD3E"], dtype=kind), "score": [-1.5, 2.0]})
    write_tsv(table, tmp_path / "t.tsv")
    written = pd.read_csv(tmp_path / "t.tsv", sep="\t", keep_default_na=False)
    assert written["gene"][0] == f"'{name}" and written["gene"][1] == "CD3E"
    assert list(written["score"]) == [-1.5, 2.0]
    read = read_tsv(tmp_path / "t.tsv", text=("gene",))
    assert list(read["gene"]) == [name, "CD3E"] and list(table["gene"]) == [name, "CD3E"]


@pytest.mark.parametrize(
    "name", ["-1.5", "-1", "+2e-3", "5-HT", "HLA-A", "'quoted'", "NA", "nan", "001", 'a "b"', "a\\b"]
)
def test_other_names_are_written_unchanged(tmp_path, name):
    write_tsv(pd.DataFrame({"group": [name], "n": [1]}), tmp_path / "t.tsv")
    written = pd.read_csv(tmp_path / "t.tsv", sep="\t", keep_default_na=False, dtype=str)
    assert written["group"][0] == name
    assert read_tsv(tmp_path / "t.tsv", text=("group",))["group"][0] == name


@pytest.mark.parametrize("name", ["A\tB", "\t=1", "\r=1", "\n", "a\r\nb\tc"])
def test_a_row_is_one_line_of_as_many_fields_as_there_are_columns(tmp_path, name):
    write_tsv(pd.DataFrame({"gene": [name, "CD3E"], "n": [1, 2]}), tmp_path / "t.tsv")
    lines = (tmp_path / "t.tsv").read_bytes().decode().split("\n")
    assert [line.count("\t") for line in lines] == [1, 1, 1, 0] and lines[1][0] not in "=\t\r"
    assert read_tsv(tmp_path / "t.tsv", text=("gene",))["gene"][0] == name


@given(st.lists(st.text("'=+-@\t\n\r1.eA\"\\ ＝", min_size=1, max_size=6), min_size=1))
def test_any_name_is_read_back(tmp_path_factory, names):
    path = tmp_path_factory.getbasetemp() / "names.tsv"
    write_tsv(pd.DataFrame({"gene": names, "n": range(len(names))}), path)
    assert list(read_tsv(path, text=("gene",))["gene"]) == names


def test_missing_cells_and_empty_tables(tmp_path):
    write_tsv(pd.DataFrame({"gene": ["=a", None], "score": [0.5, None]}), tmp_path / "t.tsv")
    read = read_tsv(tmp_path / "t.tsv", text=("gene",))
    assert read["gene"].isna().tolist() == [False, True] and read["score"].isna().tolist() == [False, True]
    write_tsv(pd.DataFrame({"gene": pd.Series([], dtype=object)}), tmp_path / "t.tsv")
    assert read_tsv(tmp_path / "t.tsv").empty


def test_parts_are_written_as_one_table(tmp_path):
    table = pd.DataFrame({"gene": ["=a", "b", "-c"], "score": [1.0, 1 / 3, 2.0]})
    write_tsv(table, tmp_path / "whole.tsv", float_format="%.6g")
    write_parts((table[i : i + 1] for i in range(3)), list(table), tmp_path / "parts.tsv", float_format="%.6g")
    assert (tmp_path / "parts.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    parts = pd.read_csv(tmp_path / "parts.tsv", sep="\t", chunksize=2)
    assert [gene for part in parts for gene in original(part)["gene"]] == list(table["gene"])
    write_parts([], ["gene"], tmp_path / "empty.tsv")
    assert (tmp_path / "empty.tsv").read_text() == "gene\n"


def test_every_table_of_the_package_is_written_here():
    """Formulas are made harmless in one place, which no other code goes round."""
    from pathlib import Path

    import lrp_domains

    root = Path(lrp_domains.__file__).parent
    writers = [path.relative_to(root).as_posix() for path in root.rglob("*.py") if ".to_csv(" in path.read_text()]
    # The sentences of the demo corpus, which come with the package, are written as a corpus, which is read as data; a
    # bedGraph is a track for genome browsers, which know chromosomes by the genome's names.
    assert sorted(writers) == ["demos/text/train.py", "domain/files/tsv.py", "genomics/tracks.py"]
