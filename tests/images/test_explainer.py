"""Relevance of pixels: against loops in float64, conserved, complete, and the same however a picture is passed."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON_GAMMA_BOX, EPSILON_PLUS, SECANT, deep_taylor
from lrp_domains.images import ImageExplainer, ImageRelevance, ImageRelevances

HEIGHT, WIDTH, CHANNELS, CLASSES = 5, 6, 3, 4


@pytest.fixture
def pixels():
    """One picture, H x W x C."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, CHANNELS), np.uint8)


def linear() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * HEIGHT * WIDTH, CLASSES)).double().eval()


def convolutional() -> nn.Module:
    torch.manual_seed(2)
    head = nn.Linear(2 * (HEIGHT - 2) * (WIDTH - 2), CLASSES)
    return nn.Sequential(nn.Conv2d(CHANNELS, 2, 3), nn.ReLU(), nn.Flatten(), head).double().eval()


def attentive() -> nn.Module:
    """Pixels as tokens of a transformer layer."""

    class Attentive(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(CHANNELS, 8)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, activation="gelu")
            self.head = nn.Linear(8, CLASSES)

        def forward(self, x):
            return self.head(self.layer(self.embed(x.flatten(2).mT)).mean(1))

    torch.manual_seed(3)
    return Attentive().double().eval()


def scaled(pixels: np.ndarray) -> torch.Tensor:
    """Return a picture as the model reads it without a transform, C x H x W."""
    return torch.from_numpy(pixels).double().permute(2, 0, 1) / 255


def test_of_a_linear_model_relevance_is_the_contribution(pixels):
    model = linear()
    result = ImageExplainer(model, score="logit")(scaled(pixels), target=2)
    weights = model[1].weight.detach()[2].reshape(CHANNELS, HEIGHT, WIDTH)
    expected = (weights * scaled(pixels)).numpy()
    assert np.allclose(result.to_array(channels=True), expected, atol=1e-7)
    assert np.allclose(result.pixels, expected.sum(0), atol=1e-7)
    assert result.rest == pytest.approx(model[1].bias[2].item(), abs=1e-6)
    assert (result.target, result.prediction) == ("2", str(model(scaled(pixels)[None]).argmax().item()))
    assert result.probability == pytest.approx(model(scaled(pixels)[None]).softmax(1).max().item())


def test_of_a_convolutional_model_relevance_is_that_of_loops(pixels):
    model, x = convolutional(), scaled(pixels).numpy()
    kernel, bias = (parameter.detach().numpy() for parameter in model[0].parameters())
    head = model[3].weight.detach().numpy()[1].reshape(2, HEIGHT - 2, WIDTH - 2)
    expected = np.zeros((CHANNELS, HEIGHT, WIDTH))
    for f in range(2):
        for row in range(HEIGHT - 2):
            for column in range(WIDTH - 2):
                z, terms = bias[f], {}
                for c in range(CHANNELS):
                    for i in range(3):
                        for j in range(3):
                            place = (c, row + i, column + j)
                            terms[place] = x[place] * kernel[f, c, i, j]
                            z += terms[place]
                for place, term in terms.items():
                    expected[place] += term * head[f, row, column] * (z > 0)
    result = ImageExplainer(model, rules=CP_LRP, score="logit")(scaled(pixels), target=1)
    assert np.allclose(result.channels, expected, atol=1e-7)
    assert result.score == pytest.approx(model(scaled(pixels)[None])[0, 1].item())


@pytest.mark.parametrize("make", [linear, convolutional, attentive])
def test_pixels_and_rest_sum_to_the_score(make, pixels):
    from lrp_domains import ledger
    from lrp_domains.domain import score_of

    model = make()
    x = scaled(pixels)[None].requires_grad_()
    logits = model(x)
    account = ledger(score_of(logits, logits.argmax(1)), x, rules=CP_LRP, model=model)
    result = ImageExplainer(model, rules=CP_LRP)(scaled(pixels))
    assert result.units == pytest.approx(result.pixels.sum(), abs=1e-6)
    assert result.rest == pytest.approx(sum(account.leaves.values()), abs=1e-6)
    assert result.units + result.rest == pytest.approx(result.score)


