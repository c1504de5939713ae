"""Small models of sequences with random weights, and sequences to explain."""

import itertools
import random

from torch import nn

LENGTH = 40


def sequences(count: int = 4, length: int = LENGTH, letters: str = "ACGT", seed: int = 0) -> list[str]:
    drawn = random.Random(seed)
    return ["".join(drawn.choice(letters) for _ in range(length)) for _ in range(count)]


class Scan(nn.Module):
    """A linear model: the sum over positions of what a matrix gives to the letters from there on."""

    def __init__(self, width: int = 5, classes: int = 2) -> None:
        super().__init__()
        self.scan = nn.Conv1d(4, classes, width)

    def forward(self, x):
        return self.scan(x).sum(2)


def cnn(classes: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(4, 6, 5), nn.ReLU(), nn.MaxPool1d(3), nn.Conv1d(6, 6, 3), nn.GELU(), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(6, classes),
    ).double().eval()  # fmt: skip


class Recurrent(nn.Module):
    """An LSTM that reads batch x positions x letters."""

    def __init__(self, letters: int = 4) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(letters, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0].mean(1))


class Trunk(nn.Module):
    """A stem, attention and heads of tracks by name, B x bins x tracks, as Enformer has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv1d(4, 16, 5, padding=2), nn.AvgPool1d(4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, activation="gelu", batch_first=True)
        self.heads = nn.ModuleDict({"human": nn.Linear(16, 7), "mouse": nn.Linear(16, 3)})

    def forward(self, x):  # batch x positions x letters
        hidden = self.layer(self.pool(nn.functional.gelu(self.stem(x.transpose(1, 2)))).transpose(1, 2))
        return {name: nn.functional.softplus(head(hidden)) for name, head in self.heads.items()}


class BaseResolution(nn.Module):
    """A profile of two strands and total counts, as BPNet has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layers = (
            nn.Conv1d(4, 8, 5, padding=2),
            nn.ModuleList([nn.Conv1d(8, 8, 3, padding=2, dilation=2)]),
        )
        self.profile, self.counts = nn.Conv1d(8, 2, 5, padding=2), nn.Linear(8, 1)

    def forward(self, x):
        hidden = self.stem(x).relu()
        for layer in self.layers:
            hidden = hidden + layer(hidden).relu()
        return self.profile(hidden), self.counts(hidden.mean(2))


SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


def fast_tokenizer(tokens):
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokens.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(tokenizer_object=tokens, **{f"{name}_token": t for name, t in SPECIAL.items()})


def kmer_tokenizer(k: int):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    words = [*SPECIAL.values(), *map("".join, itertools.product("ACGT", repeat=k))]
    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    letters = pre_tokenizers.Split(Regex("."), "isolated")
    tokens.pre_tokenizer = letters if k == 1 else pre_tokenizers.WhitespaceSplit()
    return fast_tokenizer(tokens)


def bpe_tokenizer():
    from tokenizers import Tokenizer, models, trainers

    tokens = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(vocab_size=40, special_tokens=[*SPECIAL.values()], show_progress=False)
    tokens.train_from_iterator(sequences(20, 300, seed=5), trainer)
    return fast_tokenizer(tokens)


def bert(tokenizer):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.3, id2label={0: "no", 1: "yes"},
    )  # fmt: skip
    return BertForSequenceClassification(config).double().eval()


def esm(folder):
    from transformers import EsmConfig, EsmForSequenceClassification, EsmTokenizer

    names = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(names))
    tokenizer = EsmTokenizer(str(folder / "vocab.txt"))
    config = EsmConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        position_embedding_type="rotary", token_dropout=True, mask_token_id=tokenizer.mask_token_id,
        pad_token_id=tokenizer.pad_token_id, max_position_embeddings=66, initializer_range=0.3,
    )  # fmt: skip
    return EsmForSequenceClassification(config).double().eval(), tokenizer
