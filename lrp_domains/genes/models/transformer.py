"""The built-in transformer: each expressed gene of a cell is a token, and its value scales the gene's embedding."""

import torch
from torch import Tensor, nn


class GeneTransformer(nn.Module):
    """A small transformer over the expressed genes of a cell.

    ============ ==================================================================================
    tokens       ``t_g = x_g e_g``: the value of gene ``g`` times its embedding. No value, no token: a
                 gene with ``x_g = 0`` is masked, and its relevance is exactly zero.
    blocks       `torch.nn.TransformerEncoder`, norms first, so that ``t_g`` itself reaches the end
    pooled       ``sum_g h_g / sqrt(n)`` over the ``n`` expressed genes
    scores       one linear layer
    ============ ==================================================================================

    There are no positions: the order of genes has no meaning.

    Parameters
    ----------
    genes, outputs
        The number of inputs and of outputs.
    hidden
        The width of a token.
    dropout, input_dropout
        The share of hidden values, and of genes, that are dropped at random during training.
    tokens
        The largest number of genes to read per cell, by absolute value. Attention costs its square.
    layers, heads
        Number of layers of the encoder, and of their attention heads.
    """

    def __init__(
        self,
        genes: int,
        outputs: int,
        hidden: int = 32,
        dropout: float = 0.1,
        input_dropout: float = 0.2,
        tokens: int = 256,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.input_dropout = nn.Dropout(input_dropout)
        self.embedding = nn.Embedding(genes, hidden)
        layer = nn.TransformerEncoderLayer(hidden, heads, 2 * hidden, dropout, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, expression: Tensor) -> Tensor:
        """Compute the scores, cells x outputs."""
        values, embedding = expression, self.embedding.weight
        if self.tokens < expression.shape[1]:
            top = expression.detach().abs().topk(self.tokens, dim=1).indices
            values, embedding = expression.gather(1, top), self.embedding(top)

        # Counted before dropout, which scales up the remaining values: the sum stays as large as without it.
        expressed = (values != 0).sum(1, keepdim=True).clamp(min=1)
        values = self.input_dropout(values)
        absent = values == 0

        # A softmax over no token is NaN: an empty cell attends to a token of zeros, which isn't pooled.
        empty = absent.all(1, keepdim=True)
        masked = torch.cat([absent[:, :1] & ~empty, absent[:, 1:]], dim=1)
        states = self.blocks(values[:, :, None] * embedding, src_key_padding_mask=masked)
        pooled = states.masked_fill(absent[:, :, None], 0).sum(1) / expressed.sqrt()
        return self.head(pooled)
