"""Bad sequences, models and settings: one clear error each, which says what is wrong, where, and what to do."""

import pytest
from torch import nn

from lrp_domains.sequences import (
    SequenceExplainer,
    counts,
    profile,
    track,
)
from tests.genomics.bad_files import GOOD, Files, raises_one_error

from .small_models import BaseResolution, Trunk, bert, cnn, esm, kmer_tokenizer, sequences


def explain(sequences, *, model=None, call=None, **settings):
    return lambda files: SequenceExplainer(model or cnn(), **settings)(sequences, **(call or {}))


def tokens(letters, **settings):
    tokenizer = kmer_tokenizer(3)
    return lambda files: SequenceExplainer(bert(tokenizer), encode=tokenizer, **settings)(letters)


def protein(letters):
    def run(files):
        model, tokenizer = esm(files.folder)
        return SequenceExplainer(model, "protein", tokenizer)(letters)

    return run


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
    "batch norms in training mode": (
        explain(GOOD, model=nn.Sequential(cnn(), nn.BatchNorm1d(3).double())),
        r"training mode \('1', BatchNorm1d\).*model.eval\(\)",
    ),
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
    "a code that is no share": (explain(GOOD, unknown=2), "unknown=2: expected a number from 0 to 1"),
    "a code that is no number": (explain(GOOD, unknown=float("nan")), "unknown=nan: expected a number from 0 to 1"),
    "bins that are no numbers": (lambda files: track("human", 0, [0.5]), r"bins=\[0\.5\]: pass a slice"),
    "a reference that fails": (
        explain({"s1": GOOD}, reference=lambda record: record.sequence),
        "the reference of 's1' could not be made: AttributeError, 'Record' object has no attribute 'sequence'",
    ),
    "a reference that would be padded otherwise": (
        explain({"s1": GOOD}, length=30, reference=GOOD[:-1]),
        "a reference of 's1' has not 24 letters",
    ),
    "a misspelt setting": (explain(GOOD, bacth_size=2), "unknown setting 'bacth_size'; did you mean 'batch_size'"),
    "a misspelt setting of the adapter": (explain(GOOD, refernces=2), "did you mean 'references'"),
    "a setting that is not for users": (explain(GOOD, unit="a"), "unknown setting 'unit'"),
}


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(name, tmp_path):
    raises_one_error(*CASES[name], Files(tmp_path))


def test_good_sequences_raise_nothing():
    assert len(SequenceExplainer(cnn())(sequences(2))) == 2
