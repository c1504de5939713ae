"""Tokenizers of each kind that models come with, trained quickly on a few sentences."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertJapaneseTokenizer, PreTrainedTokenizerFast

SENTENCES = (
    "not a good film , but a wonderful cast",
    "I loved every minute of it, and so did the children!",
    "It isn't a well-acted U.S. movie; it is dull, long and 5.0 times too loud...",
    "the plot was bad and the food was good",
    "wonderful wonderful terrible terrible movie movie movie",
    "naïve café, résumé and a façade",
)

INPUTS = ["input_ids", "token_type_ids", "attention_mask"]


def _wordpiece() -> tuple[Tokenizer, dict]:
    """Return a WordPiece of the letters and the words (the trainer chooses differently in every process)."""
    normalizer, pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    normalised = [normalizer.normalize_str(sentence) for sentence in SENTENCES]
    words = {word for sentence in normalised for word, _ in pre_tokenizer.pre_tokenize_str(sentence)}
    letters = sorted({letter for word in words for letter in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += sorted(words - set(letters))
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return tokenizer, names | {"mask_token": "[MASK]", "model_input_names": INPUTS}


def _bpe() -> tuple[Tokenizer, dict]:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=200, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return tokenizer, names | {"mask_token": "<mask>"}


def _byte_level() -> tuple[Tokenizer, dict]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}


def _unigram() -> tuple[Tokenizer, dict]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(SENTENCES, trainer)
    # The scores differ a little in every process, and with them the order of the pieces.
    learnt = json.loads(tokenizer.to_str())["model"]["vocab"][len(special) :]
    rounded = sorted(((piece, round(score, 3)) for piece, score in learnt), key=lambda each: (-each[1], each[0]))
    tokenizer.model = models.Unigram([*((each, 0.0) for each in special), *rounded], unk_id=special.index("<unk>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer, {"unk_token": "<unk>", "pad_token": "<pad>", "eos_token": "</s>"}


def _metaspace(scheme: str) -> tuple[Tokenizer, dict]:
    """Return a BPE with the mark of a word's beginning, and the tokens of a chat."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=True)
    return _sentencepiece_like(tokenizer, SENTENCES)


def _legacy() -> tuple[Tokenizer, dict]:
    """Return a BPE in the form of Llama 2: a normalizer writes the marks."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return _sentencepiece_like(tokenizer, [word for sentence in SENTENCES for word in sentence.split()])


def _sentencepiece_like(tokenizer: Tokenizer, sentences) -> tuple[Tokenizer, dict]:
    decoding = [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(decoding)
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    letters = list('▁\n"($=+24YTWy/:?')
    trainer = trainers.BpeTrainer(vocab_size=230, special_tokens=special, initial_alphabet=letters)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}


KINDS = {"wordpiece": _wordpiece, "bpe": _bpe, "byte-level": _byte_level, "unigram": _unigram}
WITH_WORD_MARKS = {
    "metaspace-first": lambda: _metaspace("first"),
    "metaspace-always": lambda: _metaspace("always"),
    "metaspace-never": lambda: _metaspace("never"),
    "legacy": _legacy,
}


@cache
def tokenizer_of(kind: str) -> PreTrainedTokenizerFast:
    """Return one of them, as transformers loads it."""
    tokenizer, names = (KINDS | WITH_WORD_MARKS)[kind]()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)


@cache
def python_tokenizer() -> BertJapaneseTokenizer:
    """Return a tokenizer written in Python, which reports no offsets, with the vocabulary of WordPiece."""
    vocabulary = tokenizer_of("wordpiece").get_vocab()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
        options = {"word_tokenizer_type": "basic", "do_lower_case": True, "subword_tokenizer_type": "wordpiece"}
        return BertJapaneseTokenizer(str(path), model_max_length=64, **options)
