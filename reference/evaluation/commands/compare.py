"""Rate of SDC at equal quality against the other codecs of a file of `rate`, and published figures."""

from __future__ import annotations

import argparse

from ..curves import MEASURES, Curve, bjontegaard_rate, common_range, curve_of, rate_difference
from ..options import add
from ..published import PUBLISHED
from ..rate_file import load_curves


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "csv!")


def run(args: argparse.Namespace) -> None:
    """Print a table for each of SDC's curves and each measure.

    Raises:
        SystemExit: it is no file of `rate`, or its images differ.
    """
    curves, kodak = load_curves(args.csv)
    if not kodak:
        print("published figures left out: they are of the 24 Kodak images, and these are others")
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
