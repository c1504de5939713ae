"""MambaLRP (Jafari et al. 2024) in loops: layers whose ``back`` passes relevance from the output to the input."""

import math

import torch

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


class Linear:
    """y_j = sum_i w_ji x_i + b_j, per token; LRP-0."""

    def __init__(self, x, weight, bias=None):
        self.x, self.weight = x, weight
        self.y = x @ weight.T + (0 if bias is None else bias)

    def back(self, R):
        return self.x * ((R / self.y) @ self.weight)


class Convolution:
    """One filter per channel, over the preceding tokens; LRP-0."""

    def __init__(self, x, weight, bias):
        self.x, self.weight, self.width = x, weight[:, 0], weight.shape[2]
        self.y = bias.repeat(len(x), 1)
        for t, c, k in self.terms():
            self.y[t, c] += self.weight[c, k] * x[t - self.width + 1 + k, c]

    def terms(self):
        tokens, channels = self.x.shape
        steps = ((t, k) for t in range(tokens) for k in range(self.width) if t - self.width + 1 + k >= 0)
        return [(t, c, k) for t, k in steps for c in range(channels)]

    def back(self, R):
        of_x = torch.zeros_like(self.x)
        for t, c, k in self.terms():
            s = t - self.width + 1 + k
            of_x[s, c] += self.weight[c, k] * self.x[s, c] / self.y[t, c] * R[t, c]
        return of_x


class StateSpace:
    """h = exp(Delta A) h' + Delta B u and y = C h + D u; Delta (T, c), B, C (T, c, n), A (c, n) and D (c,) constant."""

    def __init__(self, u, delta, A, B, C, D):
        self.u, self.delta, self.A, self.B, self.C, self.D = u, delta, A, B, C, D
        (tokens, channels), states = u.shape, A.shape[1]
        self.indices = [(t, c, n) for t in range(tokens) for c in range(channels) for n in range(states)]
        self.h, self.y = torch.zeros(tokens, channels, states, dtype=u.dtype), D * u
        for t, c, n in self.indices:
            self.h[t, c, n] = self.delta[t, c] * B[t, c, n] * u[t, c] + (self.carried(t, c, n) if t else 0)
            self.y[t, c] += C[t, c, n] * self.h[t, c, n]

    def carried(self, t, c, n):
        return math.exp(self.delta[t, c] * self.A[c, n]) * self.h[t - 1, c, n]

    def back(self, R):
        of_u, of_h = self.D * self.u / self.y * R, torch.zeros_like(self.h)
        for t, c, n in reversed(self.indices):
            h = self.h[t, c, n]
            of_h[t, c, n] += self.C[t, c, n] * h / self.y[t, c] * R[t, c]
            of_u[t, c] += self.delta[t, c] * self.B[t, c, n] * self.u[t, c] / h * of_h[t, c, n]
            if t:
                of_h[t - 1, c, n] += self.carried(t, c, n) / h * of_h[t, c, n]
        return of_u
