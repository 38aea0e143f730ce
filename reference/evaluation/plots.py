"""Plots of rate against quality and against score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .curves import MEASURES, Point, curve_of
from .figures import interval
from .lines import Line
from .published import PUBLISHED
from .report import is_ours
from .variants import parse_variant

COLOURS = ("#555555", "#d98c00", "#009e73", "#cc79a7", "#8c564b", "#999933")
OURS = ("#0b3c8c", "#1f78d1", "#56a8e8", "#7a3fb0", "#b22222", "#e06666", "#00838f", "#c71585")


def draw_scores(lines: Sequence[Line], words: str, folder: Path) -> list[str]:
    """Plot every score that the originals have, a panel for each source of objects, as PNG and SVG.

    SDC has thick lines and bands of its intervals, and what is flattened outside the objects is dashed.

    Args:
        lines: the first is that of the originals.

    Returns:
        Names of the SVG files.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    original, *rest = lines
    sources = list(dict.fromkeys(line.source for line in rest if line.source)) or [""]
    out = []
    for score, values in original.scores.items():
        if not np.isfinite(values[0, 0]):
            continue
        figure, axes = pyplot.subplots(
            1, len(sources), figsize=(7.5 * len(sources), 6), layout="constrained", squeeze=False, sharey=True
        )
        for axis, source in zip(axes[0], sources, strict=True):
            _panel(axis, [line for line in rest if line.source in ("", source)], score)
            axis.axhline(values[0, 0], color="black", linewidth=0.8, linestyle=":")
            axis.set(xscale="log", xlabel="bits per pixel", title=f"objects: {source}" if source else "")
            axis.grid(alpha=0.3, which="both")
        axes[0, 0].set_ylabel(f"{words}, {score}; dotted: originals")
        axes[0, -1].legend(fontsize="small", loc="lower right")
        name = score.replace(",", "").replace(" ", "-")
        for kind in ("png", "svg"):
            figure.savefig(folder / f"{name}.{kind}", dpi=110)
        out.append(f"{name}.svg")
        pyplot.close(figure)
    return out


def _panel(axis: Any, lines: Sequence[Line], score: str) -> None:
    """The curves of some lines, with bands around SDC's where there are enough draws."""
    for line, colour, style in _styles(lines):
        known, own = line.scores[score], is_ours(line)
        marks = {"marker": "o", "markersize": 3, "linewidth": 2.2 if own else 1.2}
        axis.plot(line.rates[:, 0], known[:, 0], style, color=colour, label=line.codec, **marks)
        if own and known.shape[1] > 20:
            bands = np.array([interval(row[1:]) for row in known], np.float64)
            axis.fill_between(line.rates[:, 0], *bands.T, color=colour, alpha=0.08, linewidth=0)


def _styles(lines: Sequence[Line]) -> Iterator[tuple[Line, str, str]]:
    """A colour for each codec, SDC's by variant, and a style for whole and flattened images."""
    names = list(dict.fromkeys(parse_variant(line.codec).name for line in lines if not is_ours(line)))
    ours = [line for line in lines if is_ours(line)]
    for line in lines:
        if is_ours(line):
            yield line, OURS[ours.index(line) % len(OURS)], "-"
        else:
            variant = parse_variant(line.codec)
            yield line, COLOURS[names.index(variant.name) % len(COLOURS)], "--" if variant.levels else "-"


def draw_rates(curves: Mapping[str, Sequence[Point]], published: bool, path: Path) -> None:
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