@pytest.mark.parametrize("make", [linear, convolutional, attentive])
@pytest.mark.parametrize("reference", ["black", "white", "blur", "mean", "picture", "tensor", "several"])
def test_against_a_reference_pixels_sum_to_the_difference(make, reference, pixels):
    others = torch.rand(2, CHANNELS, HEIGHT, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    chosen = {"picture": 255 - pixels, "tensor": others[0], "several": ["black", pixels[::-1], others[1]]}
    means = scaled(pixels).mean((1, 2), keepdim=True).expand(CHANNELS, HEIGHT, WIDTH)
    expected = {
        "black": torch.zeros_like(others[0]),
        "white": torch.ones_like(others[0]),
        "mean": means,
        "picture": scaled(255 - pixels),
        "tensor": others[0],
    }
    model = make()
    result = ImageExplainer(model)(scaled(pixels), target=1, reference=chosen.get(reference, reference))
    assert result.rules == SECANT.name
    assert result.score - result.reference_score == pytest.approx(result.pixels.sum(), abs=1e-6)
    assert result.rest == pytest.approx(0, abs=1e-6)
    if reference in expected:
        logits = model(expected[reference][None])[0].detach()
        assert result.reference_score == pytest.approx((logits[1] - logits[[0, 2, 3]].logsumexp(0)).item(), abs=1e-6)


def test_the_mean_is_that_of_each_picture_and_channel_and_pictures_are_their_own_batch():
    pictures = np.random.default_rng(6).integers(0, 256, (3, HEIGHT, WIDTH, CHANNELS), np.uint8)
    pictures[1] //= 8
    for reference in ("mean", "blur", ["black", pictures[2]]):
        together = ImageExplainer(convolutional(), reference=reference)(pictures, target=1)
        alone = [ImageExplainer(convolutional(), reference=reference)(picture, target=1) for picture in pictures]
        assert together.table()["reference_score"].tolist() == pytest.approx([r.reference_score for r in alone])


def test_black_and_white_are_found_whatever_a_transform_pads_and_inverts():
    def transform(image):
        x = 1 - torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return nn.functional.pad(x, (2, 2, 2, 2), value=-7.0)

    preparation = ImageExplainer(convolutional(), transform).preparation
    black, white = preparation.black_and_white(torch.zeros(1, 3, 9, 9))
    assert black.ravel().tolist() == [1] * 3 and white.ravel().tolist() == [0] * 3
    shown = preparation.displayed(transform(np.full((4, 4, 3), 204, np.uint8)))
    assert (shown[2:-2, 2:-2] == 204).all()


def test_a_blurred_picture_is_the_one_that_pixels_are_removed_to(pixels):
    from scipy.ndimage import gaussian_filter

    from lrp_domains.evaluation import blurred

    model, picture = convolutional(), scaled(pixels)
    sigma = min(picture.shape[1:]) / 8
    result = ImageExplainer(model)(picture, target=1, reference="blur")
    explicit = ImageExplainer(model)(picture, target=1, reference=blurred(picture[None], sigma)[0])
    assert np.array_equal(result.pixels, explicit.pixels)
    naive = torch.from_numpy(gaussian_filter(picture.numpy(), (0, sigma, sigma)))  # mirrored at the edges
    logits = model(naive[None])[0].detach()
    assert result.reference_score == pytest.approx((logits[1] - logits[[0, 2, 3]].logsumexp(0)).item(), abs=1e-9)


@pytest.mark.parametrize(
    "rules", [ATTN_LRP, CP_LRP, EPSILON_PLUS, EPSILON_GAMMA_BOX, deep_taylor], ids=lambda rules: str(rules)[:20]
)
def test_batches_equal_singles(rules):
    pictures = np.random.default_rng(5).integers(0, 256, (5, HEIGHT, WIDTH, CHANNELS), np.uint8)
    together = ImageExplainer(convolutional(), rules=rules, batch_size=2)(pictures)
    assert isinstance(together, ImageRelevances)
    for number, result in enumerate(together):
        alone = ImageExplainer(convolutional(), rules=rules)(pictures[number])
        assert isinstance(alone, ImageRelevance)
        assert np.allclose(alone.channels, result.channels, atol=1e-6)
        assert alone.score == pytest.approx(result.score)
        assert (result.name, alone.target) == (f"picture {number}", result.target)


def test_a_picture_is_the_same_as_file_image_array_and_tensor(pixels, tmp_path):
    image = Image.fromarray(pixels)
    image.save(tmp_path / "picture.png")
    forms = [tmp_path / "picture.png", str(tmp_path / "picture.png"), image, pixels, pixels / 255]
    explainer = ImageExplainer(convolutional().float())
    expected = explainer(scaled(pixels).float())
    for result in explainer(forms):
        assert np.allclose(result.channels, expected.channels, atol=1e-7)
        assert (result.picture == pixels).all()
    assert explainer(forms[0]).name == str(forms[0])


def test_the_transform_is_applied_to_pictures_but_not_to_tensors(pixels):
    def transform(image):
        return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - 0.5) / 0.25

    explainer = ImageExplainer(convolutional().float(), transform)
    made = explainer(pixels)
    assert np.allclose(made.channels, explainer(transform(pixels)).channels)
    assert (made.picture == pixels).all()  # normalisation is undone for display
    low, high = explainer.preparation.black_and_white(transform(pixels))
    assert low.unique().tolist() == [-2] and high.unique().tolist() == [2]
    black = (
        explainer(pixels, 1, reference="black"),
        explainer(pixels, 1, reference=torch.full((3, HEIGHT, WIDTH), -2.0)),
    )
    assert black[0].reference_score == black[1].reference_score


