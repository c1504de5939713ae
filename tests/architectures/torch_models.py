"""Small models in plain PyTorch, written the way users write them, without regard to relevance."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .small_configs import VOCABULARY


class Recurrent(nn.Module):
    """Two bidirectional layers over an embedding; the state at the last position is classified."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 12)
        self.recurrent = kind(12, 16, num_layers=2, bidirectional=True, batch_first=True)
        self.classifier = nn.Linear(32, 3)

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def forward(self, input_ids: Tensor) -> Tensor:
        states, _ = self.recurrent(self.embedding(input_ids))
        return self.classifier(states[:, -1])


class Transformer(nn.Module):
    """`nn.TransformerEncoder` over sequences of features, averaged and classified."""

    def __init__(self, activation: str, norm_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 24, activation=activation, norm_first=norm_first, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16), enable_nested_tensor=False)
        self.classifier = nn.Linear(16, 3)

    def forward(self, features: Tensor) -> Tensor:
        return self.classifier(self.encoder(features).mean(dim=1))


class Perceptron(nn.Module):
    """A multilayer perceptron with one hidden layer per activation."""

    def __init__(self, *activations: nn.Module) -> None:
        super().__init__()
        hidden = [step for activation in activations for step in (nn.Linear(16, 16), activation)]
        self.layers = nn.Sequential(*hidden, nn.Linear(16, 3))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features[:, 0])


class Vgg(nn.Module):
    """3×3 convolutions, ReLU and max-pooling, then dense layers with dropout."""

    def __init__(self) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for before, after in ((3, 8), (8, 12), (12, 16)):
            steps += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            steps += [nn.Conv2d(after, after, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*steps)
        self.classifier = nn.Sequential(
            nn.Linear(16 * 2 * 2, 24), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(24, 3)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.features(pixels).flatten(1))


class Block(nn.Module):
    """ResNet's basic block; the shortcut is projected where the shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    """ResNet-18 with narrow layers: four stages of two basic blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 7, 2, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        widths, blocks = (6, 6, 8, 12, 16), []
        for stage in range(4):
            blocks += [Block(widths[stage], widths[stage + 1], 1 if stage == 0 else 2)]
            blocks += [Block(widths[stage + 1], widths[stage + 1], 1)]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(16, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.pool(self.blocks(self.stem(pixels))).flatten(1))
