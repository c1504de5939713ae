"""Explanations without Python: a function and its relevance, recorded once per shape of its inputs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ..errors import RelevanceError
from ..explained import Explained, tensors_of
from ..ledger import Ledger
from ..rules.rulesets import RuleSet
from .archive import save
from .backends import Backend, backend_of
from .request import Request, request_of
from .variants import Variants

Tensor = torch.Tensor


def compile(
    function: Callable[..., Tensor | tuple[Tensor, Explained]],
    example_inputs: Tensor | Sequence[Tensor],
    *,
    references: Tensor | Sequence[Tensor] | None = None,
    rules: RuleSet | None = None,
    backend: str = "eager",
    ledger: bool = False,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
    shapes: int = 16,
) -> Compiled:
    """Return a function that computes scores and relevance without running Python code of the model or of the rules.

    The forward pass and the relevance pass are recorded as one graph of tensor operations, which computes the same
    numbers. Whatever Python read from a tensor meanwhile is a condition of the graph: where one doesn't hold, the
    function is recorded once more, or explained as usual.

    Parameters
    ----------
    function
        ``function(*inputs)`` returns the scores, which are summed, or a pair of the scores and the tensors to explain,
        such as those that `capture` keeps: one tensor, a sequence or a mapping.
    example_inputs
        Inputs to record it with: tensors. They are explained, and so must be floating-point, unless the function
        returns a pair.
    references
        Examples of references, one tensor per input, for relevance against references as by `relevance_against`.
    rules
        Default is `ATTN_LRP`, against references `SECANT`.
    backend
        ``"eager"``: run the recorded operations one by one. ``"inductor"``: compile them, which takes up to a minute
        per shape and requires a C++ compiler. ``"cudagraphs"``: replay them as one launch on a GPU.
    ledger
        Whether the callable also returns the `Ledger`.
    model, unknown
        As in `relevance`.
    shapes
        For how many shapes of the inputs recordings are kept; the least recently used are dropped.

    Returns
    -------
    A callable that takes inputs like the examples (and ``references=``) and returns ``(score, relevance)``: the scores,
    or their differences from those of the references, and relevance in the structure of what is explained. With
    ``ledger=True`` it returns ``(score, relevance, ledger)``. It can be saved; see `Compiled.save`.

    Weights are shared with the model, so an update counts. Inputs of another shape, dtype or device are recorded on
    first use. For each, the first inputs other than the examples are also explained as usual and compared.

    Raises
    ------
    RelevanceError
        An argument isn't valid, the backend can't compile the graph here, ... Also the errors of `relevance`.

    Examples
    --------
    >>> explain = compile(lambda x: model(x)[:, 3], x)
    >>> score, r = explain(x)

    Of words, from token ids:

    >>> def of_words(ids, mask):
    ...     with capture(model, "*word_embeddings") as kept:
    ...         scores = model(input_ids=ids, attention_mask=mask).logits[:, 1]
    ...     return scores, kept
    >>> explain = compile(of_words, (ids, mask))
    """
    request = request_of(function, rules, model, unknown, ledger=ledger, against=references is not None)
    compiled = Compiled(request, backend_of(backend), shapes)
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    compiled.record(*inputs, references=references)
    return compiled


class Compiled:
    """Scores and relevance from recorded graphs; see `compile`."""

    def __init__(self, request: Request, backend: Backend, shapes: int) -> None:
        if shapes < 1:
            raise RelevanceError(f"shapes={shapes}: expected at least 1")
        self._request, self._backend, self._most = request, backend, shapes
        self._count: int | None = None
        self._variants: OrderedDict[tuple, Variants] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        recorded = sum(variants.is_recorded for variants in self._variants.values())
        return f"Compiled({self._request.rules.name}, backend {self._backend.name!r}, {recorded} shapes recorded)"

    def __call__(
        self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Explained] | tuple[Tensor, Explained, Ledger]:
        """Return the scores and the relevance for inputs like the examples, and if requested the ledger."""
        tensors = self._checked(inputs, references)
        results, rows = self._of_shape(tensors).results(tensors)
        score, relevance = results["score"], results["relevance"]
        if rows is None:
            return score, relevance
        return score, relevance, rows.ledger(results["numbers"], tensors_of(relevance))

    def record(self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None) -> None:
        """Record the function for the shapes of these inputs ahead of the first call."""
        tensors = self._checked(inputs, references)
        self._of_shape(tensors).record(tensors)

    def is_recorded(self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None) -> bool:
        """Return whether there is a recording for the shapes of these inputs."""
        variants = self._variants.get(_key(self._checked(inputs, references)))
        return variants is not None and variants.is_recorded

    def save(self, file: str | Path, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None) -> None:
        """Save the recording for the shapes of these inputs as a file that `load_compiled` reads.

        The file (a ``.pt2`` of torch.export) holds the operations and the weights, which it names as the model does,
        and no code: the model's package isn't required to run it.

        Raises
        ------
        RelevanceError
            These inputs can't be recorded, or torch.export can't represent the recording.
        """
        tensors = self._checked(inputs, references)
        save(self._of_shape(tensors).recording(tensors), tensors, file, against=self._request.against)

    def _of_shape(self, tensors: tuple[Tensor, ...]) -> Variants:
        """Return the recordings for the shapes of some inputs; drop those that were not used for longest."""
        key = _key(tensors)
        with self._lock:
            if key not in self._variants:
                self._variants[key] = Variants(self._request, self._backend)
            self._variants.move_to_end(key)
            while len(self._variants) > self._most:
                self._variants.popitem(last=False)
            return self._variants[key]

    def _checked(self, inputs: Sequence[Tensor], references: Tensor | Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        """Return all tensors, after checks."""
        if (references is not None) is not self._request.against:
            raise RelevanceError(
                "references= must be passed to every call, as it was to compile"
                if self._request.against
                else "to explain against references, pass examples of them to compile: compile(..., references=...)"
            )
        others = (references,) if isinstance(references, Tensor) else tuple(references or ())
        for name, tensors in (("inputs", inputs), ("references", others)):
            for number, x in enumerate(tensors):
                if not isinstance(x, Tensor):
                    raise RelevanceError(
                        f"{name}[{number}] is a {type(x).__name__}, not a tensor: let the function close over "
                        "everything that is not a tensor"
                    )
        count = len(inputs) if self._count is None else self._count
        if not inputs or len(inputs) != count or (self._request.against and len(others) != count):
            raise RelevanceError(
                f"expected {count or 'at least one'} inputs{' and as many references' * self._request.against}, got "
                f"{len(inputs)}{f' and {len(others)}' * self._request.against}"
            )
        self._backend.check((*inputs, *others))
        self._count = count
        return tuple(x.detach().contiguous() for x in (*inputs, *others))


def _key(tensors: Sequence[Tensor]) -> tuple:
    """Return what recordings are kept by: everything that decides which operations run, but for values."""
    devices = {x.device.type for x in tensors}
    autocast = tuple((d, torch.get_autocast_dtype(d)) for d in sorted(devices) if torch.is_autocast_enabled(d))
    return tuple((x.shape, x.dtype, x.device) for x in tensors), autocast
