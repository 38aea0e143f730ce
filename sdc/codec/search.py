"""Rate-distortion search: residuals that cost less for what they show (not normative).

What is sought are the residuals with the least ``J = lambda * squared error + bits``, lambda being that of
:func:`weight_of`, times the model's ``error_weights``. Many latents show in the same pixels, so the best
residual of one depends on the others, and choosing all at once overshoots. Hence the search moves what is
*expected* of each residual: it may take three values, with odds that fall with their cost, as in the
mean-field method for discrete problems (Peterson and Soderberg, 1989; stochastic Gumbel annealing, Yang,
Bamler and Mandt, 2020, draws the values instead). In longer searches the temperature falls, so that what is
expected comes to be what will be coded. The cost of a value is its bits by the tables, what it
does to the bits of later passes by the gradient through their contexts, and its squared error by a
quadratic whose slope is the gradient of the real error of the integer synthesis, both at what is expected
of all residuals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum

import numpy as np

from ..coding.costs import costs_of
from ..coding.passes import Band, GroupCoder
from ..coding.symbols import RESIDUAL_MAX
from ..networks.gradient import backward
from ..networks.network import sees_latents
from ..networks.profile import by_quality
from ..networks.run import Tape, run
from ..networks.threads import one_thread
from ..types import Array
from .distortion import in_order_of
from .features import FeatureDistance
from .portable import powers_of_e

EFFORTS = (0, 1, 2, 3, 4, 6, 10, 16, 30, 60)
"""Gradients of each effort."""


DEFAULT_EFFORT = 3
"""It has half of the gain of effort 6, in a third of its time."""


MEASURED = 4
"""From this effort on, what was found is measured, and the best kept."""


LAMBDA = (5e-4, 0.12)
"""Weight of the squared error (8-bit scale) at qualities 0 and 63, in training too."""


ROUNDING = 1e9
"""Curvature beside which bits do not count, so that residuals are the nearest."""


SAMPLES, SAMPLE_SIDE = 16, 4
"""Squares of cells that the curvature is measured on, at most, and their side."""


LATER = 0.6
"""Weight of the bits of later passes: a gradient overstates what many changes together save."""


TEMPERATURE = 2.0
"""Bits that make a value e times less likely."""

ANNEALED = (2.5, 2.1, 1.7, 1.4, 1.2, 1.0, 0.8, 0.65, 0.5)
"""The same in the course of a search that is long enough to settle, from ``MEASURED`` on.

