"""How many tokens a model can read at once."""

from torch import nn

# Tokenizers that know no limit say a number beyond this.
_NO_LIMIT = 10**9


def longest(model: nn.Module, tokenizer) -> int | None:
    """Give the most tokens of a text, added ones included, or None if nothing tells of a limit."""
    limits = [getattr(tokenizer, "model_max_length", None), _positions(model)]
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
    return min(known, default=None)


def _positions(model: nn.Module) -> int | None:
    config = model.config
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if not isinstance(positions, int):
        return None
    for module in model.modules():
        # RoBERTa and its kin count positions from behind that of padding.
        if isinstance(module, nn.Embedding) and module.num_embeddings == positions and module.padding_idx is not None:
            return positions - module.padding_idx - 1
    return positions
