"""Tokenizers of whole words, with BERT's special tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


def like_bert(words: Tokenizer, **options: Any) -> PreTrainedTokenizerFast:
    """Return a tokenizer of transformers that puts [CLS] before a text and [SEP] after it.

    Parameters
    ----------
    words
        That of the library tokenizers, whose vocabulary has the special tokens.
    options
        Of ``PreTrainedTokenizerFast``.
    """
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    ends = [(token, words.token_to_id(token)) for token in (SPECIAL["cls"], SPECIAL["sep"])]
    words.post_processor = TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    names = {f"{name}_token": token for name, token in SPECIAL.items()}
    return PreTrainedTokenizerFast(tokenizer_object=words, **names, **options)
