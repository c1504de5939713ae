"""PyTorch's derivatives, on which the engine relies, against finite differences: in batches of one, in every layout."""

import contextlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterator

import pytest
import torch

from lrp_domains import ledger
from lrp_domains.core.graph.operations import OPERATIONS, OVERLOADS, operation

from .examples import EXAMPLES, NOT_ON_A_CPU, SINGLE

Tensor = torch.Tensor
# Tried in test_quantised.py.
OF_OTHER_PACKAGES = {
    "MatMul4Bit",
    "MatMul8bitFp",
    "MatMul8bitLt",
    "QuantizedLinearFunction",
    "WeightQBytesLinearFunction",
}


def as_tokens(t: Tensor) -> Tensor:
    """Store a tensor as (batch, tokens, channels), with other strides than channels_last for a batch of one."""
    return t.flatten(2).mT.contiguous().mT.view(t.shape) if t.ndim > 2 else t


# Memory layouts of the arguments, and of the gradient that arrives.
LAYOUTS = {
    "contiguous": lambda t: t,
    "as tokens": as_tokens,
}
ARRIVALS = LAYOUTS | {
    "batch last": lambda t: t.movedim(0, -1).contiguous().movedim(-1, 0) if t.ndim else t,
    "expanded": lambda t: t[..., :1].expand_as(t) if t.ndim else t,
    "a half": lambda t: torch.cat([t, t], -1)[..., : t.shape[-1]] if t.ndim else t,
}
# Operations whose backward pass raises unless the gradient is contiguous.
CONTIGUOUS_ONLY = {"ConvTbc", "GroupedMm"}
# Where torch 2.13 is wrong: the batch size, the layout of the gradient, the layout of the arguments.
MIXED = {(1, "as tokens", "contiguous"), (1, "contiguous", "as tokens"), (1, "batch last", "as tokens")}
WRONG = {"NativeBatchNorm": MIXED, "NativeBatchNorm, training": MIXED, "NativeBatchNormLegitNoTraining": MIXED}


@contextlib.contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def outputs(f: Callable, arguments: list[Tensor]) -> list[Tensor]:
    """Return the outputs of f that require grad: the values of a maximum but not its indices."""
    y = f(*arguments)
    return [t for t in (y if isinstance(y, tuple) else (y,)) if t.requires_grad]


def differences(f: Callable, arguments: list[Tensor], k: int, direction: Tensor, step: float) -> list[Tensor]:
    """Return the derivatives of the outputs of f along a direction of its k-th argument."""

    def at(distance: float) -> list[Tensor]:
        points = [x + distance * direction if i == k else x for i, x in enumerate(arguments)]
        return outputs(f, [x.detach().requires_grad_() for x in points])

    return [((high - low) / (2 * step)).detach() for high, low in zip(at(step), at(-step), strict=True)]


def inner(w: list[Tensor], change: list[Tensor]) -> tuple[float, float]:
    """Return the inner product of gradients and changes, and the sum of its terms' absolute values."""
    terms = torch.cat([(a.conj() * b).real.flatten() for a, b in zip(w, change, strict=True)])
    return terms.sum().item(), terms.abs().sum().item()


def nodes(y: list[Tensor]) -> set[str]:
    """Return the names of a graph's nodes, in the form of the examples' names."""
    seen, pending = set(), [t.grad_fn for t in y]
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            pending += [child for child, _ in node.next_functions]
    names = (re.sub(r"Backward(\d\w*)?$", r".\1", node.name().rsplit("::")[-1]) for node in seen)
    return {name.removesuffix(".0").removesuffix(".") for name in names}


