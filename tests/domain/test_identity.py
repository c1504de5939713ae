"""What was asked, as text: other for other requests, and the same in another process."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrp_domains import EPSILON_GAMMA_BOX
from lrp_domains.domain.runs.identity import identity_of, weights_of


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return self.scale * x

    def call(self, x):
        return self(x)


def scaled(scale):
    return lambda x: scale * x


def of_keyword(*, scale):
    return lambda x, *, scale=scale: scale * x


DIFFER = {
    "text": ("a", "b"),
    "number": (1, 1.0),
    "list": ([1, 2], [2, 1]),
    "nested": ([[1], 2], [1, [2]]),
    "mapping": ({"a": 1}, {"a": 2}),
    "large arrays": (np.arange(5000), np.where(np.arange(5000) == 2500, 0, np.arange(5000))),
    "complex tensors": (torch.tensor([1 + 1j]), torch.tensor([1 + 2j])),
    "quantised tensors": tuple(
        torch.quantize_per_tensor(x, 0.1, 0, torch.qint8) for x in (torch.zeros(2), torch.ones(2))
    ),
    "sparse tensors": (torch.zeros(2, 2).to_sparse(), torch.eye(2).to_sparse()),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "dtype": (np.zeros(2, np.float32), np.zeros(2, np.int32)),
    "objects": (np.array(["a", None]), np.array(["b", None])),
    "large tensors": (torch.zeros(5000), torch.zeros(5000).index_fill(0, torch.tensor([2500]), 1)),
    "pictures": (Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "red")),
    "functions": (np.mean, np.median),
    "partial": (partial(np.mean, axis=0), partial(np.mean, axis=1)),
    "partial of": (partial(scaled(1), 2), partial(scaled(2), 2)),
    "constants of functions": (lambda x: x[0], lambda x: x[1]),
    "operations of functions": (lambda x: x + x, lambda x: x * x),
    "names in functions": (lambda x: x.relu(), lambda x: x.tanh()),
    "functions in functions": (lambda x: [y + 1 for y in x], lambda x: [y + 2 for y in x]),
    "what functions hold": (scaled(1), scaled(2)),
    "defaults": (lambda x, y=1: x * y, lambda x, y=2: x * y),
    "defaults of keywords": (of_keyword(scale=1), of_keyword(scale=2)),
    "attributes": (Scaled(1), Scaled(2)),
    "methods": (Scaled(1).call, Scaled(2).call),
    "bounds": (EPSILON_GAMMA_BOX(torch.zeros(2), torch.ones(2)), EPSILON_GAMMA_BOX(-torch.ones(2), torch.ones(2))),
}


@pytest.mark.parametrize("name", DIFFER)
def test_what_differs_has_another_identity(name):
    one, other = DIFFER[name]
    assert identity_of(one) != identity_of(other)
    assert identity_of([one, other]) == identity_of([one, other]) != identity_of([other, one])


def test_copies_have_the_same_identity():
    array, tensor = np.arange(6.0).reshape(2, 3), torch.arange(6.0).requires_grad_()
    assert identity_of(array) == identity_of(np.asfortranarray(array))
    assert identity_of(tensor) == identity_of(tensor.detach().clone())
    assert identity_of(torch.arange(6.0, dtype=torch.bfloat16)) == identity_of(tensor)
    assert identity_of(torch.arange(6.0).to_sparse()) == identity_of(torch.arange(6.0))
    assert identity_of({"a": [lambda x: x]}) == identity_of({"a": [lambda x: x]})
    assert identity_of([scaled(1), Scaled(1)]) == identity_of([scaled(1), Scaled(1)])


def test_what_contains_itself_has_an_identity():
    one, other = Scaled(1), Scaled(2)
    one.self, other.self = [one], [other]
    assert identity_of(one) == identity_of(one) != identity_of(other)


def test_weights_are_identified_by_name_and_content():
    one, other = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    assert weights_of(one) == weights_of(other)
    other.running_mean[1] = 1.0
    assert weights_of(one) != weights_of(other)
    assert weights_of(torch.nn.ModuleDict({"a": one})) != weights_of(torch.nn.ModuleDict({"b": one}))


def test_a_file_is_identified_by_its_state_not_its_place(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_text("content")
        os.utime(tmp_path / folder / "a.png", ns=(10, 10))
    here, there = tmp_path / "here" / "a.png", tmp_path / "there" / "a.png"
    assert identity_of(here) == identity_of(there) != identity_of(Path("a.png"))
    there.write_text("content.")
    assert identity_of(here) != identity_of(there)


def test_another_process_has_the_same_identity():
    code = (
        "import torch; from lrp_domains.domain.runs.identity import identity_of\n"
        "def score(outputs): return [outputs[0] for name in outputs if name in {'a', 'b', 'c', 'd'}]\n"
        "print(identity_of([score, torch.nn.Linear(2, 3), torch.float32, {'a': {1: (2.5, None)}}]))"
    )
    seen = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
        for environment in (dict(os.environ) | {"PYTHONHASHSEED": seed} for seed in ("1", "2"))
    }
    assert len(seen) == 1 and "score" in seen.pop()
