"""Muon: momentum with orthogonalised updates, for the matrices of pointwise layers.

Keller Jordan et al., *Muon: an optimizer for hidden layers in neural networks* (2024).  The networks
here are nearly all 1x1 convolutions, that is, matrices.  Torch's own Muon takes two-dimensional
parameters one at a time; this one takes convolution weights and works on all matrices of a
shape in one batch, which is three times as fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from ..model.reference import ReferenceModel

DCT_LAYERS = {"analysis.first.weight", "synthesis.last.weight"}
"""Layers that start as a DCT, whose rows differ in size for a reason."""


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that drives singular values to about 1."""


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices ``[N, rows, columns]`` with singular values near 1, in bfloat16, by Newton-Schulz steps."""
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; a weight ``[out, in, ...]`` counts as ``out`` rows.

    Args:
        weights: parameters of two or more dimensions.
        lr: spectral norm of one update of a matrix that is not tall.
        momentum: part of the old momentum that a step keeps.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    matrix = (weight.shape[0], weight.numel() // weight.shape[0])
                    shapes.setdefault(matrix, []).append(weight)
            for (rows, columns), weights in shapes.items():
                updates = []
                for weight in weights:
                    state = self.state[weight]
                    if not state:
                        state["momentum"] = torch.zeros_like(weight)
                    gradient = cast("Tensor", weight.grad)
                    state["momentum"].lerp_(gradient, 1 - group["momentum"])
                    update = gradient.lerp(state["momentum"], group["momentum"])
                    updates.append(update.reshape(rows, columns))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for weight, update in zip(weights, orthogonalise(torch.stack(updates)), strict=True):
                    weight.add_(update.to(weight.dtype).reshape(weight.shape), alpha=-rate)


def optimisers_of(model: ReferenceModel, matrix_rate: float, rate: float) -> tuple[Muon, torch.optim.Adam]:
    """Muon for the matrices of hidden layers, Adam for the rest."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        hidden = parameter.dim() == 4 and parameter.shape[1] > 1 and name not in DCT_LAYERS
        (matrices if hidden else others).append(parameter)
    return Muon(matrices, matrix_rate), torch.optim.Adam(others, rate, betas=(0.9, 0.99))
