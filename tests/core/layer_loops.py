"""The rules of layers as loops over single connections, from their formulas."""

from itertools import product

import torch

from lrp_domains import EPSILON, RuleSet, alpha_beta, epsilon, flat, gamma, w_squared, z_box

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def plus(a: float) -> float:
    return max(a, 0.0)


def minus(a: float) -> float:
    return min(a, 0.0)


def sign(z: float) -> float:
    return -1.0 if z < 0 else 1.0


# Each oracle returns R_i and R_b of one neuron j, from its inputs x_i, weights w_i, bias b and relevance R_j.
def epsilon_loop(x, w, b, r, eps=0.01):
    z = sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b
    share = [xi * wi / (z + eps * sign(z)) * r for xi, wi in zip(x, w, strict=True)]
    return share, b / (z + eps * sign(z)) * r


def gamma_loop(x, w, b, r, g=0.3):
    z = sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b
    part = plus if z > 0 else minus
    favoured = [xi * wi + g * part(xi * wi) for xi, wi in zip(x, w, strict=True)]
    bias = b + g * part(b)
    total = sum(favoured) + bias
    return [f / total * r for f in favoured], bias / total * r


def alpha_beta_loop(x, w, b, r, alpha=2.0, beta=1.0):
    z_plus = sum(plus(xi * wi) for xi, wi in zip(x, w, strict=True)) + plus(b)
    z_minus = sum(minus(xi * wi) for xi, wi in zip(x, w, strict=True)) + minus(b)

    def share(z):
        up = alpha * plus(z) / z_plus if z_plus else 0.0
        down = beta * minus(z) / z_minus if z_minus else 0.0
        return (up - down) * r

    return [share(xi * wi) for xi, wi in zip(x, w, strict=True)], share(b)


def z_plus_loop(x, w, b, r):
    return alpha_beta_loop(x, w, b, r, 1.0, 0.0)


def z_box_loop(x, w, b, r, low=-3.5, high=4.0):
    part = [xi * wi - low * plus(wi) - high * minus(wi) for xi, wi in zip(x, w, strict=True)]
    return [p / sum(part) * r for p in part], 0.0


def w_squared_loop(x, w, b, r):
    total = sum(wi**2 for wi in w)
    return [wi**2 / total * r for wi in w], 0.0


def flat_loop(x, w, b, r):
    return [r / len(w) for _ in w], 0.0


RULES = {
    "epsilon": (epsilon(0.01), epsilon_loop),
    "gamma": (gamma(0.3), gamma_loop),
    "alpha2beta1": (alpha_beta(2, 1), alpha_beta_loop),
    "z+": (alpha_beta(1, 0), z_plus_loop),
    "z_box": (z_box(-3.5, 4.0), z_box_loop),
    "w_squared": (w_squared(), w_squared_loop),
    "flat": (flat(), flat_loop),
}


def only(rule) -> RuleSet:
    return EPSILON.for_nodes({"dense": rule, "convolution": rule})


def connections(layer, x: torch.Tensor):
    """Return the inputs of each output of a linear layer with their weights, by index, and the biases.

    The layer is applied to one unit vector after another, so its strides and groups don't matter here. The inputs of an
    output are those with a nonzero weight (weights are random).
    """
    zero = torch.zeros_like(x[:1])
    biases = layer(zero)
    inputs = {j: [] for j in product(*map(range, biases.shape[1:]))}
    for i in product(*map(range, x.shape[1:])):
        unit = zero.clone()
        unit[(0, *i)] = 1.0
        weights = layer(unit) - biases
        for j in inputs:
            if weights[(0, *j)] != 0:
                inputs[j].append((i, weights[(0, *j)].item()))
    return inputs, biases


def by_loop(layer, x, incoming, loop):
    """Return the relevance of the inputs and of the biases, neuron by neuron."""
    with torch.no_grad():
        inputs, biases = connections(layer, x)
    r = torch.zeros_like(x)
    of_biases = 0.0
    for row in range(len(x)):
        for j, connected in inputs.items():
            values = [x[(row, *i)].item() for i, _ in connected]
            share, of_bias = loop(values, [w for _, w in connected], biases[(0, *j)].item(), incoming[(row, *j)].item())
            of_biases += of_bias
            for (i, _), part in zip(connected, share, strict=True):
                r[(row, *i)] += part
    return r, of_biases
