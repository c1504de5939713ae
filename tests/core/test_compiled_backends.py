"""Backends other than eager: numbers to rounding, and what is said where one isn't available."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from lrp_domains import RelevanceError, compile, load_compiled

from .compiled_calls import recordings, same, usual, warned

COMPILER = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def model_of(kind=torch.float32):
    return nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 3)).eval().to(kind)


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None, reason="inductor requires a C++ compiler")
def test_inductor(tmp_path):
    model = model_of()

    def function(x):
        y = model(x)
        return y[:, 1] if x.detach()[0, 0] > 0 else y[:, 0]

    x = torch.rand(4, 5)
    explain, messages = warned(lambda: compile(function, x, backend="inductor"))
    for y in (x, 2 * x, -x, x):
        result, new = warned(explain, y)
        torch.testing.assert_close(result, usual(function, y), rtol=1e-5, atol=1e-6)
        messages += new
    assert recordings(explain) == 2 and not messages

    nn.init.ones_(model[3].weight)
    torch.testing.assert_close(explain(x), usual(function, x), rtol=1e-5, atol=1e-6)

    explain.save(tmp_path / "saved.pt2", x)
    assert same(load_compiled(tmp_path / "saved.pt2")(2 * x), usual(function, 2 * x))
    loaded = load_compiled(tmp_path / "saved.pt2", backend="inductor")
    torch.testing.assert_close(loaded(2 * x), usual(function, 2 * x), rtol=1e-5, atol=1e-6)


WITHOUT_COMPILER = """
import sys, torch
from lrp_domains import RelevanceError, compile, load_compiled
x = torch.rand(4, 5)
function = lambda x: (x * torch.sigmoid(x)).sum(-1)
compile(function, x).save(sys.argv[1], x)
calls = (lambda: compile(function, x, backend="inductor"), lambda: load_compiled(sys.argv[1], backend="inductor")(x))
for call in calls:
    try:
        call()
    except RelevanceError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_missing_compiler_is_said_in_one_line(tmp_path):
    environment = os.environ | {"CXX": "/nonexistent", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    arguments = [sys.executable, "-c", WITHOUT_COMPILER, str(tmp_path / "saved.pt2")]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    lines = result.stdout.splitlines()
    assert len(lines) == 2, result.stderr
    for line in lines:
        assert line.startswith("backend 'inductor' can't compile the explanation here (")
        assert line.endswith("use backend='eager'")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="cudagraphs requires a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_cudagraphs(dtype):
    model = model_of(dtype).cuda()

    def function(x):
        return model(x)[:, 1]

    x = torch.randn(4, 5, device="cuda", dtype=dtype)
    explain = compile(function, x, backend="cudagraphs")
    first = explain(x)
    copies = first[0].clone(), first[1].clone()
    for y in (2 * x, -x, x):
        torch.testing.assert_close(explain(y), usual(function, y))
    assert same(first, copies)  # the next launch writes to the same memory


def test_cudagraphs_needs_inputs_on_a_gpu(tmp_path):
    model, x = model_of(), torch.randn(4, 5)
    with pytest.raises(RelevanceError, match="needs all inputs on a GPU, not on cpu"):
        compile(lambda x: model(x)[:, 1], x, backend="cudagraphs")
    compile(lambda x: model(x)[:, 1], x).save(tmp_path / "saved.pt2", x)
    with pytest.raises(RelevanceError, match="needs all inputs on a GPU, not on cpu"):
        load_compiled(tmp_path / "saved.pt2", backend="cudagraphs")(x)


def test_backends_have_names():
    x = torch.randn(4, 5)
    compiled = compile(lambda x: x.square().sum(-1), x)
    assert "backend 'eager'" in repr(compiled)
