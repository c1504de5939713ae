"""Saved explanations: the same numbers without the model's code, weights by name, no code, whole files or none."""

import subprocess
import sys

import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F

from lrp_domains import CP_LRP, RelevanceError, SavedExplanation, capture, compile, load_compiled
from lrp_domains.core.compiled import archive

from .compiled_calls import same, usual


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3)).eval()


@pytest.fixture
def x():
    return torch.randn(4, 5)


@pytest.fixture
def saved(model, x, tmp_path):
    file = tmp_path / "saved.pt2"
    compile(lambda x: model(x)[:, 1], x).save(file, x)
    return file


def test_it_computes_the_same(model, x, saved):
    explain = load_compiled(saved)
    assert isinstance(explain, SavedExplanation)
    for y in (x, -x, 3 * x):
        assert same(explain(y), usual(lambda x: model(x)[:, 1], y))
    assert list(saved.parent.iterdir()) == [saved]


def test_it_has_weights_of_its_own(model, x, saved):
    before = load_compiled(saved)(x)
    nn.init.zeros_(model[0].weight)
    assert same(load_compiled(saved)(x), before)


WITHOUT_TRANSFORMERS = """
import sys
sys.modules["transformers"] = None
import torch
from lrp_domains import load_compiled
inputs, expected = torch.load(sys.argv[2])
torch.set_num_threads(1)
explain = load_compiled(sys.argv[1])
for tensors, (score, relevance) in zip(inputs, expected, strict=True):
    actual = explain(*tensors)
    assert torch.equal(actual[0], score) and list(actual[1]) == list(relevance)
    assert all(torch.equal(actual[1][name], relevance[name]) for name in relevance)
assert sys.modules["transformers"] is None
print("same")
"""


@pytest.mark.slow
def test_it_runs_where_the_model_cannot_be_imported(tmp_path):
    config = transformers.BertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=24, num_hidden_layers=2, num_labels=3, vocab_size=50
    )
    model = transformers.BertForSequenceClassification(config).eval()

    def function(ids, mask):
        with capture(model, "*word_embeddings") as kept:
            scores = model(input_ids=ids, attention_mask=mask).logits[:, 1]
        return scores, kept

    mask = torch.ones(2, 7, dtype=torch.int64)
    inputs = [(torch.randint(50, (2, 7)), mask) for _ in range(3)]
    compile(function, inputs[0]).save(tmp_path / "bert.pt2", *inputs[0])
    torch.save((inputs, [usual(function, *tensors) for tensors in inputs]), tmp_path / "expected.pt")
    arguments = [sys.executable, "-c", WITHOUT_TRANSFORMERS, tmp_path / "bert.pt2", tmp_path / "expected.pt"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.stdout == "same\n", result.stderr

    names = set(load_compiled(tmp_path / "bert.pt2").recording.graph.state_dict())
    assert {"bert.encoder.layer.0.attention.self.query.weight", "classifier.bias"} <= names
    of_model = set(dict(model.named_parameters()) | dict(model.named_buffers()))
    assert {name for name in names if not name.startswith("_tensor_constant")} <= of_model


def test_weights_of_modules_that_are_called_one_by_one_are_not_confused(x, tmp_path):
    """Each of them has parameters of the same names and shapes."""
    first, second, bare = nn.Linear(5, 5), nn.Linear(5, 5), nn.Parameter(torch.randn(5))

    def function(x):
        return second(F.gelu(first(x)) * bare)[:, 1]

    explain = compile(function, x)
    explain.save(tmp_path / "saved.pt2", x)
    loaded = load_compiled(tmp_path / "saved.pt2")
    assert same(loaded(-x), usual(function, -x))
    names = {name for name, _ in loaded.recording.graph.named_parameters()}
    assert {"Linear_0.weight", "Linear_1.weight"} < names

    model = nn.ModuleDict({"first": first, "second": second})
    compile(function, x, model=model).save(tmp_path / "named.pt2", x)
    named = load_compiled(tmp_path / "named.pt2")
    assert same(named(-x), usual(function, -x))
    assert {"first.weight", "second.bias"} < {name for name, _ in named.recording.graph.named_parameters()}


def test_tied_weights_are_saved_once(x, tmp_path):
    model = nn.Sequential(nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 5))
    model[2].weight = model[0].weight
    compile(lambda x: model(x)[:, 1], x).save(tmp_path / "saved.pt2", x)
    loaded = load_compiled(tmp_path / "saved.pt2")
    assert same(loaded(-x), usual(lambda x: model(x)[:, 1], -x))
    assert [p.shape for p in loaded.recording.graph.parameters()].count((5, 5)) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.complex64], ids=str)
