"""Bad files of sequences, intervals and variants: one clear error each, with the line."""

import os

import numpy as np
import pytest

from lrp_domains.genomics.arrays import read_array
from lrp_domains.genomics.records import Record, read_bed, read_fasta
from lrp_domains.genomics.sequences import read_sequences
from lrp_domains.genomics.shuffles import dinucleotide_shuffle
from lrp_domains.genomics.variants import read_vcf

from .bad_files import GOOD, Files, raises_one_error


def bed(text):
    return lambda files: read_bed(files.write("some.bed", text), files.genome)


def truncated(files, text):
    path = files.write("some.bed.gz", text)
    path.write_bytes(path.read_bytes()[:-9])
    return path


def vcf(text):
    return lambda files: read_vcf(files.write("some.vcf", text), files.genome, length=10)


def indexed(before, after):
    def run(files):
        path = files.write("replaced.fa", before)
        read_fasta(path)
        path.write_text(after)
        os.utime(path, (0, 0))  # as a copy that keeps the time
        return read_fasta(path)

    return run


CASES = {
    "no FASTA file": (lambda files: read_fasta(files.folder / "none.fa"), "there is no file '.*none.fa'"),
    "empty FASTA": (lambda files: read_fasta(files.write("empty.fa")), "'.*empty.fa' could not be read as FASTA"),
    "FASTA without a header": (
        lambda files: read_fasta(files.write("bare.fa", GOOD)),
        "'.*bare.fa' could not be read as FASTA",
    ),
    "a name twice": (lambda files: read_fasta(files.write("two.fa", f">a\n{GOOD}\n>a\n{GOOD}\n")), "Duplicate key"),
    "blank lines": (
        lambda files: read_fasta(files.write("blank.fa", f">a\n{GOOD}\n\n\n>b\n{GOOD}\n")),
        "blank.fa' could not be read as FASTA: remove the blank lines",
    ),
    "a last line longer than the others": (
        lambda files: read_fasta(files.write("long.fa", ">a\nACGT\nACGTACGT\n>b\nACGT\n")),
        "all lines of a sequence but the last must have the same length",
    ),
    "an index of an earlier file with the same time": (
        indexed(">a\nACGTACGT\n", ">a\nACGT\n>b\nACGT\n"),
        "replaced.fa.fai' is not the index of '.*replaced.fa': delete it",
    ),
    "an index of another file": (indexed(">a\nACGT\n", ">b\nACGT\n"), "is not the index of"),
    "an index that lacks a sequence": (indexed(">a\nACGT\n", ">a\nACGT\n>b\nACGT\n"), "is not the index of"),
    "an index of longer lines": (indexed(">a\nACGT\n>b\nAC\n", ">a\nAC\nGT\n>b\nAC\n"), "is not the index of"),
    "gzip, not bgzip": (
        lambda files: read_fasta(files.write("some.fa.gz", f">a\n{GOOD}\n")),
        "is compressed: gunzip it",
    ),
    "past the end": (
        bed("chr1\t0\t5\nchr2\t20\t25\n"),
        "line 2: chr2:20-25 is not within the chromosome, which has 24 bases",
    ),
    "a start after the end": (bed("# x\nchr1\t5\t5\n"), "line 2: the interval 5-5 has no base"),
    "another name of a chromosome": (bed("1\t0\t5\n"), "line 1: the genome has no chromosome '1'; did you mean 'chr1'"),
    "a negative start": (bed("chr1\t-3\t5\n"), "line 1: the start is '-3', not a whole number without sign"),
    "a digit that isn't one": (bed("chr1\t²\t5\n"), "line 1: the start is '²', not a whole number"),
    "unknown strand": (bed("chr1\t0\t5\ta\t0\treverse\n"), r"line 1: the strand is 'reverse', not \+, - or \."),
    "no letters of an interval": (
        lambda files: read_bed(files.write("some.bed", "chr1\t0\t5\n"), files.genome, length=0),
        "length=0: expected a whole number, at least 1",
    ),
    "no letters of a variant": (
        lambda files: read_vcf(files.write("some.vcf", ""), files.genome, length=-1),
        "length=-1: expected a whole number, at least 1",
    ),
    "truncated intervals": (
        lambda files: read_bed(truncated(files, "chr1\t0\t5\n" * 99), files.genome),
        "some.bed.gz' could not be read: Compressed file ended",
    ),
    "position 0": (vcf("chr1\t0\t.\tA\tC\n"), "line 1: the position is 0, but VCF counts from 1"),
    "an allele that doesn't fit": (
        vcf("chr1\t9\t.\tA\tACCCCCC\n"),
        "line 1: an allele has 7 letters, more than half of length=10: raise it",
    ),
    "no number": (bed("chr1\t0\tx\n"), "line 1: the end is 'x', not a whole number"),
    "spaces for tabs": (bed("chr1 0 5\n"), "line 1 has no start: expected chromosome, start, end, separated by tabs"),
    "another genome": (vcf("chr1\t3\t.\tT\tA\n"), "line 1: the reference allele is T, but the genome has G there"),
    "an allele that is none": (
        vcf("chr1\t3\t.\tG\t<DEL>,AXG\n"),
        "line 1: the alternative allele 'AXG' is not a sequence",
    ),
    "only alleles without a sequence": (
        vcf("chr1\t3\t.\tG\t<DEL>\nchr1\t4\t.\tT\t*,.\n"),
        "nothing to explain: alleles without a sequence .*: 3, the first '<DEL>' in .*, line 1",
    ),
    "half a breakend": (vcf("chr1\t3\t.\tG\tG[chr2:5]\n"), r"line 1: the alternative allele 'G\[chr2:5\]' is not"),
    "no allele after a comma": (vcf("chr1\t3\t.\tG\tA,\n"), "line 1: the alternative allele '' is not a sequence"),
    "an ambiguous reference allele": (
        vcf("chr1\t3\t.\tR\tA\n"),
        "line 1: the reference allele 'R' is not a sequence .* VCF requires the first base",
    ),
    "no alternative": (vcf("chr1\t3\t.\tG\n"), "line 1 has no alternative"),
    "intervals without a genome": (
        lambda files: read_sequences(files.write("a.bed", "chr1\t0\t5\n")),
        "name its FASTA file",
    ),
    "variants without a length": (
        lambda files: read_sequences(files.write("a.vcf", "chr1\t1\t.\tA\tC\n"), files.genome),
        "length=",
    ),
    "a file of another kind": (
        lambda files: read_sequences(files.write("a.txt", GOOD)),
        r"expected a name that ends in .fa",
    ),
    "a file without lines": (
        lambda files: read_sequences(files.write("a.bed", "# none\n"), files.genome),
        "has no sequences",
    ),
    "a strand of BED": (lambda files: Record(GOOD, "a", "chr1", 5, "."), "sequence 'a' is on the strand '.', not"),
    "a number for a name": (lambda files: Record(GOOD, 5), "the name of a sequence is 5: pass a string"),
    "nothing to shuffle": (
        lambda files: dinucleotide_shuffle(""),
        "nothing to shuffle in '': pass a string of letters",
    ),
    "letters one by one": (lambda files: dinucleotide_shuffle(list("ACGT")), "nothing to shuffle in .*: pass a string"),
    "a shuffle of no seed": (lambda files: dinucleotide_shuffle(GOOD, -1), "seed=-1: expected a whole number"),
    "an array of another kind": (lambda files: read_array(np.zeros(3), "s1", None), "the array of 's1' is not that of"),
    "an interval past the end that would be padded": (
        lambda files: read_bed(files.write("some.bed", "chr1\t20\t25\n"), files.genome, length=4),
        "line 1: chr1:20-25 is not within the chromosome, which has 24 bases",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(name, tmp_path):
    raises_one_error(*CASES[name], Files(tmp_path))
