"""A new tokenizer and a new network for the demo."""

from collections.abc import Iterable, Sequence

from ..word_tokenizers import SPECIAL, like_bert


def new_tokenizer(texts: Iterable[str], longest: int):
    """Return a tokenizer like BERT's, but of whole words: those that occur at least twice.

    Words that occur once would be learnt by heart, and WordPiece breaks ties between its pieces at random.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    special = list(SPECIAL.values())
    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordLevelTrainer(min_frequency=2, special_tokens=special, show_progress=False)
    words.train_from_iterator(texts, trainer)
    return like_bert(words, model_max_length=longest)


def new_network(tokenizer, labels: Sequence[str], longest: int):
    """Return a BERT of two small layers with random weights."""
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