def test_rules_from_the_bounds_of_the_input(pixels):
    bounds = []

    def rules(low, high):
        bounds.extend((low, high))
        return deep_taylor(low, high)

    explainer = ImageExplainer(
        convolutional().float(), lambda image: scaled(np.array(image)).float() * 3 - 1, rules=rules
    )
    result = explainer(pixels)
    assert [bound.shape for bound in bounds] == [(1, CHANNELS, 1, 1)] * 2
    assert bounds[0].unique().tolist() == [-1] and bounds[1].unique().tolist() == [2]
    assert result.rules == "Deep Taylor"
    assert repr(explainer) == "ImageExplainer(Sequential, rules=rules, score=log-odds)"


def test_targets_by_name_by_number_and_per_picture(pixels):
    explainer = ImageExplainer(linear().float(), classes=["cat", "dog", "owl", "yak"], score="logit")
    assert explainer(pixels, target="owl").score == explainer(pixels, target=2).score
    results = explainer([pixels] * 3, target=["owl", "cat", 1])
    assert [result.target for result in results] == ["owl", "cat", "dog"]
    assert results[1].score == pytest.approx(explainer(pixels, "cat").score)
    contrast = explainer(pixels, "owl", against="cat").score
    assert contrast == pytest.approx(results[0].score - results[1].score, abs=1e-5)


def test_a_score_that_is_a_function(pixels):
    model = linear().float()
    by_name = ImageExplainer(model, score="logit")(pixels, target=3)
    by_function = ImageExplainer(model, score=lambda logits: logits[:, 3])(pixels)
    assert np.allclose(by_name.channels, by_function.channels)
    assert by_function.prediction is None and by_function.target is None


def test_pictures_of_several_sizes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    shapes = [(8, 9), (5, 5), (8, 9), (7, 6)]
    results = ImageExplainer(model)([np.full((*shape, 3), 9 * n, np.uint8) for n, shape in enumerate(shapes)])
    assert [result.pixels.shape for result in results] == shapes
    assert [result.name for result in results] == [f"picture {n}" for n in range(4)]
    assert [int(result.picture.max()) for result in results] == [0, 9, 18, 27]


def test_the_model_is_left_as_it_was(pixels):
    model = convolutional().float()
    before = {name: values.clone() for name, values in model.state_dict().items()}
    ImageExplainer(model)(pixels, reference="blur")
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_in_half_precision_relevance_is_close(pixels):
    model = convolutional().float()
    half = ImageExplainer(model, precision="bf16")(pixels, target=1)
    assert np.allclose(half.pixels, ImageExplainer(model)(pixels, target=1).pixels, atol=0.02)
    assert half.channels.dtype == np.float32 and model[0].weight.dtype == torch.float32


def test_a_planted_shape_has_the_relevance():
    """Pictures of noise with a square somewhere, or without one."""
    generator = torch.Generator().manual_seed(0)

    def sample(count):
        x = 0.3 * torch.rand(count, 1, 16, 16, generator=generator)
        labels, corners = torch.arange(count) % 2, torch.randint(0, 12, (count, 2), generator=generator)
        masks = torch.zeros(count, 16, 16, dtype=torch.bool)
        for number, (row, column) in enumerate(corners.tolist()):
            masks[number, row : row + 4, column : column + 4] = labels[number] == 1
        return torch.where(masks[:, None], x + 0.6, x), labels, masks

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 4), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    x, labels, _ = sample(64)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    x, labels, masks = sample(20)
    assert (model(x).argmax(1) == labels).all()
    for result, mask, label in zip(ImageExplainer(model)(x, target=1, reference="mean"), masks, labels, strict=True):
        if label:
            positive = result.pixels.clip(min=0)
            assert positive[mask.numpy()].sum() > 0.8 * positive.sum()
