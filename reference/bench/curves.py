"""Curves of rate against quality: published ones, differences between two, and a plot of many."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .rows import Point, decibels, load_curves

Curve = Sequence[tuple[float, float]]
"""Points ``(bits per pixel, quality in dB)`` by rising rate and quality."""

MEASURES = ("PSNR", "MS-SSIM")

_TABLES = {
    "bmshj2018-hyperprior": (
        (0.1313, 27.582, 0.91737),
        (0.2089, 29.197, 0.94206),
        (0.3199, 30.972, 0.96106),
        (0.4784, 32.838, 0.97487),
        (0.6687, 34.526, 0.98356),
        (0.9388, 36.743, 0.98925),
        (1.2592, 38.584, 0.99287),
    ),
    "mbt2018-mean": (
        (0.1239, 27.699, 0.91784),
        (0.1980, 29.359, 0.94306),
        (0.3072, 31.129, 0.96148),
        (0.4606, 32.951, 0.97520),
        (0.6617, 34.968, 0.98358),
        (0.9144, 36.911, 0.98925),
        (1.2342, 38.838, 0.99305),
    ),
    "cheng2020-anchor": (
        (0.1196, 28.582, 0.92359),
        (0.1838, 29.969, 0.94651),
        (0.2710, 31.343, 0.96286),
        (0.4174, 33.390, 0.97577),
        (0.5945, 35.119, 0.98412),
        (0.8057, 36.704, 0.98930),
    ),
    "AV1 (libaom)": (
        (0.0557, 25.561, 0.84657),
        (0.1100, 27.562, 0.90111),
        (0.1700, 29.025, 0.92925),
        (0.2456, 30.442, 0.94904),
        (0.3524, 31.987, 0.96429),
        (0.4987, 33.650, 0.97531),
        (0.6828, 35.322, 0.98279),
        (0.9090, 36.989, 0.98783),
        (1.1673, 38.555, 0.99112),
        (1.4148, 39.809, 0.99308),
    ),
    "VVC (VTM)": (
        (0.0482, 26.145, 0.86061),
        (0.1125, 28.493, 0.91769),
        (0.2458, 31.200, 0.95611),
        (0.4905, 34.262, 0.97808),
        (0.8748, 37.420, 0.98878),
        (1.4308, 40.424, 0.99386),
    ),
}

PUBLISHED: dict[str, list[Point]] = {
    name: [(bpp, psnr, decibels(similarity)) for bpp, psnr, similarity in rows]
    for name, rows in _TABLES.items()
}
"""Published points on Kodak, mean of 24 pictures, from CompressAI's ``results/image/kodak``.

The learned codecs were trained for squared error.
"""


def curve_of(points: Sequence[Point], measure: str) -> Curve:
    """The curve of one of ``MEASURES``, without points that cost more and show no more; may be empty."""
    place = MEASURES.index(measure) + 1
    return rising((point[0], value) for point in points if (value := point[place]) is not None)


def rising(points: Iterable[tuple[float, float]]) -> Curve:
    """Points by rising rate, without those that cost more and show no more; may be empty."""
    curve: list[tuple[float, float]] = []
    for bpp, value in points:
        if not curve or value > curve[-1][1]:
            curve.append((bpp, value))
    return curve


def common_range(ours: Curve, other: Curve) -> tuple[float, float]:
    """The quality in dB that both curves cover, from and to.

    Raises:
        ValueError: there is none.
    """
    low, high = max(ours[0][1], other[0][1]), min(ours[-1][1], other[-1][1])
    if high <= low:
        raise ValueError("the curves have no quality in common")
    return low, high


def rate_difference(ours: Curve, other: Curve) -> float:
    """Mean relative difference of rate at equal quality, over the quality that both curves cover.

    The logarithm of the rate is joined by straight lines; nothing is extrapolated.  Less is better.
    """
    at = np.linspace(*common_range(ours, other), 1001)
    logs = [np.interp(at, [d for _, d in c], np.log([b for b, _ in c])) for c in (ours, other)]
    return float(np.exp((logs[0] - logs[1]).mean()) - 1)


def bjontegaard_rate(ours: Curve, other: Curve) -> float:
    """The Bjøntegaard delta rate, as a share of the other's: piecewise cubics (PCHIP), no extrapolation.

    Raises:
        ImportError: the package ``bjontegaard`` is not installed.
        ValueError: the curves have no quality in common.
    """
    from bjontegaard import bd_rate

    common_range(ours, other)
    (a, x), (b, y) = (np.array(c).T for c in (other, ours))
    return float(bd_rate(a, x, b, y, "pchip", require_matching_points=False, min_overlap=0)) / 100


def compare(args: argparse.Namespace) -> None:
    """Rate of SDC at equal quality against the other codecs of a file of `rate`, and published figures."""
    curves, kodak = load_curves(args.csv)
    if not kodak:
        print("published figures left out: they are of the 24 Kodak pictures, and these are others")
    for name in sorted(n for n in curves if n.startswith("SDC")):
        others = {k: v for k, v in curves.items() if k != name}
        others |= {f"{k}, published": v for k, v in PUBLISHED.items() if kodak}
        for measure in MEASURES:
            ours = curve_of(curves[name], measure)
            if not ours:
                continue
            print(f"{name} at equal {measure:7s}            joined by lines  Bjøntegaard  over")
            for against, points in others.items():
                print(f"  {against:32s} {_difference(ours, curve_of(points, measure))}")


def _difference(ours: Curve, other: Curve) -> str:
    """The two measures and the range in words."""
    try:
        low, high = common_range(ours, other)
    except (IndexError, ValueError):
        return "nothing in common"
    try:
        cubic = f"{bjontegaard_rate(ours, other):+11.1%}"
    except ImportError:
        cubic = "          -"
    return f"{rate_difference(ours, other):+15.1%}  {cubic}  {low:.1f} to {high:.1f} dB"


def draw(curves: Mapping[str, Sequence[Point]], published: bool, path: Path) -> None:
    """Plot curves up to 1.5 bits per pixel, with the published ones dashed if they are wanted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
    for axis, measure in zip(axes, MEASURES, strict=True):
        for group, style in ((curves, "-"), (PUBLISHED if published else {}, "--")):
            for name, points in group.items():
                curve = [p for p in curve_of(points, measure) if p[0] <= 1.5]
                if curve:
                    own = name.startswith("SDC")
                    marks = {"linewidth": 2.5, "marker": "o", "zorder": 3} if own else {"linewidth": 1.2}
                    label = name if group is curves else f"{name}, published"
                    axis.plot(*np.array(curve).T, style, markersize=4, label=label, **marks)
        axis.set(xlabel="bits per pixel", ylabel=f"{measure} in dB", xlim=(0, 1.5))
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
