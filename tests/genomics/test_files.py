"""Sequences of FASTA, BED and VCF files."""

import gzip

import pytest

from lrp_domains.domain import DomainError
from lrp_domains.sequences import Record, read_bed, read_fasta, read_sequences, read_vcf

CHROMOSOME = "ACGTTGCAACGGATTCAGCC"


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CHROMOSOME}\n>chr2 other\nTTTTggggNN\n")
    return path


def test_fasta(tmp_path):
    path = tmp_path / "some.fasta"
    path.write_text(">first label=yes\nACGT\nAC\n>second\nacgtN\n")
    assert read_fasta(path) == [Record("ACGTAC", "first", label="yes"), Record("acgtN", "second")]
    assert read_sequences(path) == read_fasta(path)


@pytest.mark.parametrize(
    "text",
    [">a b\nAC\nGT\n>b\nA", ">a\r\nAC\r\nGT\r\n>b\r\nA\r\n", "; c\n>a\nAC\nGT\n\n> b\nA\n\n", ">a\nACGT\n>b c\nA\n"],
)
def test_an_index_fits_again(text, tmp_path):
    (tmp_path / "some.fa").write_bytes(text.encode())
    for _ in range(2):
        assert [(each.name, each.letters) for each in read_fasta(tmp_path / "some.fa")] == [("a", "ACGT"), ("b", "A")]


def test_intervals(tmp_path, genome):
    path = tmp_path / "peaks.bed.gz"
    with gzip.open(path, "wt") as file:
        file.write("# made\ntrack name=x\nchr1\t2\t8\nchr1\t2\t8\tpeak\t0\t-\tmore\n\nchr2\t2\t6\t.\t5\t+\n")
    plain, reverse, lower = read_bed(path, genome)
    assert plain == Record(CHROMOSOME[2:8], "chr1:2-8", "chr1", 2) and plain.letters == "GTTGCA"
    assert reverse == Record("TGCAAC", "peak", "chr1", 2, "-")  # its complement backwards
    assert list(plain.positions()) == [2, 3, 4, 5, 6, 7] and list(reverse.positions()) == [7, 6, 5, 4, 3, 2]
    assert (lower.letters, lower.name) == ("TTgg", "chr2:2-6")
    assert read_bed(path, genome, length=4)[0] == Record(CHROMOSOME[3:7], "chr1:3-7", "chr1", 3)
    assert read_sequences(path, genome) == read_bed(path, genome)


def test_beyond_an_end_of_its_chromosome_an_interval_of_a_length_has_n(tmp_path, genome):
    path = tmp_path / "peaks.bed"
    path.write_text("chr1\t0\t2\nchr1\t18\t20\tlast\t0\t-\nchr1\t9\t11\n")
    first, last, both = read_bed(path, genome, length=8)
    assert first == Record("NNN" + CHROMOSOME[:5], "chr1:0-5", "chr1", -3)
    assert last == Record("NNN" + "GGCTG", "last", "chr1", 15, "-") and list(last.positions())[-1] == 15
    assert read_bed(path, genome, length=30)[2] == Record("N" * 5 + CHROMOSOME + "N" * 5, "chr1:0-20", "chr1", -5)
    assert both == Record(CHROMOSOME[6:14], "chr1:6-14", "chr1", 6)


def test_a_chromosome_may_begin_like_a_line_for_a_browser(tmp_path):
    (tmp_path / "genome.fa").write_text(">track1\nACGT\n>browsers\nGGTT\n")
    rows = ["track\tname=x", "browser position track1", "track1\t0\t4", "browsers\t2\t4\tan\x85name"]
    (tmp_path / "some.bed").write_text("\n".join(rows))
    records = read_bed(tmp_path / "some.bed", tmp_path / "genome.fa")
    assert [(record.letters, record.name) for record in records] == [("ACGT", "track1:0-4"), ("TT", "an\x85name")]


