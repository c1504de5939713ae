"""Tracks and arrays of numbers per letter, whoever computed them."""

from types import SimpleNamespace

import numpy as np
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.genomics.arrays import array_of, read_array
from lrp_domains.genomics.records import Record, read_bed
from lrp_domains.genomics.tracks import check_places, write_bedgraph, write_bigwig, write_files, write_modisco


def scored(record: Record, alphabet: str = "ACGT") -> SimpleNamespace:
    """Return a sequence whose letters have the numbers 1, 2, ..."""
    relevance = np.arange(1.0, len(record.letters) + 1)
    hypothetical = relevance[:, None] * np.arange(1, len(alphabet) + 1)
    return SimpleNamespace(record=record, alphabet=alphabet, relevance=relevance, hypothetical=hypothetical)


def test_padding_of_intervals_is_in_no_track(tmp_path):
    import pyBigWig

    (tmp_path / "genome.fa").write_text(">chr1\nACGTTGCAAC\n")
    (tmp_path / "some.bed").write_text("chr1\t0\t2\nchr1\t8\t10\t.\t0\t-\n")
    items = dict(enumerate(map(scored, read_bed(tmp_path / "some.bed", tmp_path / "genome.fa", length=6))))
    # The first reaches from -2 to 4, the second, backwards, from 6 to 12.
    expected = {0: 3, 1: 4, 2: 5, 3: 6, 6: 6, 7: 5, 8: 4, 9: 3}
    write_bedgraph(items, tmp_path / "a.bedgraph")
    rows = [line.split("\t") for line in (tmp_path / "a.bedgraph").read_text().splitlines()]
    assert {int(start): float(value) for _, start, _, value in rows} == expected
    write_bigwig(items, tmp_path / "a.bw", {"chr1": 10})
    with pyBigWig.open(str(tmp_path / "a.bw")) as file:
        values = file.values("chr1", 0, 10)
    assert {place: value for place, value in enumerate(values) if not np.isnan(value)} == expected


def test_a_warning_shows_the_line_that_called(tmp_path):
    items = {0: scored(Record("ACGT", "a", "chr1", 5)), 1: scored(Record("ACGT", "b"))}
    for write in (write_bedgraph, lambda items, path: write_files(items, bedgraph=path)):
        with pytest.warns(UserWarning, match="1 of 2 sequences have no place .* the first is 'b'") as caught:
            write(items, tmp_path / "a.bedgraph")
        assert {warning.filename for warning in caught} == {__file__}
    with pytest.raises(DomainError, match="'b' has no place in a genome"):
        write_bedgraph({1: items[1]}, tmp_path / "b.bedgraph")
    with pytest.raises(DomainError, match="'b' has no place in a genome"):
        check_places([items[1].record])
    check_places([each.record for each in items.values()])
    with pytest.raises(DomainError, match=r"name the FASTA file, genome= \(--genome\)"):
        write_files(items, bigwig=tmp_path / "b.bw")


def test_letters_are_in_the_order_of_modisco(tmp_path):
    write_modisco({0: scored(Record("acN", "a"), "TGCA")}, tmp_path / "s.npz", tmp_path / "c.npz")
    one_hot, contributions = (np.load(tmp_path / name)["arr_0"] for name in ("s.npz", "c.npz"))
    assert one_hot[0].T.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert contributions[0].T.tolist() == [[4, 3, 2, 1], [8, 6, 4, 2], [12, 9, 6, 3]]


@pytest.mark.parametrize("place", [("chr1", 7, "-"), ("chr2", 0, "+"), ()])
@pytest.mark.parametrize("of_all_letters", [True, False])
def test_an_array_is_read_back(place, of_all_letters):
    item = scored(Record("ACGT", "a", *place, label="x"), "TGCA")
    hypothetical = item.hypothetical if of_all_letters else None
    read = read_array(array_of(item.record, item.alphabet, item.relevance, hypothetical), "a", "x")
    assert read["record"] == item.record and read["alphabet"] == "TGCA"
    assert (read["relevance"] == item.relevance).all()
    assert (read["hypothetical"] == hypothetical).all() if of_all_letters else read["hypothetical"] is None
