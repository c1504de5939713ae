"""Grad-CAM, by captum."""

from __future__ import annotations

from functools import partial

import torch

from ...domain import DomainError
from .rival import Problem, Rival, Tensors


def grad_cam(layer: str) -> Rival:
    """Return Grad-CAM (Selvaraju et al. 2017, ICCV, eq. 2), as captum computes it, of pictures: the positive part of a
    layer's activations weighted by the mean gradient of their channel, upsampled to the picture (bilinear).

    It has one value per pixel, which is spread over the channels, and reads no reference.

    Parameters
    ----------
    layer
        The name of a module of the model, as of ``named_modules()``, that returns samples x channels x height x width,
        usually the last such one.
    """
    return Rival("Grad-CAM", partial(_relevance, layer), 1, (layer,))


def _relevance(layer: str, of: Problem) -> Tensors:
    from captum.attr import LayerAttribution, LayerGradCam

    modules, first = dict(of.model.named_modules()), of.inputs[0]
    if layer not in modules:
        raise DomainError(f"'{layer}' is no module of the model: choose from {', '.join(list(modules)[1:11])}")
    if len(of.inputs) > 1 or first.ndim != 4:
        raise DomainError("Grad-CAM explains pictures: a single input, samples x channels x height x width")
    with torch.enable_grad():
        found = LayerGradCam(of.score, modules[layer]).attribute(first.detach(), relu_attributions=True)
    if found.ndim != 4:
        raise DomainError(
            f"the layer '{layer}' returns {found.ndim} dimensions: name one that returns samples x channels x height x "
            "width"
        )
    pixels = LayerAttribution.interpolate(found.detach(), tuple(first.shape[2:]), "bilinear")
    return ((pixels / first.shape[1]).expand_as(first),)
