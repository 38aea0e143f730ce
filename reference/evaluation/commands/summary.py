"""Short tables of a run of ``accuracy``, for a page.

``tables.md`` has every figure; this has one measure in one table each, with the codecs that are wanted::

    python -m sdc_reference.evaluation summary OUT/results.json --score "true labels" \\
        --codecs sdc sdc:for-detection sdc:1-3 --against avif avif:1-3 sdc

It prints Markdown: the BD-rates in per cent, the rates at shares of the originals' score, and how far each
codec gets, by its curve (:func:`sdc_reference.evaluation.curves.pooled`) as all other figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..curves import pooled, steep
from ..tables import LINE, crossed, markdown

Row = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("results", type=Path)
    parser.add_argument("--score", nargs="+", default=[], help="all by default")
    parser.add_argument("--codecs", nargs="+", default=[], help="SDC's that are shown; all by default")
    parser.add_argument("--against", nargs="+", default=[], help="other codecs; all by default")


def run(args: argparse.Namespace) -> None:
    """Print the tables.

    Raises:
        SystemExit: the file is not there, is another, or lacks a score.
    """
    try:
        results = json.loads(args.results.read_text())
        about = results["about"]
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        parts = [f"{about['images']} images, evaluated by {about['evaluator']}; {versions}."]
        parts += [about["left_out"]] if about.get("left_out") else []
        for score in args.score or results["original"]:
            for title, text in tables_of(results, score, args.codecs, args.against):
                parts += [f"{title}:", text]
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    except (AttributeError, KeyError, TypeError) as error:
        sys.exit(f"{args.results}: not the results of a run: {type(error).__name__}: {error}")
    print("\n\n".join(parts))


def percent(row: Row) -> str:
    """A difference of rates, such as ``-25 [-43, +10]``."""
    if "value" not in row:
        return str(row.get("note", ""))
    text = f"{100 * row['value']:+.0f}"
    if "low" in row and "high" in row:
        text += f" [{100 * row['low']:+.0f}, {100 * row['high']:+.0f}]"
    return f"{text}, {row['note']}" if "note" in row else text


def rate(row: Row) -> str:
    """Bits per pixel at a score, such as ``0.612 [0.313, not reached]``."""
    if "value" not in row:
        return "not reached"
    text = f"{'at most ' * (row.get('note') == 'at most')}{row['value']:.3f}"
    if "low" not in row:
        return text
    return (
        f"{text} [{row['low']:.3f}, {row['high']:.3f}]"
        if "high" in row
        else f"{text} [{row['low']:.3f}, not reached]"
    )


def tables_of(
    results: dict[str, Any], score: str, codecs: Sequence[str] = (), against: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Titles and tables of one score.

    Args:
        results: what ``results.json`` holds.
        score: its name.
        codecs: SDC's that are shown, in this order; all where there are none.
        against: the others; all where there are none.

    Raises:
        ValueError: there is no such score.
    """
    if score not in results["original"]:
        raise ValueError(f"there is no score {score!r}, only {', '.join(results['original'])}")
    differences = [row for row in results["differences"] if row["score"] == score]
    yield f"BD-rate in per cent, {score}", markdown(_differences_table(differences, codecs, against))
    wanted = [*codecs, *against]
    rates = [row for row in results["rates"] if row["score"] == score]
    yield f"Bits per pixel at a share of the originals' score, {score}", markdown(_rates_table(rates, wanted))
    original = results["original"][score].get("value", 0.0)
    title = f"The highest score of each, as a share of the originals' {original:.3f}, {score}"
    yield title, markdown(_tops_table(results["points"], score, original, wanted))


def _in_order(rows: Sequence[Row], order: Sequence[str]) -> pd.DataFrame:
    """Rows with the columns of ``LINE``, by the order of the codecs; the others follow as they come."""
    place = {codec: k for k, codec in reversed(list(enumerate(order)))}
    sorted_rows = sorted(rows, key=lambda row: place.get(row["codec"], len(order)))
    named = [{**row, "objects": row["source"] or "-", "codec": f"`{row['codec']}`"} for row in sorted_rows]
    return pd.DataFrame(named)


def _differences_table(rows: Sequence[Row], codecs: Sequence[str], against: Sequence[str]) -> pd.DataFrame:
    """A row for each of SDC's codecs, a column for each of the others, in per cent."""
    known = list(dict.fromkeys(row["against"] for row in rows))
    shown = [codec for codec in against if codec in known] if against else known
    cells = [
        {**row, "against": f"`{row['against']}`", "words": percent(row)}
        for row in rows
        if row["against"] in shown and (not codecs or row["codec"] in codecs)
    ]
    columns = [f"`{codec}`" for codec in shown]
    return crossed(_in_order(cells, [*codecs, *against]), "against", "words").reindex(
        columns=[*LINE, *columns], fill_value=""
    )


def _rates_table(rows: Sequence[Row], wanted: Sequence[str]) -> pd.DataFrame:
    """A row for each codec, a column for each share of the originals' score."""
    cells = [
        {**row, "share": f"{row['share']:.0%}", "words": rate(row)}
        for row in rows
        if not wanted or row["codec"] in wanted
    ]
    return crossed(_in_order(cells, wanted), "share", "words")


def _tops_table(points: Sequence[Row], score: str, original: float, wanted: Sequence[str]) -> pd.DataFrame:
    """How far each codec gets."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in points:
        if not wanted or row["codec"] in wanted:
            curve = curves.setdefault((row["source"], row["codec"]), [])
            value = row["scores"][score].get("value")
            if value is not None:
                curve.append((row["bpp"]["value"], value))
    rows = []
    for (source, codec), found in curves.items():
        top = [(f"{bpp:.3f}", f"{value / original:.1%}" if original else "-") for bpp, value in _top(found)]
        bpp, share = top[0] if top else ("-", "-")
        rows.append({"source": source, "codec": codec, "bits per pixel": bpp, "share": share})
    return _in_order(rows, wanted).reindex(columns=[*LINE, "bits per pixel", "share"])


def _top(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The last point of a curve; none of an empty one."""
    return list(steep(pooled(points)))[-1:]
