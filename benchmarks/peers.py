"""Explanations by other libraries, none of which this package requires: ``pip install --no-deps --group bench``.

A library that can't be imported, or fails on a subject, is a row that says why.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import MethodType, ModuleType

import torch
from torch import Tensor, nn

from .methods import EXPLAINED, Method, Run, copied, gradient_times_input
from .subjects import LAYERED, Subject

STEPS = 50


def _named(library: str) -> str:
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return f"{library}, not installed"


# ---- Captum


def _integrated_gradients(subject: Subject) -> Run:
    """Run 50 steps in batches of the size that the other methods use, so that memory stays comparable."""
    from captum.attr import IntegratedGradients

    x = subject.x
    return lambda: IntegratedGradients(subject.score).attribute(x, n_steps=STEPS, internal_batch_size=len(x))


def _deep_lift(subject: Subject) -> Run:
    from captum.attr import DeepLift

    method = DeepLift(copied(subject).model)
    return lambda: method.attribute(subject.x.detach().requires_grad_(), target=1).detach()


def _captum_lrp(subject: Subject) -> Run:
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    model = copied(subject).model
    method = LRP(model)

    def run() -> Tensor:
        for module in model.modules():
            if isinstance(module, nn.Flatten | nn.Identity | nn.BatchNorm1d):
                module.rule = EpsilonRule()  # Captum has no default for them, asks for one, and forgets it
        return method.attribute(subject.x.detach().requires_grad_(), target=1).detach()

    return run


# ---- zennit


def _zennit(composite_name: str, subject: Subject) -> Run:
    network = copied(subject)
    with _residual_blocks_of_torchvision():
        from zennit import composites
        from zennit.canonizers import SequentialMergeBatchNorm

    composite = getattr(composites, composite_name)(canonizers=[SequentialMergeBatchNorm(), _residual_sums()])

    def run() -> Tensor:
        x = subject.x.detach().requires_grad_()
        with composite.context(network.model):
            score = network.score(x)
            # zennit begins with relevance, this package with a coefficient of 1: relevance equal to the score.
            (found,) = torch.autograd.grad(score, x, score.detach())
        return found

    return run


@contextmanager
def _residual_blocks_of_torchvision() -> Iterator[None]:
    """Temporarily stand in for torchvision, of which zennit reads the names of two classes when it is imported.

    torchvision's build must be for the very build of PyTorch; otherwise it breaks transformers, too.
    """
    if "zennit" in sys.modules or importlib.util.find_spec("torchvision"):
        yield
        return
    names = ("torchvision", "torchvision.models", "torchvision.models.resnet")
    for name in names:
        sys.modules[name] = ModuleType(name)
    for block in ("Bottleneck", "BasicBlock"):
        setattr(sys.modules[names[-1]], block, type(block, (nn.Module,), {}))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _residual_sums():
    """Return a canonizer for transformers' ResNet: zennit needs sums as modules, and has one for torchvision's."""
    from transformers.models.resnet.modeling_resnet import ResNetBasicLayer
    from zennit.canonizers import AttributeCanonizer
    from zennit.layer import Sum

    def forward(self, hidden_state: Tensor) -> Tensor:
        both = torch.stack([self.shortcut(hidden_state), self.layer(hidden_state)], dim=-1)
        return self.activation(self.canonizer_sum(both))

    def attributes(name: str, module: nn.Module) -> dict | None:
        if not isinstance(module, ResNetBasicLayer):
            return None
        return {"forward": forward.__get__(module), "canonizer_sum": Sum()}

    return AttributeCanonizer(attributes)


# ---- LXT


def _lxt_as_released(subject: Subject) -> Run:
    """Follow LXT's README: patch the module that defines the model's class. It can't be undone."""
    from lxt.efficient import monkey_patch

    monkey_patch(sys.modules[type(subject.model.model).__module__])
    return partial(gradient_times_input, subject.score, subject.x)


def _lxt_rules(subject: Subject) -> Run:
    """Put the forward passes of LXT on the modules of a copy, as its patches for other versions of transformers do."""
    patches = _lxt_patches()
    patched = copied(subject)
    patched.model.model.set_attn_implementation(_lxt_attention(patches))
    for module in list(patched.model.modules()):
        kind = type(module).__name__
        if isinstance(module, nn.LayerNorm):
            module.forward = MethodType(patches.layer_norm_forward, module)
        elif kind.endswith("RMSNorm"):
            module.forward = MethodType(patches.rms_norm_forward, module)
        elif hasattr(module, "gate_proj"):
            module.forward = MethodType(patches.gated_mlp_forward, module)
        elif isinstance(module, nn.Tanh | nn.ReLU) or "GELU" in kind:
            module.original_forward = module.forward
            module.forward = MethodType(patches.non_linear_forward, module)
    return partial(gradient_times_input, patched.score, patched.x)


def _lxt_patches() -> ModuleType:
    """Import LXT's patches without its package's __init__, which fails under transformers 5."""
    spec = importlib.util.find_spec("lxt")
    if spec is None:
        raise ModuleNotFoundError("No module named 'lxt'")
    if "lxt.efficient" not in sys.modules:
        package = ModuleType("lxt.efficient")
        package.__path__ = [f"{folder}/efficient" for folder in spec.submodule_search_locations]
        sys.modules["lxt.efficient"] = package
    return importlib.import_module("lxt.efficient.patches")


def _lxt_attention(patches: ModuleType) -> str:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register("lxt", patches.wrap_attention_forward(sdpa_attention_forward))
    AttentionMaskInterface.register("lxt", sdpa_mask)
    return "lxt"


# ---- autoLRP


def _autolrp(subject: Subject) -> Run:
    import autolrp

    config = autolrp.LRPConfig.attnlrp()

    def run() -> Tensor:
        x = autolrp.tensor(subject.x)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            subject.score(x).sum().lrp(config=config)
        return x.relevance.as_subclass(Tensor)

    return run


# What LXT's README names; the patches of BERT suit Geneformer. Its patches of gated MLPs don't suit ModernBERT.
LXT_NAMES = ("BERT", "GPT-2", "Llama", "ViT")
LXT_SUITS = (*LXT_NAMES, "Geneformer")
SECANTS = "secants, reference of zeros"

PEERS: dict[str, Method] = {
    "LXT, as released": Method(_named("lxt"), _lxt_as_released, same_as=EXPLAINED, suits=LXT_NAMES, alters=True),
    "LXT, its rules put on the modules": Method(_named("lxt"), _lxt_rules, same_as=EXPLAINED, suits=LXT_SUITS),
    "autoLRP, attnlrp": Method(_named("autoLRP"), _autolrp, 3, same_as=EXPLAINED),
    "zennit, EpsilonPlus": Method(
        _named("zennit"), partial(_zennit, "EpsilonPlus"), 3, same_as="epsilon, z+", suits=LAYERED
    ),
    "Captum, LRP": Method(_named("captum"), _captum_lrp, 2, same_as="epsilon", suits=LAYERED),
    "Captum, DeepLift": Method(_named("captum"), _deep_lift, 4, same_as=SECANTS, suits=(*LAYERED, "BPNet")),
    f"Captum, integrated gradients, {STEPS} steps": Method(_named("captum"), _integrated_gradients, STEPS + 5.0),
}