Not where features count: their gradients hold for short ways only, and one in two searches ends worse.
"""


Measure = Callable[..., tuple[float, Array]]


def weight_of(quality: int) -> float:
    """Lagrangian weight of the squared error, in bits; a geometric series over the qualities."""
    return by_quality(LAMBDA, quality)


def curvature(targets: Array, coder: GroupCoder, features: FeatureDistance | None = None) -> Array:
    """Squared error that a latent adds alone, per square of its change: ``float32 [M]``.

    With features, what it adds to their distance too.

    It is the diagonal of ``J^T J / 3`` for the synthesis' Jacobian J, from a product of J with random signs
    (Hutchinson), mean over a sample of the cells.

    Args:
        targets: ``int [cells, M]`` latents.
        coder: the group's cells, model and quality.
        features: of the group's cells.
    """
    network, sites = coder.model.networks["synthesis"], coder.sites
    squares = sites.rows // SAMPLE_SIDE * 65536 + sites.cols // SAMPLE_SIDE
    names = np.unique(squares)
    cells = np.flatnonzero(np.isin(squares, names[:: -(-len(names) // SAMPLES)]))
    part = sites.take(cells)
    tape: Tape = []
    out = run(network, part, targets[cells], tape=tape)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), out.shape)
    if features is not None:
        probe = in_order_of(features.probe()[cells], network)
        signs += np.sqrt(np.float32(3)) * probe.reshape(signs.shape)
    pulled: Array = np.square(backward(network, part, signs, tape)).mean(0) / 3
    return pulled


class _Search:
    """Passes over the residuals of a group, in coding order: contexts follow what was found for earlier ones.

    Args:
        targets: ``int [cells, M]`` latents of the analysis.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
        weight: bits that a unit of squared error counts as.
        features: those whose distance counts beside it, if any.
    """

    def __init__(
        self,
        targets: Array,
        hyper: Array,
        coder: GroupCoder,
        weight: float,
        features: FeatureDistance | None = None,
    ):
        model, q = coder.model, coder.quality
        self.coder, self.costs = coder, costs_of(model)
        self.hyper = coder.hyper_values(hyper)
        step = np.maximum(model.step[q], 1) * 16 / (1 << model.shifts["step"])
        self.step = step.astype(np.float32)
        self.slope = weight * self.step
        self.curvature = curvature(targets, coder, features)
        self.bend = self.slope * self.step * self.curvature
        self.expected = targets.astype(np.float32)
        """What is expected of the latents, in units of d."""
        self.later = np.zeros_like(self.expected)
        """Bits of later passes per unit of a latent, where it is expected, by way of their contexts."""

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
        less, bits, more = self.costs.around(index, r)
        below = bend - slope + (less - bits)
        above = bend + slope + (more - bits)
        return middle, below, above

    def _slopes(self, gradient: Array, cells: Array, a: int, b: int) -> Array:
        """Of all costs but the bits of the residuals themselves, in bits per step."""
        later = LATER * self.later[cells, a:b] * self.step[a:b]
        slopes: Array = gradient[cells, a:b] * self.slope[a:b] + later
        return slopes

    def stretch(self, way: Array, along: Array | float) -> Array:
        """How many times as much as by the latents' own curvatures the error bent on a way.

        Where changes of many latents add up, as in smooth images, it is more than 1.

        Args:
            way: changes of the latents, ``[cells, M]``.
            along: how the slope of the error changed, times the way: by channel, ``[M]``, or in all.

        Returns:
            ``float32 [M]``; a channel that hardly moved has what all have together.
        """
        own = 2 * self.curvature * np.square(way).sum(0)
        mean = max(fsum(own) / len(own), 1e-9)
        in_all = fsum(along) if isinstance(along, np.ndarray) else along
        total = in_all / (mean * len(own))
        by_channel = along if isinstance(along, np.ndarray) else own * total
        found: Array = ((by_channel + mean * total) / (own + mean)).astype(np.float32)
        return found

    def move(
        self, gradient: Array, steep: Array | float, bold: float, temperature: float = TEMPERATURE
    ) -> None:
        """Change what is expected of the latents.

        Args:
            gradient: of the squared error there, ``[cells, M]``.
            steep: factor on the curvature, ``[M]`` or one for all, because many latents change at a time.
            bold: part of the way to go.
            temperature: bits that make a value e times less likely.
        """
        moved = np.empty_like(self.expected)
        latents = np.zeros(moved.shape, np.int16)
        passes = self.coder.model.passes
        bend = steep * self.bend
        needs = [np.zeros((len(moved), 2 * (b - a)), np.float32) for _, a, b in passes]
        for k, cells, index, mean in self.coder.coding_passes(self.hyper, latents):
            _, a, b = passes[k]
            index = index.astype(np.int64)
            m = (mean / 16).astype(np.float32)
            at = self.expected[cells, a:b] / self.step[a:b] - m
            middle, below, above = self._costs(index, at, self._slopes(gradient, cells, a, b), bend[a:b])
            less = powers_of_e(below * (-1 / temperature))
            more = powers_of_e(above * (-1 / temperature))
            odds = 1 / (1 + less + more)
            if k:
                needs[k][cells] = self._slopes_of_bits(index, middle, (less * odds, odds, more * odds))
            at += bold * (middle + (more - less) * odds - at)
            at = (np.where(index > 0, at, 0) + m) * self.step[a:b]
            moved[cells, a:b] = np.clip(at, *self.coder.model.latent_range)
            latents[cells, a:b] = np.rint(moved[cells, a:b])
        self.expected, self.later = moved, self._later_bits(latents, needs)

    def _slopes_of_bits(self, index: Array, middle: Array, odds: tuple[Array, ...]) -> Array:
        """Expected change of the bits with a pass's scale indices, then with its means in steps."""
        by_index, by_residual = self.costs.slopes(index, middle.astype(np.int64))
        parts = [sum(odd * slope for odd, slope in zip(odds, by_index, strict=True))]
        parts.append(-sum(odd * slope for odd, slope in zip(odds, by_residual, strict=True)))
        return np.where(np.tile(index > 0, 2), np.concatenate(parts, 1), 0)

    def _later_bits(self, latents: Array, needs: Sequence[Array]) -> Array:
        """Gradient of the bits of later passes by the latents of earlier ones, ``float32 [cells, M]``.

        Args:
            latents: ``int16 [cells, M]``, where it is wanted.
            needs: of each pass, ``[cells, 2 * channels]``: :meth:`_slopes_of_bits`.
        """
        model = self.coder.model
        out = np.zeros(latents.shape, np.float32)
        for band in self.coder.bands:
            features = self.coder.features(self.hyper, band)
            parity_of = (band.sites.rows + band.sites.cols) % 2
            coded = np.zeros((len(band.sites), model.latents), bool)
            for k, (parity, a, b) in enumerate(model.passes):
                if sees_latents(model.networks[f"context.{k}"]):
                    known = np.where(coded, latents[band.outer], 0)
                    by_known = self._through_context(k, band, known, features, needs[k])
                    out[band.outer] += np.where(coded, by_known, 0)
                coded[parity_of == parity, a:b] = True
        return out

    def _through_context(self, k: int, band: Band, known: Array, features: Array, need: Array) -> Array:
        """Gradient of a pass's bits by the latents that its context sees, of the outer rows of a band."""
        model, (_, a, b) = self.coder.model, self.coder.model.passes[k]
        network = model.networks[f"context.{k}"]
        tape: Tape = []
        run(network, band.sites, known, hyper=features, tape=tape)
        pushed = np.zeros((len(band.sites), need.shape[1]), np.float32)
        pushed[band.inner.start - band.outer.start : band.inner.stop - band.outer.start] = need[band.inner]
        pushed[:, : b - a] /= 1 << model.shifts["index"]
        pushed[:, b - a :] *= model.inverse[self.coder.quality, a:b] / (16 << model.shifts["mean"])
        return backward(network, band.sites, pushed, tape, features.shape[1])

    def decide(self, gradient: Array, steep: Array | float) -> tuple[Array, Array, float]:
        """The likeliest residuals.

        Args:
            gradient, steep: as in :meth:`move`.

        Returns:
            ``(int16 [cells, M] residuals, the latents d that they give, bits)``.
        """
        residuals, latents = (np.zeros(self.expected.shape, np.int16) for _ in range(2))
        bits, bend = 0.0, steep * self.bend
        for k, cells, index, mean in self.coder.coding_passes(self.hyper, latents):
            _, a, b = self.coder.model.passes[k]
            index = index.astype(np.int64)
            at = self.expected[cells, a:b] / self.step[a:b] - (mean / 16).astype(np.float32)
            middle, below, above = self._costs(index, at, self._slopes(gradient, cells, a, b), bend[a:b])
            change = np.where(below < np.minimum(above, 0), -1, np.where(above < 0, 1, 0))
            r = np.where(index > 0, middle + change, 0).astype(np.int64)
            bits += float(self.costs.bits(index, r).sum(dtype=np.float64))
            residuals[cells, a:b] = r
            self.coder.put_latents(k, cells, r, mean, latents)
        return residuals, latents, bits


