"""Rivals that explain pictures: Grad-CAM against its formula, and units of pixels that are removed whole."""

import captum.attr
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains.domain import DomainError
from lrp_domains.evaluation import in_units, patches, rivals
from lrp_domains.evaluation.rivals import Problem


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pictures(model: nn.Module, units: torch.Tensor | None = None) -> Problem:
    inputs, references = torch.rand(2, 3, 8, 6), 0.3 * torch.rand(2, 3, 8, 6)
    return Problem(lambda x: model(x)[:, 0], (inputs,), (references,), model, units)


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.Tanh(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2),
    )  # fmt: skip


def test_grad_cam_is_its_formula():
    model = convolutions()
    of = pictures(model)
    (relevance,) = rivals.grad_cam("4").relevance(of)
    maps = model[:5](of.inputs[0]).detach().requires_grad_()
    (g,) = torch.autograd.grad(model[5:](maps)[:, 0].sum(), maps)
    cam = torch.zeros(2, 4, 3)
    for sample, channel in np.ndindex(2, 5):
        cam[sample] += g[sample, channel].mean() * maps[sample, channel].detach()
    upsampled = F.interpolate(cam.clamp(min=0)[:, None], (8, 6), mode="bilinear")
    assert relevance.shape == of.inputs[0].shape and not relevance.requires_grad
    torch.testing.assert_close(relevance.sum(1, keepdim=True), upsampled)
    assert (cam < 0).any() and (cam > 0).any()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_grad_cam_explains_a_frozen_model():
    model = convolutions().requires_grad_(False)
    assert rivals.grad_cam("4").relevance(pictures(model))[0].any()


def test_grad_cam_refuses_what_it_cannot_explain():
    model = convolutions()
    with pytest.raises(DomainError, match="'9' is no module of the model: choose from 0, 1"):
        rivals.grad_cam("9").relevance(pictures(model))
    with pytest.raises(DomainError, match="the layer '6' returns 2 dimensions"):
        rivals.grad_cam("6").relevance(pictures(model))
    with pytest.raises(DomainError, match="a single input"):
        flat = torch.rand(3, 5)
        rivals.grad_cam("0").relevance(Problem(lambda x: x.sum(1), (flat,), (flat,), nn.Sequential(nn.Linear(5, 1))))


@pytest.mark.parametrize(
    "rival",
    [
        rivals.gradient_times_input(), rivals.integrated_gradients(5), rivals.smooth_gradient(3),
        rivals.gradient_shap(3), rivals.midpoints(2), rivals.deeplift(), rivals.random_relevance(),
        rivals.grad_cam("3"),
    ],
)  # fmt: skip
def test_pictures_are_explained_whole(rival):
    """Each picture as alone, channels included; what draws noise draws it for the whole batch."""
    of = pictures(convolutions())
    (relevance,) = rival.relevance(of)
    assert relevance.shape == of.inputs[0].shape
    assert relevance.any()
    if not rival.settings or rival.name == "Grad-CAM":
        alone = Problem(of.score, (of.inputs[0][1:],), (of.references[0][1:],), of.model)
        torch.testing.assert_close(rival.relevance(alone)[0], relevance[1:])


@pytest.mark.parametrize("units", [patches(8, 6, 4), patches(8, 6, 4).expand(3, 8, 6)])
def test_patches_are_removed_whole(units):
    of = pictures(convolutions(), units)
    theirs = captum.attr.FeatureAblation(of.score).attribute(
        of.inputs[0], of.references[0], feature_mask=patches(8, 6, 4)[None, None]
    )
    (relevance,) = rivals.occlusion().relevance(of)
    sums, of_any_pixel = in_units(relevance, patches(8, 6, 4)), theirs[:, 0]
    for sample in range(2):
        expected = [float(of_any_pixel[sample][patches(8, 6, 4) == unit][0]) for unit in range(4)]
        np.testing.assert_allclose(sums[sample], expected)
    for rival in (rivals.kernel_shap(50), rivals.lime(50)):
        (relevance,) = rival.relevance(of)
        values = relevance[0, :, patches(8, 6, 4) == 1]
        assert relevance.any() and torch.allclose(values, values[0, 0])


@pytest.mark.parametrize("rival", [rivals.occlusion(), rivals.kernel_shap(5), rivals.lime(5)])
def test_units_of_pictures_must_be_known(rival):
    with pytest.raises(DomainError, match=r"it is unknown what a unit is: pass Problem\(units="):
        rival.relevance(pictures(convolutions()))