def test_a_part_of_either_strand_keeps_its_place():
    forward, backward = Record("ACGTA", "f", "chr1", 10), Record("ACGTA", "b", "chr1", 10, "-")
    for record in (forward, backward):
        for start, end in ((0, 2), (1, 4), (3, 5)):
            part = record.part(start, end)
            assert part.letters == "ACGTA"[start:end] and list(part.positions()) == list(record.positions())[start:end]


def test_variants(tmp_path, genome):
    path = tmp_path / "some.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\n"
    path.write_text(head + "chr1\t6\trs1\tG\tA,GTT\t.\nchr1\t1\t.\tA\tC\nchr1\t18\t.\tGCC\tG\nchr1\t6\t.\tgc\tta\n")
    several = read_vcf(path, genome, length=8)
    snv, insertion, first, deletion, two = several
    assert snv.reference == Record("CGTTGCAA", "rs1 chr1:6G>A", "chr1", 1) and snv.alternative.letters == "CGTTACAA"
    assert insertion.alternative.letters == "CGTTGTTC" and not insertion.is_substitution
    assert (first.reference.letters, first.alternative.letters) == ("NNNNACGT", "NNNNCCGT")
    assert (deletion.reference.letters, deletion.alternative.letters) == ("TTCAGCCN", "TTCAGNNN")
    assert two.is_substitution and two.alternative.letters == "CGTTTAAA" and two.reference.letters == "CGTTGCAA"
    assert [variant.is_substitution for variant in several] == [True, False, True, False, True]


SYMBOLIC = [
    "<DEL>",
    "<INS:ME>",
    "<NON_REF>",
    "<*>",
    "*",
    ".",
    "G[chr2:5[",
    "G]chr2:5]",
    "]chr2:5]G",
    "[<ctg1>:7[g",
    "G.",
    ".G",
]


def test_alleles_without_a_sequence_are_left_out_with_one_warning(tmp_path, genome):
    path = tmp_path / "some.vcf"
    rows = [f"chr1\t6\t.\tG\t{allele}" for allele in SYMBOLIC] + [
        "chr1\t6\tx\tg\tt,<NON_REF>,gT",
        "chr1\t0\t.\tN\t<DUP>",
    ]
    path.write_bytes(("##fileformat=VCFv4.2\r\n" + "\r\n".join(rows)).encode())  # of Windows, the last line open
    with pytest.warns(UserWarning) as caught:
        variants = read_vcf(path, genome, length=8)
    assert [variant.alternative.name for variant in variants] == ["x chr1:6G>T", "x chr1:6G>GT"]
    assert [variant.alternative.letters for variant in variants] == ["CGTTTCAA", "CGTTGTCA"]
    (warning,) = caught
    assert f"left out: alleles without a sequence (symbolic, breakends, * or .): {len(SYMBOLIC) + 2}," in str(
        warning.message
    )
    assert f"the first '<DEL>' in '{path}', line 2" in str(warning.message) and warning.filename == __file__

    path.write_text("\n".join(rows[:3]))
    with pytest.raises(DomainError, match=r"there is nothing to explain: alleles without a sequence .*: 3,"):
        read_vcf(path, genome, length=8)


def test_an_ambiguous_letter_of_the_genome_is_the_base_that_the_file_names(tmp_path):
    (tmp_path / "genome.fa").write_text(">chr1\nACGTACGRACGTACGT\n")
    (tmp_path / "some.vcf").write_text("chr1\t8\t.\tA\tG\n")
    (variant,) = read_vcf(tmp_path / "some.vcf", tmp_path / "genome.fa", length=8)
    assert (variant.reference.letters, variant.alternative.letters) == ("TACGAACG", "TACGGACG")


def test_a_variant_twice_is_two_samples(tmp_path, genome):
    (tmp_path / "some.vcf").write_text("chr1\t6\trs1\tG\tA\nchr1\t6\trs1\tG\tA\nchr1\t7\trs1\tC\tA\n")
    names = [variant.alternative.name for variant in read_vcf(tmp_path / "some.vcf", genome, length=8)]
    assert names == ["rs1 chr1:6G>A"] * 2 + ["rs1 chr1:7C>A"]
