"""The demo's tokenizer and network, both new."""

from collections.abc import Iterable, Sequence

VOCABULARY = 2000


def new_tokenizer(texts: Iterable[str], longest: int):
    """Give a WordPiece tokenizer as BERT has it, its vocabulary made from texts."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    pieces = BertWordPieceTokenizer(lowercase=True)
    pieces.train_from_iterator(texts, vocab_size=VOCABULARY, min_frequency=2, show_progress=False)
    return BertTokenizerFast(tokenizer_object=pieces._tokenizer, model_max_length=longest)


def new_network(tokenizer, labels: Sequence[str], longest: int):
    """Give a BERT of two small layers, its weights drawn at random."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=longest,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    return BertForSequenceClassification(config)