def wrong_derivatives(name: str, dtype: torch.dtype, batch: int) -> Iterator[tuple]:
    """Yield where PyTorch and finite differences disagree: the layouts, which arguments require grad, both numbers."""
    f, shape = EXAMPLES[name]
    exact, step, tolerance = (torch.float32, 1e-3, 2e-3) if name in SINGLE else (torch.float64, 1e-6, 1e-6)
    tolerance = max(tolerance, 1e-4 if dtype == torch.float32 else 0)
    indices = range(sum(p.default is p.empty for p in inspect.signature(f).parameters.values()))

    with default(exact):
        points, directions = ([torch.randn(batch, *shape) for _ in indices] for _ in range(2))
        changes = [differences(f, points, k, directions[k], step) for k in indices]
    with default(dtype):
        y = outputs(f, [t.to(dtype).detach().requires_grad_() for t in points])
    arrivals = {
        arrival: [laid_out(torch.randn(t.shape, dtype=t.dtype)) for t in y]
        for arrival, laid_out in ARRIVALS.items()
        if arrival == "contiguous" or name not in CONTIGUOUS_ONLY
    }
    expected = {arrival: [inner(w, change) for change in changes] for arrival, w in arrivals.items()}

    singles = [([k], "contiguous") for k in indices if len(indices) > 1]
    for leaves, layout in [*((indices, layout) for layout in LAYOUTS), *singles]:
        with default(dtype):
            x = [LAYOUTS[layout](t.to(dtype)).detach().requires_grad_(k in leaves) for k, t in enumerate(points)]
            y = outputs(f, x)
        assert name.partition(",")[0] in nodes(y)
        for arrival, w in arrivals.items():
            gradients = torch.autograd.grad(y, [x[k] for k in leaves], w, retain_graph=True)
            for k, g in zip(leaves, gradients, strict=True):
                # a copy, as arithmetic with the symbolic zeros that some derivatives return imports the compiler
                derivative, (difference, size) = (g.clone() * directions[k]).sum().item(), expected[arrival][k]
                if not abs(derivative - difference) <= tolerance * size:
                    yield arrival, layout, [*leaves], k, derivative, difference


@pytest.mark.filterwarnings("ignore:.*(prototype stage|in beta)")
@pytest.mark.parametrize("name", EXAMPLES)
def test_derivatives_agree_with_finite_differences(name):
    dtypes = [torch.float32] if name in SINGLE else [torch.float64, torch.float32]
    runs = itertools.product(dtypes, (1, 2))
    wrong = [(batch, *case, dtype) for dtype, batch in runs for case in wrong_derivatives(name, dtype, batch)]
    assert [case for case in wrong if case[:3] not in WRONG.get(name, ())] == []


@pytest.mark.parametrize("norm", ["NativeBatchNorm", "NativeBatchNormLegitNoTraining"])
@pytest.mark.parametrize("tokens_first", [True, False])
def test_the_engine_does_not_rely_on_wrong_derivatives(norm, tokens_first):
    """An image has the same relevance alone as in a batch of two, and relevance is conserved."""
    shape = (16, 4) if tokens_first else (4, 4, 4)
    x, (w, b) = torch.randn(2, *shape, dtype=torch.float64), torch.randn(2, 1, 4, 4, 4, dtype=torch.float64)
    b.requires_grad_()

    def account(x):
        image = x.mT.view(-1, 4, 4, 4) if tokens_first else x
        y = EXAMPLES[norm][0](image, w, b)
        y = y.flatten(1) if tokens_first else y.flatten(2).mT.flatten(1)
        return ledger(y @ w.flatten(), x)

    with default(torch.float64):
        alone, in_batch = (account(part.clone().requires_grad_()) for part in (x[:1], x))
    torch.testing.assert_close(alone.relevance[0], in_batch.relevance[0][:1], rtol=1e-12, atol=1e-14)
    assert in_batch.balanced(1e-12)
    assert alone.balanced(1e-12)


def node(example: str) -> str:
    """Return the node's name from that of an example."""
    base, _, digit = example.partition(",")[0].partition(".")
    return f"{base}Backward{digit or 0}"


def test_every_operation_has_an_example():
    made = {node(example) for example in EXAMPLES}
    covered = {operation(name).base for name in made}
    rows = {base for base, row in OPERATIONS.items() if row.kind != "refused"}
    assert rows - covered <= NOT_ON_A_CPU.keys() | OF_OTHER_PACKAGES
    assert not covered & (NOT_ON_A_CPU.keys() | OF_OTHER_PACKAGES)
    assert OVERLOADS.keys() <= made
