"""Cells as genes ranked by expression, in the manner of Geneformer (Theodoris et al. 2023, Nature 618:616)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ... import capture
from ...domain import Read, check_choice
from ..errors import CohortError, choices, listed
from .reading import outputs_of

TARGET_SUM = 10_000.0
# The names of position embeddings in the transformers library; rotary ones are not added to tokens and have none.
POSITIONS = ("position_embeddings", "embed_positions", "wpe")


@dataclass(frozen=True)
class RankTokens:
    """How a transformer reads a cell: its expressed genes as tokens, the highest first.

    Counts are scaled to 10,000 per cell and divided by each gene's median, so that genes that are high everywhere don't
    come first everywhere. Expression enters only through the order of tokens, that is through their positions: a gene's
    relevance is that of its word embedding plus that of its position embedding.

    Attributes
    ----------
    tokens, medians
        For each of the model's genes its token, and the number that its counts are divided by.
    most
        The largest number of tokens per cell; a warning is given if expressed genes are cut.
    first, last
        The tokens before and after all genes; none if None. Their relevance belongs to no gene.
    padding
        The token at masked positions.
    embeddings
        The embeddings whose relevance is a gene's: ``"both"``, the ``"word"`` embedding (the gene's presence), or the
        ``"position"`` embedding (its rank). The latter two sum to the first.
    """

    tokens: Tensor = field(repr=False)
    medians: Tensor = field(repr=False)
    most: int = 2048
    first: int | None = None
    last: int | None = None
    padding: int = 0
    embeddings: str = "both"

    def __post_init__(self) -> None:
        check_choice("choice of embeddings", self.embeddings, ("both", "word", "position"))
        if self.most <= (special := (self.first is not None) + (self.last is not None)):
            raise CohortError(
                f"most is {self.most} tokens per cell, {special} of them are not genes: none is left for a gene"
            )

    @classmethod
    def of(
        cls,
        genes: Sequence[str],
        dictionary: Mapping[str, int],
        medians: Mapping[str, float],
        *,
        most: int = 2048,
        first: str | None = None,
        last: str | None = None,
    ) -> "RankTokens":
        """Create rank tokens from a model's dictionary and medians, by gene.

        Examples
        --------
        >>> reading = RankTokens.of(genes, dictionary, medians, first="<cls>", last="<eos>")
        >>> model = gene_model(bert, genes, classes, layer="counts", normalisation="counts", reading=reading)
        """
        for what, table in (("dictionary", dictionary), ("medians", medians)):
            if absent := [gene for gene in genes if gene not in table]:
                raise CohortError(
                    f"{len(absent)} of {len(genes)} genes are not in the {what}: {listed(absent, 5)}; drop them"
                )
        for token in (first, last):
            if token is not None and token not in dictionary:
                raise CohortError(f"unknown token '{token}'; {choices(token, dictionary)}")
        values = torch.tensor([float(medians[gene]) for gene in genes], dtype=torch.float64)
        if not (torch.isfinite(values) & (values > 0)).all():
            raise CohortError("a gene's median is 0 or not finite; compute medians over cells that express the gene")
        return cls(
            tokens=torch.tensor([int(dictionary[gene]) for gene in genes]),
            medians=values,
            most=most,
            first=None if first is None else int(dictionary[first]),
            last=None if last is None else int(dictionary[last]),
            padding=int(dictionary.get("<pad>", 0)),
        )

    def encode(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Convert counts to token ids, whether each isn't padding, and their genes (-1 for none): cells x tokens."""
        scaled = counts.double() / counts.double().sum(1, keepdim=True).clamp(min=1e-12) * TARGET_SUM
        ranked = scaled / self.medians.to(counts.device)
        expressed = (counts > 0).sum(1)
        most_genes = self.most - (self.first is not None) - (self.last is not None)
        if int(expressed.max()) > most_genes:
            warnings.warn(  # in the same words for each batch, so that it is shown once
                f"some cells express more genes than the {most_genes} that the model reads; those ranked lowest are "
                "cut and have no relevance",
                stacklevel=2,
            )

        length = max(1, min(int(expressed.max()), most_genes))
        order = ranked.argsort(dim=1, descending=True, stable=True)[:, :length]
        real = torch.arange(length, device=counts.device) < expressed[:, None]
        genes = order.masked_fill(~real, -1)
        ids = self.tokens.to(counts.device)[order].masked_fill(~real, self.padding)

        if self.last is not None:  # after the last gene of each cell, not after the padding
            ids = nn.functional.pad(ids, (0, 1), value=self.padding)
            genes, real = nn.functional.pad(genes, (0, 1), value=-1), nn.functional.pad(real, (0, 1), value=False)
            end = expressed.clamp(max=most_genes)[:, None]
            ids, real = ids.scatter(1, end, self.last), real.scatter(1, end, True)
        if self.first is not None:
            ids = nn.functional.pad(ids, (1, 0), value=self.first)
            genes, real = nn.functional.pad(genes, (1, 0), value=-1), nn.functional.pad(real, (1, 0), value=True)
        return ids, real, genes

    def __call__(self, network: nn.Module, values: Tensor) -> Read[Tensor]:
        """Run a transformer of the transformers library on some cells' counts."""
        word = self._word_embedding(network)
        ids, real, genes = self.encode(values)
        words = [name for name, module in network.named_modules() if module is word]
        positions = [
            name
            for name, module in network.named_modules()
            if name.endswith(POSITIONS) and isinstance(module, nn.Embedding)
        ]
        with _positions_per_cell(network, positions, ids.shape), capture(network, *words, *positions) as captured:
            outputs = outputs_of(network(input_ids=ids, attention_mask=real.to(ids.dtype)))
        if self.embeddings == "position" and not positions:
            raise CohortError("the network adds no position embeddings, so they have no relevance; use 'both'")
        chosen = {"both": words + positions, "word": words, "position": positions}[self.embeddings]
        sources = tuple(embedding for name, embedding in captured.items() if name in chosen)

        def per_gene(relevances: Sequence[Tensor]) -> Tensor:
            by_token = sum(relevance.sum(-1) for relevance in relevances)
            by_gene = torch.zeros(len(values), values.shape[1] + 1, dtype=by_token.dtype, device=by_token.device)
            by_gene.scatter_add_(1, genes.where(genes >= 0, values.shape[1]), by_token)
            return by_gene[:, :-1]  # the last column is that of tokens that are not genes

        return Read(outputs, sources, per_unit=per_gene)

    def _word_embedding(self, network: nn.Module) -> nn.Module:
        """Return a network's word embedding after checking that these tokens fit it."""
        try:
            word = network.get_input_embeddings()
        except (AttributeError, NotImplementedError) as error:
            raise CohortError(
                f"'{type(network).__name__}' is not a model of the transformers library, which rank tokens are for; "
                "declare how it reads cells: gene_model(..., reading=...)"
            ) from error
        highest, size = int(self.tokens.max()), word.num_embeddings
        if highest >= size:
            raise CohortError(
                f"the dictionary has tokens up to {highest}, but the network only knows 0 to {size - 1}; is it the "
                "dictionary that the network was trained with?"
            )
        limit = getattr(getattr(network, "config", None), "max_position_embeddings", None)
        if limit is not None and self.most > limit:
            raise CohortError(
                f"most is {self.most} tokens per cell, but the network reads {limit}; declare most: {limit}"
            )
        return word


@contextmanager
def _positions_per_cell(network: nn.Module, names: Sequence[str], shape: torch.Size) -> Iterator[None]:
    """Temporarily expand position embeddings to every cell; models look them up once per batch.

    Position ids could be passed instead, but models count them differently: some begin after the padding token.
    """
    handles = [
        network.get_submodule(name).register_forward_hook(lambda module, args, output: output.expand(*shape, -1))
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
