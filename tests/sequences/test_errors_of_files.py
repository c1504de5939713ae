"""Bad sets, windows, variants, tracks and declarations: one clear error each, before any file is written."""

import pytest

from lrp_domains.domain import DomainError
from lrp_domains.sequences import (
    Record,
    SequenceExplainer,
    check_set,
    explain_set,
    explain_windows,
    read_explained,
    read_vcf,
    variant_effect,
)
from tests.genomics.bad_files import GOOD, Files, raises_one_error

from .small_models import cnn


def vcf(text):
    return lambda files: read_vcf(files.write("some.vcf", text), files.genome, length=10)


def tracks(write):
    def run(files):
        results = SequenceExplainer(cnn())([Record(GOOD, "peak", "chr1", 30)])
        return write(results, files.folder)

    return run


def stored(files):
    explain_set(SequenceExplainer(cnn()), [GOOD, GOOD[:-1]], files.folder / "a.parquet")
    return files.folder / "a.parquet"


LABELLED = [Record(GOOD, "a", label="x"), Record(GOOD, "b", label="zebr")]


CASES = {
    "half a window": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=12.5),
        r"window=12\.5: expected a whole number, at least 1",
    ),
    "half a stride": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=12, stride=True),
        "stride=True: expected a whole number, at least 1",
    ),
    "sizes of no file": (
        tracks(lambda r, folder: r.to_bigwig(folder / "a.bw", folder / "none.sizes")),
        "none.sizes' could not be read: .*No such file",
    ),
    "sizes separated by spaces": (
        lambda files: tracks(lambda r, _: r.to_bigwig("a.bw", files.write("some.sizes", "chr1 99\n")))(files),
        "some.sizes', line 1 has no size: expected chromosome, size, separated by tabs",
    ),
    "sizes with names": (
        lambda files: tracks(lambda r, _: r.to_bigwig("a.bw", files.write("some.sizes", "chr\tbases\n")))(files),
        "some.sizes', line 1: the size is 'bases', not a whole number",
    ),
    "a logo without letters": (
        lambda files: SequenceExplainer(cnn())(GOOD).logo(30, 40),
        "no letter from 24 to 24 of 24 to draw",
    ),
    "nothing to check": (lambda files: check_set(SequenceExplainer(cnn()), []), "there are no sequences to explain"),
    "targets of a part": (
        lambda files: explain_set(
            SequenceExplainer(cnn()), [GOOD] * 4, files.folder / "a.parquet", target=[0, 1], part=2
        ),
        "there are 2 targets for 4 sequences",
    ),
    "an empty window": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=0),
        "window=0: expected a whole number, at least 1",
    ),
    "a stride without a window": (
        lambda files: check_set(SequenceExplainer(cnn()), [Record(GOOD, "a")], stride=5),
        r"state window= \(--window\) too",
    ),
    "a window of variants": (
        lambda files: check_set(SequenceExplainer(cnn()), vcf("chr1\t9\t.\tA\tC\n")(files), window=5),
        "variants are read in one piece",
    ),
    "records for variants": (
        lambda files: variant_effect(SequenceExplainer(cnn()), [Record(GOOD, "a")]),
        "variants are of type Record: pass those that read_vcf returns",
    ),
    "a stride beyond the window": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=12, stride=20),
        "a stride of 20",
    ),
    "a track without a place": (
        lambda files: SequenceExplainer(cnn())([GOOD]).to_bedgraph(files.folder / "a"),
        "'0' has no place",
    ),
    "a track of another genome": (
        tracks(lambda r, folder: r.to_bigwig(folder / "a.bw", {"1": 99})),
        "no size of chromosome 'chr1'",
    ),
    "a track past the end": (
        tracks(lambda r, folder: r.to_bigwig(folder / "a.bw", {"chr1": 40})),
        "'chr1' has 40 bases, but .* 54",
    ),
    "unequal lengths for TF-MoDISco": (
        lambda files: SequenceExplainer(cnn())([GOOD, GOOD + "A"]).to_npz(
            files.folder / "a.npz", files.folder / "b.npz"
        ),
        "sequences of one length",
    ),
    "a sequence beyond those that are stored": (
        lambda files: read_explained(stored(files), [0, 99]),
        "a.parquet' has no sequence 99: its 2 have the numbers 0 to 1",
    ),
    "a misspelt setting of a model on disk": (
        lambda files: SequenceExplainer.from_pretrained(files.folder / "none", reverse_complment=True),
        "unknown setting 'reverse_complment'; did you mean 'reverse_complement'",
    ),
    "an unknown class for a later sequence": (
        lambda files: check_set(SequenceExplainer(cnn()), {"a": GOOD, "b": GOOD}, target=[0, "opne"]),
        "target of 'b': there is no class 'opne' among 3",
    ),
    "an unknown label": (
        lambda files: check_set(SequenceExplainer(cnn(), classes=["x", "y", "zebra"]), LABELLED),
        "label: there is no class 'zebr' among 3; did you mean 'zebra'",
    ),
    "a later sequence without a target to contrast": (
        lambda files: check_set(SequenceExplainer(cnn()), {"a": GOOD, "b": GOOD}, target=[0, None], against=1),
        "'b': against=1 requires a target=",
    ),
    "a later target of a score": (
        lambda files: check_set(
            SequenceExplainer(cnn(), score=lambda outputs: outputs[:, 0]), [GOOD] * 2, target=[None, 1]
        ),
        "a target is a class; a score that is a function",
    ),
    "results of another kind": (lambda files: read_explained(files.write("a.parquet", "x")), "a.parquet"),
    "a model of no kind": (
        lambda files: SequenceExplainer.from_pretrained(files.write("model.pt2", "x")),
        "is a file: name the .yaml",
    ),
    "a folder without a model": (
        lambda files: SequenceExplainer.from_pretrained(files.write("s.fa", ">a\nACGT\n").parent),
        r"has no model: neither .* model.yaml, nor config.json",
    ),
    "a wrong declaration": (
        lambda files: SequenceExplainer.from_pretrained(files.write("m.yaml", "network: a.pt2\nlayuot: x\n")),
        "unknown key 'layuot'; did you mean 'layout'",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(name, tmp_path):
    raises_one_error(*CASES[name], Files(tmp_path))


def test_an_unknown_letter_of_a_later_part_is_found_before_the_first(tmp_path):
    with pytest.raises(DomainError, match="sequence 'b' has 'R' at position 24"):
        explain_set(SequenceExplainer(cnn()), {"a": GOOD, "b": GOOD[:-1] + "R"}, tmp_path / "a.parquet", part=1)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".a")]
