"""Bad sequences, files and requests: one clear error each, which says what is wrong, where, and what to do."""

from types import SimpleNamespace

import pytest
from torch import nn

from lrp_domains.domain import DomainError
from lrp_domains.sequences import (
    Record,
    SequenceExplainer,
    check_set,
    counts,
    explain_set,
    explain_windows,
    profile,
    read_explained,
    read_vcf,
    track,
    variant_effect,
)  # fmt: skip

from .small_models import BaseResolution, Trunk, bert, cnn, esm, kmer_tokenizer, sequences

GOOD = "ACGTACGTACGTACGTACGTACGT"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "genome.fa").write_text(f">chr1\n{GOOD}\n>chr2\n{GOOD}\n")

    def write(name: str, text: str = ""):
        path = tmp_path / name
        path.write_text(text)
        return path

    return SimpleNamespace(write=write, genome=tmp_path / "genome.fa", folder=tmp_path)


def explain(sequences, *, model=None, call=None, **settings):
    return lambda files: SequenceExplainer(model or cnn(), **settings)(sequences, **(call or {}))


def vcf(text):
    return lambda files: read_vcf(files.write("some.vcf", text), files.genome, length=10)


def tokens(letters, **settings):
    tokenizer = kmer_tokenizer(3)
    return lambda files: SequenceExplainer(bert(tokenizer), encode=tokenizer, **settings)(letters)


def protein(letters):
    def run(files):
        model, tokenizer = esm(files.folder)
        return SequenceExplainer(model, "protein", tokenizer)(letters)

    return run


def tracks(write):
    def run(files):
        results = SequenceExplainer(cnn())([Record(GOOD, "peak", "chr1", 30)])
        return write(results, files.folder)

    return run


def stored(files):
    explain_set(SequenceExplainer(cnn()), [GOOD, GOOD[:-1]], files.folder / "a.parquet")
    return files.folder / "a.parquet"


LABELLED = [Record(GOOD, "a", label="x"), Record(GOOD, "b", label="zebr")]


def both_layouts():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2)).eval()