@one_thread()
def rate_distortion_search(
    targets: Array,
    hyper: Array,
    coder: GroupCoder,
    measure: Measure,
    effort: int,
    error_weights: tuple[float, float] = (1.0, 1.0),
    features: FeatureDistance | None = None,
) -> Array:
    """Residuals of a group.

    Args:
        targets: ``int [cells, M]`` latents of the analysis transform.
        hyper: ``int64 [blocks, K]`` hyper residuals.
        coder: the group's cells, model and quality.
        measure: gives, of latents ``[cells, M]``, the squared error and its gradient, or with
            ``gradient=False`` the error alone.
        effort: 1 to 9.
        error_weights: factors on :func:`weight_of` at qualities 0 and 63, from the encoder's file
            (:mod:`..networks.model`).
        features: whose distance is in what ``measure`` gives.

    Returns:
        ``int16 [cells, M]``.
    """
    weight = weight_of(coder.quality) * by_quality(error_weights, coder.quality)
    search = _Search(targets, hyper, coder, weight, features)
    candidates: list[tuple[float, Array]] = []
    nothing = gradient = np.zeros(targets.shape, np.float32)

    def consider(gradient: Array, steep: Array | float) -> None:
        residuals, latents, bits = search.decide(gradient, steep)
        if effort >= MEASURED:
            bits += weight * measure(latents, gradient=False)[0]
        candidates.append((bits, residuals))

    if effort >= MEASURED:
        consider(nothing, ROUNDING)
    stops = EFFORTS[1 if effort >= MEASURED else effort : effort + 1]
    # First by bits and curvature alone: the gradient then sees some of the errors of rounding.
    was, error = targets.astype(np.float32), measure(targets, gradient=False)[0]
    annealed = effort >= MEASURED and features is None
    search.move(nothing, 4.5, 0.3, _pace(0, stops[-1], annealed)[1])
    for k in range(1, stops[-1] + 1):
        now = np.rint(search.expected)
        way, slope, before = now - was, gradient, error
        error, gradient = measure(now)
        steep, care = _steepness(search, k, way, gradient, slope, before - error)
        was = now
        if k in stops:
            consider(gradient, care * steep)
        if k < stops[-1]:
            search.move(gradient, steep, *_pace(k, stops[-1], annealed))
    return min(candidates, key=lambda c: c[0])[1]


def _pace(k: int, count: int, annealed: bool) -> tuple[float, float]:
    """Part of the way to go after a gradient, of so many, and the temperature."""
    if not annealed:
        return 0.4 + 0.3 / max(k, 1), TEMPERATURE
    return 0.6, ANNEALED[k * len(ANNEALED) // count]


def _steepness(
    search: _Search, k: int, way: Array, gradient: Array, before: Array, drop: float
) -> tuple[Array, float]:
    """Factor on the curvature for the next step, ``[M]``, and another by which a decision takes more care.

    Args:
        k: number of the gradient, from 1.
        way: change of the latents since the last one.
        gradient, before: of the squared error, now and last.
        drop: of the squared error on the way.
    """
    if k == 1:  # there was no gradient: what the error did in all says how it bent
        stretch = search.stretch(way, 2 * (drop + fsum((gradient * way).sum(0, np.float64))))
        margin, care = 2.2, 3.0
    else:
        stretch = search.stretch(way, ((gradient - before) * way).sum(0))
        margin, care = 1.25, 1 + 1 / k**2
    return np.maximum(1 + 0.5 / k, margin * stretch), care