def test_dtypes(dtype, tmp_path):
    weight, x = torch.randn(5, 5, dtype=dtype), torch.randn(4, 5, dtype=dtype)

    def function(x):
        y = x @ weight
        return (y.real if y.is_complex() else y).sum(-1)

    compile(function, x).save(tmp_path / "saved.pt2", x)
    assert same(load_compiled(tmp_path / "saved.pt2")(2 * x), usual(function, 2 * x))


def test_structures_survive(model, x, tmp_path):
    def mapping(x):
        with capture(model, "1", "0") as kept:
            return model(x)[:, 1], {"b": kept["1"], "a": kept["0"]}

    def several(x, y):
        return (model(x) * model(y))[:, 1]

    for name, function, inputs in (("mapping", mapping, (x,)), ("several", several, (x, -x))):
        compile(function, inputs).save(tmp_path / f"{name}.pt2", *inputs)
        loaded = load_compiled(tmp_path / f"{name}.pt2")
        others = tuple(2 * x for x in inputs)
        assert same(loaded(*others), usual(function, *others))
    assert list(load_compiled(tmp_path / "mapping.pt2")(x)[1]) == ["b", "a"]


def test_the_ledger_survives(model, x, tmp_path):
    explain = compile(lambda x: model(x)[:, 1], x, ledger=True, rules=CP_LRP, model=model)
    explain.save(tmp_path / "saved.pt2", x)
    for y in (x, 2 * x):
        expected, actual = explain(y), load_compiled(tmp_path / "saved.pt2")(y)
        assert same(actual[:2], expected[:2])
        assert str(actual[2]) == str(expected[2]) and actual[2].notes == expected[2].notes
        assert actual[2].leaves == expected[2].leaves and actual[2].residue == expected[2].residue
        assert torch.equal(actual[2].relevance[0], expected[2].relevance[0])


def test_references_survive(model, x, tmp_path):
    references = torch.randn(4, 5)
    explain = compile(lambda x: model(x)[:, 1], x, references=references)
    explain.save(tmp_path / "saved.pt2", x, references=references)
    loaded = load_compiled(tmp_path / "saved.pt2")
    assert same(loaded(2 * x, references=-references), explain(2 * x, references=-references))
    with pytest.raises(RelevanceError, match="inputs, then references"):
        loaded(x)


# ---- Calls that can't be answered


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x[:2],), r"\(4, 5\) torch.float32, not \(2, 5\)"),
        (lambda x: (x.double(),), "not .* torch.float64"),
        (lambda x: (x, x), "pad or cut them"),
        (lambda x: (), "pad or cut them"),
        (lambda x: (x.tolist(),), "expected tensors, got list"),
    ],
)
def test_other_inputs_are_refused(x, saved, change, message):
    with pytest.raises(RelevanceError, match=message):
        load_compiled(saved)(*change(x))


def test_another_branch_is_refused(x, tmp_path):
    weight = torch.randn(5, 5)

    def function(x):
        return (x @ weight if x.detach()[0, 0] > 0 else x * x).sum(-1)

    x = x.abs()
    compile(function, x).save(tmp_path / "saved.pt2", x)
    loaded = load_compiled(tmp_path / "saved.pt2")
    assert same(loaded(2 * x), usual(function, 2 * x))
    with pytest.raises(RelevanceError, match=r"doesn't hold for these inputs \(.*test_compiled_saving.py:\d+ reads"):
        loaded(-x)


def test_what_cannot_be_recorded_cannot_be_saved(x, tmp_path):
    with pytest.warns(UserWarning, match="can't be compiled"):
        explain = compile(lambda x: (x + torch.rand(4, 5)).sum(-1), x)
    with pytest.raises(RelevanceError, match="can't be recorded for these inputs"):
        explain.save(tmp_path / "saved.pt2", x)
    assert not list(tmp_path.iterdir())


# ---- Files


def test_a_file_is_written_whole_or_not_at_all(model, x, saved, monkeypatch):
    before = saved.read_bytes()

    def interrupted(program, partial, **options):
        partial.write_bytes(before[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.torch.export, "save", interrupted)
    for file in (saved, saved.with_name("new.pt2")):
        with pytest.raises(KeyboardInterrupt):
            compile(lambda x: model(x)[:, 1], x).save(file, x)
    assert list(saved.parent.iterdir()) == [saved] and saved.read_bytes() == before


def test_a_missing_folder_is_named(model, x, tmp_path):
    with pytest.raises(RelevanceError, match="missing' is not a folder"):
        compile(lambda x: model(x)[:, 1], x).save(tmp_path / "missing" / "saved.pt2", x)


def test_any_name_of_a_file_will_do(model, x, tmp_path):
    for name in ("saved", "saved.bin", "ä b.pt2"):
        compile(lambda x: model(x)[:, 1], x).save(str(tmp_path / name), x)
        assert same(load_compiled(str(tmp_path / name))(x), usual(lambda x: model(x)[:, 1], x))
