# The public names; __init__.py imports each when it is first used.
from .attention import last_attention, rollout
from .controls import random_relevance
from .deeplift import deeplift
from .grad_cam import grad_cam
from .gradients import gradient_shap, gradient_times_input, integrated_gradients, smooth_gradient
from .midpoints import midpoints
from .removal import kernel_shap, lime, mutagenesis, occlusion
from .rival import Problem, Rival

__all__ = [
    "Problem",
    "Rival",
    "deeplift",
    "grad_cam",
    "gradient_shap",
    "gradient_times_input",
    "integrated_gradients",
    "kernel_shap",
    "last_attention",
    "lime",
    "midpoints",
    "mutagenesis",
    "occlusion",
    "random_relevance",
    "rollout",
    "smooth_gradient",
]
