"""Two small models, written as users write them, for tests of what `relevance` does apart from the rules."""

import torch
from torch import nn
from torch.nn import functional as F

TIGHT = {"rtol": 1e-12, "atol": 1e-13}
ROWS, TOKENS, WIDTH, CLASSES = 2, 5, 8, 3


class Encoder(nn.Module):
    """One pre-norm transformer block, with dropout that eval mode switches off."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.gate, self.down = nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        heads = [part.unflatten(-1, (2, WIDTH // 2)).transpose(1, 2) for part in (q, k, v)]
        x = x + self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        h = self.norm2(x)
        x = x + self.down(self.dropout(F.silu(self.gate(h)) * self.up(h)))
        return self.classifier(torch.tanh(x).mean(1))


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(TOKENS, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.MaxPool1d(2),
            nn.Conv1d(6, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, CLASSES),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


MODELS = {"encoder": Encoder, "convolutional": Convolutional}


def model_and_inputs(name="encoder", frozen=False):
    torch.manual_seed(0)
    model = MODELS[name]().double().eval().requires_grad_(not frozen)
    return model, torch.randn(ROWS, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)


def plain_gradient(score, x):
    return torch.autograd.grad(score, x, retain_graph=True)[0]
