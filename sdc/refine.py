"""Encoder effort: residuals that cost less for what they show (not normative).

What is sought are the residuals with the least ``J = lambda * squared error + bits``.  Many latents show in
the same pixels, so the best residual of one depends on the others, and choosing all at once overshoots.
Hence the search moves what is *expected* of each residual: it may take three values, with odds that fall
with their cost, as in the mean-field method for discrete problems (Peterson and Soderberg, 1989; stochastic
Gumbel annealing, Yang, Bamler and Mandt, 2020, draws the values instead).  The cost of a value is its bits by
the tables, and its squared error by a quadratic whose slope is the gradient of the real error of the integer
synthesis at what is expected of all residuals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .gradient import pull_back
from .latents import RESIDUAL_MAX, GroupCoder, tables_of
from .model import QUALITIES
from .network import Array, Tape, run

EFFORTS = (0, 1, 2, 3, 4, 6, 10, 16, 30, 60)
"""Gradients of each effort."""
DEFAULT_EFFORT = 2
"""It has two thirds of the gain of effort 6, in a fifth of its time."""
MEASURED = 4
"""From this effort on, what was found is measured, and the best kept."""

LAMBDA = (5e-4, 0.12)
"""Weight of the squared error (8-bit scale) at qualities 0 and 63, in training too."""
FAR = 30.0
"""Temperatures of cost beyond which odds are as good as certain."""
ROUNDING = 1e9
"""Curvature beside which bits do not count, so that residuals are the nearest."""
SAMPLES, SAMPLE_SIDE = 16, 4
"""Squares of cells that the curvature is measured on, at most, and their side."""
TEMPERATURE = 2.0
"""Bits that make a value e times less likely."""

Measure = Callable[..., tuple[float, Array]]


def weight_of(quality: int) -> float:
    """Lagrangian weight of the squared error, in bits; a geometric series over the qualities."""
    low, high = LAMBDA
    return float(low * (high / low) ** (quality / (QUALITIES - 1)))


def curvature(targets: Array, coder: GroupCoder) -> Array:
    """Squared error that a latent adds alone, per square of its change: ``float32 [M]``.

    It is the diagonal of ``J^T J / 3`` for the synthesis' Jacobian J, from a product of J with random signs
    (Hutchinson), mean over a sample of the cells.

    Args:
        targets: ``int [cells, M]`` latents.
        coder: the group's cells, model and quality.
    """
    network, sites = coder.model.networks["synthesis"], coder.sites
    squares = sites.rows // SAMPLE_SIDE * 65536 + sites.cols // SAMPLE_SIDE
    names = np.unique(squares)
    cells = np.flatnonzero(np.isin(squares, names[:: -(-len(names) // SAMPLES)]))
    part = sites.take(cells)
    tape: Tape = []
    out = run(network, part, targets[cells], tape=tape)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), out.shape)
    pulled: Array = np.square(pull_back(network, part, signs, tape)).mean(0) / 3
    return pulled


class _Search:
    """Passes over the residuals of a group, in coding order: contexts follow what was found for earlier ones.

    Args:
        targets: ``int [cells, M]`` latents of the analysis.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
    """

    def __init__(self, targets: Array, hyper: Array, coder: GroupCoder):
        model, q = coder.model, coder.quality
        self.coder, self.tables = coder, tables_of(model)
        self.hyper = coder.hyper_values(hyper)
        step = np.maximum(model.step[q], 1) * 16 / (1 << model.shifts["step"])
        self.step = step.astype(np.float32)
        self.slope = weight_of(q) * self.step
        self.bend = self.slope * self.step * curvature(targets, coder)

    def _costs(self, index: Array, at: Array, slope: Array, bend: Array) -> tuple[Array, Array, Array]:
        """What residuals may become.

        Args:
            index: ``int64`` scale indices.
            at: ``float32`` what is expected of the residuals.
            slope, bend: of the error there, in bits.

        Returns:
            ``(nearest integer, cost of the one below, of the one above)``, less that of the nearest.
        """
        middle = np.clip(np.floor(at + 0.5), 1 - RESIDUAL_MAX, RESIDUAL_MAX - 1)
        slope = slope + 2 * bend * (middle - at)
        r = middle.astype(np.int64)
        bits = self.tables.bits(index, r)
        below = bend - slope + (self.tables.bits(index, r - 1) - bits)
        above = bend + slope + (self.tables.bits(index, r + 1) - bits)
        return middle, below, above

    def move(self, expected: Array, gradient: Array, steep: float, bold: float) -> Array:
        """What is expected of the latents after a step, ``float32 [cells, M]``.

        Args:
            expected: the same before, in units of d.
            gradient: of the squared error there.
            steep: factor on the curvature, for residuals that change at the same time.
            bold: part of the way to go.
        """
        out = np.empty_like(expected)
        latents = np.zeros(expected.shape, np.int16)
        for k, cells, index, mean in self.coder.walk(self.hyper, latents):
            _, a, b = self.coder.model.passes[k]
            m = (mean / 16).astype(np.float32)
            at = expected[cells, a:b] / self.step[a:b] - m
            middle, below, above = self._costs(
                index, at, gradient[cells, a:b] * self.slope[a:b], steep * self.bend[a:b]
            )
            less = np.exp(np.clip(below / -TEMPERATURE, -FAR, FAR))
            more = np.exp(np.clip(above / -TEMPERATURE, -FAR, FAR))
            at += bold * (middle + (more - less) / (1 + less + more) - at)
            moved = (np.where(index > 0, at, 0) + m) * self.step[a:b]
            out[cells, a:b] = np.clip(moved, *self.coder.model.latent_range)
            latents[cells, a:b] = np.rint(out[cells, a:b])
        return out

    def decide(self, expected: Array, gradient: Array, steep: float) -> tuple[Array, Array, float]:
        """The likeliest residuals.

        Returns:
            ``(int16 [cells, M] residuals, the latents d that they give, bits)``.
        """
        residuals, latents = np.zeros(expected.shape, np.int16), np.zeros(expected.shape, np.int16)
        bits = 0.0
        for k, cells, index, mean in self.coder.walk(self.hyper, latents):
            _, a, b = self.coder.model.passes[k]
            at = expected[cells, a:b] / self.step[a:b] - (mean / 16).astype(np.float32)
            middle, below, above = self._costs(
                index, at, gradient[cells, a:b] * self.slope[a:b], steep * self.bend[a:b]
            )
            change = np.where(below < np.minimum(above, 0), -1, np.where(above < 0, 1, 0))
            r = np.where(index > 0, middle + change, 0).astype(np.int64)
            bits += float(self.tables.bits(index, r).sum(dtype=np.float64))
            residuals[cells, a:b] = r
            latents[cells, a:b] = self.coder.dequantise(k, r, mean)
        return residuals, latents, bits


def refine(targets: Array, hyper: Array, coder: GroupCoder, measure: Measure, effort: int) -> Array:
    """Residuals of a group.

    Args:
        targets: ``int [cells, M]`` latents of the analysis.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
        measure: gives, of latents ``[cells, M]``, the squared error and its gradient, or with
            ``gradient=False`` the error alone.
        effort: 1 to 9.

    Returns:
        ``int16 [cells, M]``.
    """
    weight, search = weight_of(coder.quality), _Search(targets, hyper, coder)
    expected = targets.astype(np.float32)
    candidates: list[tuple[float, Array]] = []

    def consider(gradient: Array, steep: float) -> None:
        residuals, latents, bits = search.decide(expected, gradient, steep)
        if effort >= MEASURED:
            bits += weight * measure(latents, gradient=False)[0]
        candidates.append((bits, residuals))

    first = effort
    if effort >= MEASURED:
        first = 1
        consider(np.zeros_like(expected), ROUNDING)
    stops = EFFORTS[first : effort + 1]
    # First by bits and curvature alone: the gradient then sees some of the errors of rounding.
    expected = search.move(expected, np.zeros_like(expected), 4.5, 0.5)
    for k in range(1, stops[-1] + 1):
        gradient = measure(np.rint(expected))[1]
        # Bold steps at first, and a steep quadratic because many residuals change at once.
        bold, steep = 0.4 + 0.3 / k, 2.25 + 1.5 / k
        if k in stops:
            consider(gradient, steep)
        if k < stops[-1]:
            expected = search.move(expected, gradient, steep, bold)
    return min(candidates, key=lambda c: c[0])[1]