CASES = {
    "unknown letter": (
        explain({"s1": GOOD + "R"}),
        "sequence 's1' has 'R' at position 25; the letters are ACGT, and N",
    ),
    "RNA as DNA": (explain([GOOD, "acgu" * 6]), "sequence '1' has 'u' at position 4"),
    "a gap in a protein": (protein({"p": "MKV-L"}), "sequence 'p' has '-' at position 4; .* X for an unknown one"),
    "an empty sequence": (explain({"s1": ""}), "sequence 's1' is empty: pass a string of letters"),
    "no sequences": (explain([]), "there are no sequences to explain"),
    "no string": (explain([GOOD, 7]), "sequence '1' is of type int: pass a string"),
    "unknown alphabet": (explain(GOOD, alphabet="dna"), "alphabet='dna': name 'DNA', 'protein'"),
    "too long": (explain(GOOD, length=20), "has 24 letters, the model 20: use windows"),
    "either layout": (explain("ACGT", model=both_layouts()), "it accepts both"),
    "neither layout": (
        explain(GOOD, model=nn.Linear(9, 2).eval()),
        r"channels first: .*; channels last: .*pass layout=",
    ),
    "unknown layout": (explain(GOOD, layout="channels"), "unknown layout 'channels'; did you mean"),
    "unknown class": (
        explain(GOOD, classes=["enhancer", "none", "x"], call={"target": "enhancr"}),
        "did you mean 'enhancer'",
    ),
    "classes that don't fit": (explain(GOOD, classes=["a", "b"]), "the model has 3 classes, but 2 are named"),
    "training mode": (
        explain(GOOD, model=nn.Sequential(cnn(), nn.Dropout()).train()),
        r"training mode.*model.eval\(\)",
    ),
    "a model of tracks without a score": (
        explain(GOOD, model=Trunk().eval()),
        "dict with human, mouse, not logits: pass a score",
    ),
    "a profile without a score": (explain(GOOD, model=BaseResolution().eval()), r"shape \(1, 2, 24\) .* pass a score"),
    "unknown head": (
        explain(GOOD, model=Trunk().eval(), score=track("humn")),
        "no output 'humn'; did you mean 'human'",
    ),
    "unknown track": (
        explain(GOOD, model=Trunk().eval(), score=track("human", 9)),
        r"no track 9 in outputs of shape \(1, 6, 7\)",
    ),
    "missing counts": (explain(GOOD, model=BaseResolution().eval(), score=counts(2)), "the model has no output 2"),
    "a target of a score": (
        explain(GOOD, score=lambda outputs: outputs[:, 0], call={"target": 1}),
        "a target is a class",
    ),
    "a reference of another length": (explain(GOOD, reference=GOOD[:-1]), r"reference of '0' is read as \(4, 23\)"),
    "a mask of one-hot input": (explain(GOOD, reference="mask"), "reference='mask' is not for one-hot input"),
    "zeros of tokens": (tokens(GOOD, reference="zeros"), "reference='zeros' is not for tokens"),
    "a strand of a protein": (
        explain("MKV", alphabet="protein", reverse_complement=True),
        "only DNA has a reverse complement",
    ),
    "a strand of tokens": (tokens(GOOD, reverse_complement=True), "reverse_complement is for one-hot encoded DNA"),
    "shorter than a word": (tokens("AC"), "cover 0 of 2 letters: .* at least 3 letters"),
    "no tokenizer": (explain(GOOD, encode="onehot"), "pass 'one-hot', or a tokenizer"),
    "no shuffles": (explain(GOOD, references=0), "references=0: expected a whole number, at least 1"),
    "a negative seed": (explain(GOOD, seed=-1), "seed=-1: expected a whole number, at least 0"),
    "a length in words": (explain(GOOD, length="24"), "length='24': expected a whole number, at least 1"),
    "a misspelt reference": (explain(GOOD, reference="shuffel"), "reference='shuffel' is none of 'shuffle', 'zeros'"),
    "no reference": (
        explain(GOOD, reference=[]),
        r"the reference of '0' is \[\]: pass 'shuffle', .*, or sequences",
    ),
    "a reference of no kind": (explain(GOOD, reference=5), "the reference of '0' is 5: pass 'shuffle'"),
    "shorter than the model reads": (
        explain([GOOD, "ACG"]),
        "the model could not read sequences as 4 x 3: .*; pass sequences of its length",
    ),
    "another number of letters": (
        explain(GOOD, alphabet="protein", layout="channels first"),
        "the model could not read sequences as 20 x 24: .* its alphabet and layout",
    ),
    "sequences of no kind": (explain(7), "sequences are of type int: pass strings"),
    "a letter that only looks like one": (explain("MKı", alphabet="protein"), "has 'ı' at position 3"),
    "one of no several outputs": (explain([GOOD, GOOD], score=profile()), "the model returns one tensor, not several"),
    "a track by name": (lambda files: track("human", "CAGE"), "track='CAGE': pass the number"),
    "a bin for bins": (lambda files: track("human", 0, 5), r"bins=5: pass a slice"),
    "bins past the end": (
        explain(GOOD, model=Trunk().eval(), score=track("human", 0, slice(90, 99))),
        "has none of the 6 bins",
    ),
    "half a window": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=12.5),
        r"window=12\.5: expected a whole number, at least 1",
    ),
    "half a stride": (
        lambda files: explain_windows(SequenceExplainer(cnn()), GOOD, 0, window=12, stride=True),
        "stride=True: expected a whole number, at least 1",
    ),
    "half a sequence at once": (explain(GOOD, batch_size=2.5), r"batch_size=2\.5: expected a whole number, at least 1"),
    "one class twice": (
        explain([GOOD], call={"target": 1, "against": "1"}),
        "'0': target and against are both '1', contrast it with another class",
    ),
    "a contrast without a target": (
        explain({"s1": GOOD}, call={"against": 1}),
        "'s1': against=1 requires a target= to contrast with it",
    ),
    "a score that fails": (
        explain(GOOD, model=Trunk().eval(), score=lambda outputs: outputs["humn"][:, 0, 0]),
        "the score '<lambda>' could not be computed from what the model returns: KeyError, 'humn'",
    ),
    "a score of another shape": (
        explain(GOOD, model=Trunk().eval(), score=lambda outputs: outputs["human"][:, 0], reverse_complement=True),
        r"the score '<lambda>' returned a tensor of shape \(1, 7\), for 1 samples: return a tensor, one number",
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
    "a code that is no share": (explain(GOOD, unknown=2), "unknown=2: expected a number from 0 to 1"),
    "a code that is no number": (explain(GOOD, unknown=float("nan")), "unknown=nan: expected a number from 0 to 1"),
    "bins that are no numbers": (lambda files: track("human", 0, [0.5]), r"bins=\[0\.5\]: pass a slice"),
    "a logo without letters": (
        lambda files: SequenceExplainer(cnn())(GOOD).logo(30, 40),
        "no letter from 24 to 24 of 24 to draw",
    ),
    "a reference that fails": (
        explain({"s1": GOOD}, reference=lambda record: record.sequence),
        "the reference of 's1' could not be made: AttributeError, 'Record' object has no attribute 'sequence'",
    ),
    "a reference that would be padded otherwise": (
        explain({"s1": GOOD}, length=30, reference=GOOD[:-1]),
        "a reference of 's1' has not 24 letters",
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
    "a misspelt setting": (explain(GOOD, bacth_size=2), "unknown setting 'bacth_size'; did you mean 'batch_size'"),
    "a misspelt setting of the adapter": (explain(GOOD, refernces=2), "did you mean 'references'"),
    "a setting that is not for users": (explain(GOOD, unit="a"), "unknown setting 'unit'"),
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
def test_one_clear_error(name, files):
    run, message = CASES[name]
    with pytest.raises(DomainError, match=message) as raised:
        run(files)
    assert "\n" not in str(raised.value).strip()


def test_good_sequences_raise_nothing(files):
    assert len(SequenceExplainer(cnn())(sequences(2))) == 2


def test_an_unknown_letter_of_a_later_part_is_found_before_the_first(files):
    with pytest.raises(DomainError, match="sequence 'b' has 'R' at position 24"):
        explain_set(SequenceExplainer(cnn()), {"a": GOOD, "b": GOOD[:-1] + "R"}, files.folder / "a.parquet", part=1)
    assert not [path for path in files.folder.iterdir() if path.name.startswith(".a")]
