"""Cells as genes ranked by expression, in the manner of Geneformer (Theodoris et al. 2023, Nature 618:616)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ... import capture
from ..errors import CohortError, choices, listed
from .input_spec import check_one_of
from .reading import Read, outputs_of

TARGET_SUM = 10_000.0
# What models of the transformers library call their position embeddings; rotary ones are no summands, and have none.
POSITIONS = ("position_embeddings", "embed_positions", "wpe")


@dataclass(frozen=True)
class RankTokens:
    """How a transformer reads a cell: its expressed genes as tokens, the highest first.

    Counts are scaled to 10,000 a cell and divided by each gene's median, so that genes that are high everywhere don't
    come first everywhere. Expression enters only through the order of tokens, that is through their positions: a gene's
    relevance is that of its word embedding and of its position embedding.

    Attributes
    ----------
    tokens, medians
        For each of the model's genes its token, and what its counts are divided by.
    most
        The most tokens of a cell; a warning says how many expressed genes are cut.
    first, last
        The tokens before and after all genes; none if None. What they hold is no gene's relevance.
    padding
        The token of places that are masked.
    embeddings
        Whose relevance is a gene's: of ``"both"``, of its ``"word"`` embedding (that the gene is there), or of its
        ``"position"`` embedding (its rank). The latter two add up to the first.
    """

    tokens: Tensor = field(repr=False)
    medians: Tensor = field(repr=False)
    most: int = 2048
    first: int | None = None
    last: int | None = None
    padding: int = 0
    embeddings: str = "both"

    def __post_init__(self) -> None:
        check_one_of("choice of embeddings", self.embeddings, ("both", "word", "position"))
        if self.most <= (special := (self.first is not None) + (self.last is not None)):
            raise CohortError(f"most is {self.most} tokens a cell, {special} of them no genes: none is left for a gene")

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
        """Take a model's own dictionary and medians, by gene.

        Examples
        --------
        >>> reading = RankTokens.of(genes, dictionary, medians, first="<cls>", last="<eos>")
        >>> model = gene_model(bert, genes, classes, layer="counts", normalisation="counts", reading=reading)
        """
        for what, table in (("dictionary", dictionary), ("medians", medians)):
            if absent := [gene for gene in genes if gene not in table]:
                raise CohortError(
                    f"{len(absent)} of {len(genes)} genes are not in the {what}: {listed(absent, 5)}; leave them out"
                )
        for token in (first, last):
            if token is not None and token not in dictionary:
                raise CohortError(f"there is no token '{token}'; {choices(token, dictionary)}")
        values = torch.tensor([float(medians[gene]) for gene in genes], dtype=torch.float64)
        if not (torch.isfinite(values) & (values > 0)).all():
            raise CohortError("a gene's median is 0 or not finite; medians are taken where a gene is expressed")
        return cls(
            torch.tensor([int(dictionary[gene]) for gene in genes]), values, most,
            None if first is None else int(dictionary[first]), None if last is None else int(dictionary[last]),
            int(dictionary.get("<pad>", 0)),
        )  # fmt: skip

    def encode(self, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give token ids, which places are not padding, and the gene of each place (-1 for none): cells x places."""
        scaled = counts.double() / counts.double().sum(1, keepdim=True).clamp(min=1e-12) * TARGET_SUM
        ranked = scaled / self.medians.to(counts.device)
        special = (self.first is not None) + (self.last is not None)
        expressed = (counts > 0).sum(1)
        room = self.most - special
        if int(expressed.max()) > room:
            warnings.warn(  # in the same words for each batch, so that it is shown once
                f"some cells express more genes than the {room} that the model reads; those ranked lowest are cut "
                "and have no relevance",
                stacklevel=2,
            )
        length = max(1, min(int(expressed.max()), room))
        order = ranked.argsort(dim=1, descending=True, stable=True)[:, :length]
        here = torch.arange(length, device=counts.device) < expressed[:, None]
        genes = order.masked_fill(~here, -1)
        ids = self.tokens.to(counts.device)[order].masked_fill(~here, self.padding)
        if self.last is not None:  # after a cell's own last gene, not after the padding
            ids, genes, here = (nn.functional.pad(one, (0, 1), value=empty) for one, empty in
                                ((ids, self.padding), (genes, -1), (here, False)))  # fmt: skip
            end = expressed.clamp(max=room)[:, None]
            ids, here = ids.scatter(1, end, self.last), here.scatter(1, end, True)
        if self.first is not None:
            ids = nn.functional.pad(ids, (1, 0), value=self.first)
            genes, here = nn.functional.pad(genes, (1, 0), value=-1), nn.functional.pad(here, (1, 0), value=True)
        return ids, here, genes

    def __call__(self, network: nn.Module, values: Tensor) -> Read:
        """Run a transformer of the transformers library on some cells' counts."""
        word = self._check(network)
        ids, here, genes = self.encode(values)
        words = [name for name, module in network.named_modules() if module is word]
        places = [name for name, module in network.named_modules()
                  if name.endswith(POSITIONS) and isinstance(module, nn.Embedding)]  # fmt: skip
        with _one_position_a_cell(network, places, ids.shape), capture(network, *words, *places) as kept:
            outputs = outputs_of(network(input_ids=ids, attention_mask=here.to(ids.dtype)))
        if self.embeddings == "position" and not places:
            raise CohortError("the network adds no position embeddings, so they have no relevance; take 'both'")
        wanted = {"both": words + places, "word": words, "position": places}[self.embeddings]
        sources = {name: one for name, one in kept.items() if name in wanted}

        def per_gene(relevances: Sequence[Tensor]) -> Tensor:
            by_place = sum(one.sum(-1) for one in relevances)
            found = torch.zeros(len(values), values.shape[1] + 1, dtype=by_place.dtype, device=by_place.device)
            found.scatter_add_(1, genes.where(genes >= 0, values.shape[1]), by_place)
            return found[:, :-1]

        return Read(outputs, tuple(sources.values()), per_gene)

    def _check(self, network: nn.Module) -> nn.Module:
        """Give a network's word embedding, if it has room for these tokens."""
        try:
            word = network.get_input_embeddings()
        except (AttributeError, NotImplementedError) as error:
            raise CohortError(
                f"'{type(network).__name__}' is no model of the transformers library, which rank tokens are for; say "
                "how yours reads cells: gene_model(..., reading=...)"
            ) from error
        highest, known = int(self.tokens.max()), word.num_embeddings
        if highest >= known:
            raise CohortError(
                f"the dictionary has tokens up to {highest}, but the network only knows 0 to {known - 1}; is it the "
                "dictionary that the network was trained with?"
            )
        limit = getattr(getattr(network, "config", None), "max_position_embeddings", None)
        if limit is not None and self.most > limit:
            raise CohortError(
                f"most is {self.most} tokens a cell, but the network reads {limit}; declare most: {limit}"
            )
        return word


@contextmanager
def _one_position_a_cell(network: nn.Module, names: Sequence[str], shape: torch.Size) -> Iterator[None]:
    """Let each cell have position embeddings of its own; models look them up once for a whole batch.

    Position ids could be given instead, but models count them differently: some begin behind the padding token.
    """
    handles = [
        network.get_submodule(name).register_forward_hook(lambda module, args, given: given.expand(*shape, -1))
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
