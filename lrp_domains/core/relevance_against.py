"""Relevance against a reference: what the difference between an input and a reference changes in the score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch

from .completeness import notes_on_residue
from .difference import Difference, Request, differences, mean
from .errors import RelevanceError
from .explained import Explained, Tensors
from .ledger import Ledger, Rows, Sums
from .ledger_notes import Remarks
from .rules.rulesets import RuleSet
from .secants.rulesets import SECANT

Tensor = torch.Tensor


def relevance_against(
    function: Callable[..., Tensor | tuple[Tensor, Tensors | Mapping[str, Tensor]]],
    inputs: Tensor | Tensors,
    references: Tensor | Tensors,
    *,
    rules: RuleSet = SECANT,
    start: Tensor | None = None,
    selections: str = "own",
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> Explained:
    """Return the relevance of what differs between ``inputs`` and ``references`` for the difference of their scores.

    Under `SECANT` relevance is complete: for each sample it sums to ``f(input) - f(reference)``, for transformers too.
    The function runs once for the inputs and once per reference; one backward pass through the inputs' graph reads what
    both passes kept.

    Parameters
    ----------
    function
        The forward pass. ``function(*inputs)`` returns scores whose first dimension is the sample's, such as
        ``lambda e: model(inputs_embeds=e, attention_mask=mask).logits[:, 1]``; all entries are summed. It may also
        return a pair of scores and tensors that they were computed from, such as those that `capture` keeps: then these
        are explained instead of the inputs.
    inputs
        A tensor or a sequence of them, samples first. They aren't changed. Those that are explained are floating-point;
        token ids may be passed if the function returns the tensors to explain, such as embeddings.
    references
        For each input a tensor of its shape and dtype, or several of them stacked along a new first dimension: the
        relevance is then the mean over the references.
    rules
        `SECANT` (default), `SECANT_HALF`, or any rule set without layer rules: then g is computed at the input and
        multiplied by the difference, without completeness.
    start
        Relevance at the scores, of their shape, if it should differ from their difference.
    selections
        ``"own"``: sorts, top-k and argmax select from the reference what they select. ``"held"``: they select the
        entries that they selected from the input, as a mixture of experts requires, whose experts depend on the input.
        The score of the reference is then that of the same experts.
    model, unknown
        As in `relevance`.

    Returns
    -------
    Relevance of the shape of each input: a tensor for a tensor, a tuple for a sequence; for tensors that the function
    returned, in the structure in which it returned them.

    Raises
    ------
    RelevanceError
        A reference has another shape or dtype than its input, the function mixes samples or draws at random, it runs
        other operations for the references than for the inputs, ... Also the errors of `relevance`.

    References
    ----------
    Shrikumar et al. 2017 (DeepLIFT, arXiv 1704.02685), extended to products, norms and softmax: docs/method.md.

    Examples
    --------
    >>> relevance_against(lambda x: model(x)[:, 3], x, x.mean(0).expand_as(x)).shape
    torch.Size([8, 20])
    """
    request = Request(function, rules, start, selections, model, unknown)
    of_all = mean(differences(request, inputs, references))
    return of_all.structured(of_all.relevance)


def ledger_against(
    function: Callable[..., Tensor | tuple[Tensor, Tensors | Mapping[str, Tensor]]],
    inputs: Tensor | Tensors,
    references: Tensor | Tensors,
    *,
    rules: RuleSet = SECANT,
    start: Tensor | None = None,
    selections: str = "own",
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> Ledger:
    """Account for a difference of scores: ``f(input) - f(reference) = sum of relevance + residue``.

    The arguments are those of `relevance_against`, and so is the cost. What the model adds is the same in both passes,
    so that no leaves are left to account for: under `SECANT` the residue is 0 to rounding. Of several references, the
    ledger holds the mean.
    """
    request = Request(function, rules, start, selections, model, unknown)
    return sums_against(differences(request, inputs, references), request).ledger()


def sums_against(runs: Iterable[Difference], request: Request) -> Sums:
    """Compute the ledger of explanations against references, their mean."""
    of_all = mean(runs)
    score, relevance = of_all.explained, of_all.relevance
    numbers = torch.stack([score, *(r.double().sum().to(score.device) for r in relevance)])
    held = "the score of the reference is that of what the input selects: its experts, its sorted entries"
    always = (held,) if request.selections == "held" else ()
    remarks = Remarks(request.rules.name, always, residue=notes_on_residue(request.rules))
    return Sums(Rows(len(relevance), (), frozenset(), remarks), numbers, relevance, of_all.coefficients)


def draw_references(data: Tensor, inputs: Tensor, k: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return k references per input that are rows of a data set, drawn with replacement: ``(k, *inputs.shape)``.

    Relevance against them is what sets an input apart from the data set's average score.
    """
    if data.shape[1:] != inputs.shape[1:] or not len(data) or k < 1:
        raise RelevanceError(
            f"expected k >= 1 references out of rows of shape {tuple(inputs.shape[1:])}, got k={k} and "
            f"{len(data)} rows of shape {tuple(data.shape[1:])}"
        )
    rows = torch.randint(len(data), (k, len(inputs)), generator=generator)
    return data[rows.to(data.device)].to(inputs)
