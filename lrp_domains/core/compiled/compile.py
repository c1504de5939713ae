"""Explanations without Python: a function and its relevance, recorded once per shape of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ..errors import RelevanceError
from ..explained import Explained, tensors_of
from ..ledger import Ledger
from ..rules.rulesets import RuleSet
from .archive import save
from .backends import backend_of
from .by_shape import ByShape
from .request import Request, request_of

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
    compiled = Compiled(request, ByShape(request.explain, backend_of(backend), shapes))
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    compiled.record(*inputs, references=references)
    return compiled


class Compiled:
    """Scores and relevance from recorded graphs; see `compile`."""

    def __init__(self, request: Request, recorded: ByShape) -> None:
        self._request, self._recorded = request, recorded
        self._count: int | None = None

    def __repr__(self) -> str:
        rules, backend = self._request.rules.name, self._recorded.backend.name
        return f"Compiled({rules}, backend {backend!r}, {len(self._recorded)} shapes recorded)"

    def __call__(
        self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Explained] | tuple[Tensor, Explained, Ledger]:
        """Return the scores and the relevance for inputs like the examples, and if requested the ledger."""
        tensors = self._checked(inputs, references)
        results, rows = self._recorded(*tensors)
        score, relevance = results["score"], results["relevance"]
        if rows is None:
            return score, relevance
        return score, relevance, rows.ledger(results["numbers"], tensors_of(relevance))

    def record(self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None) -> None:
        """Record the function for the shapes of these inputs ahead of the first call."""
        tensors = self._checked(inputs, references)
        self._recorded.at(tensors).record(tensors)

    def is_recorded(self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None) -> bool:
        """Return whether there is a recording for the shapes of these inputs."""
        return self._recorded.is_recorded(self._checked(inputs, references))

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
        save(self._recorded.at(tensors).recording(tensors), tensors, file, against=self._request.against)

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
        self._recorded.backend.check((*inputs, *others))
        self._count = count
        return tuple(x.detach().contiguous() for x in (*inputs, *others))
