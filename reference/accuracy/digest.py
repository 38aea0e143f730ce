"""Short tables of a run, for a page: ``python -m sdc_reference.accuracy.digest OUT/results.json``.

``tables.md`` has every figure; this has one measure in one table each, with the codecs that are asked for::

    python -m sdc_reference.accuracy.digest OUT/results.json --score "true labels" \\
        --codecs sdc sdc:for-detection sdc:1-3 --against avif avif:1-3 sdc

It prints Markdown: the BD-rates in per cent, the rates at shares of the originals' score, and how far each
codec gets, by its curve (:func:`.lines.pooled`) as all other figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .lines import pooled, steep

Row = dict[str, Any]


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


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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

    def lines(kind: str, keep: Callable[[str], bool]) -> Iterator[tuple[list[str], list[Row]]]:
        """Rows of one line each, by the order of the codecs that are asked for."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in results[kind]:
            if row.get("score", score) == score and keep(row["codec"]):
                found.setdefault((row["source"], row["codec"]), []).append(row)
        order = [*codecs, *against]
        place = {codec: k for k, codec in reversed(list(enumerate(order)))}
        for source, codec in sorted(found, key=lambda key: place.get(key[1], len(order))):
            yield [source or "-", f"`{codec}`"], found[source, codec]

    shown = list(dict.fromkeys(row["against"] for row in results["differences"] if row["score"] == score))
    shown = [codec for codec in against if codec in shown] if against else shown
    rows = [
        [*name, *(next((percent(r) for r in found if r["against"] == other), "") for other in shown)]
        for name, found in lines("differences", lambda codec: not codecs or codec in codecs)
    ]
    kept = [row for row in rows if any(row[2:])]
    yield f"BD-rate in per cent, {score}", table(["objects", "codec", *(f"`{c}`" for c in shown)], kept)

    def wanted(codec: str) -> bool:
        return not (codecs or against) or codec in (*codecs, *against)

    shares = list(dict.fromkeys(row["share"] for row in results["rates"]))
    yield (
        f"Bits per pixel at a share of the originals' score, {score}",
        table(
            ["objects", "codec", *(f"{share:.0%}" for share in shares)],
            [[*name, *map(rate, found)] for name, found in lines("rates", wanted)],
        ),
    )
    original = results["original"][score].get("value", 0.0)
    tops = []
    for name, found in lines("points", wanted):
        points = [(row["bpp"]["value"], row["scores"][score].get("value")) for row in found]
        curve = steep(pooled((bpp, value) for bpp, value in points if value is not None))
        share = f"{curve[-1][1] / original:.1%}" if curve and original else "-"
        tops.append([*name, f"{curve[-1][0]:.3f}" if curve else "-", share])
    yield (
        f"The highest score of each, as a share of the originals' {original:.3f}, {score}",
        table(["objects", "codec", "bits per pixel", "share"], tops),
    )


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="sdc_reference.accuracy.digest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--score", nargs="+", default=[], help="all by default")
    parser.add_argument("--codecs", nargs="+", default=[], help="SDC's that are shown; all by default")
    parser.add_argument("--against", nargs="+", default=[], help="other codecs; all by default")
    args = parser.parse_args(argv)
    try:
        results = json.loads(args.results.read_text())
        about = results["about"]
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        parts = [f"{about['pictures']} pictures, judged by {about['judge']}; {versions}."]
        parts += [about["left_out"]] if about.get("left_out") else []
        for score in args.score or results["original"]:
            for title, text in tables_of(results, score, args.codecs, args.against):
                parts += [f"{title}:", text]
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    except (AttributeError, KeyError, TypeError) as error:
        sys.exit(f"{args.results}: not the results of a run: {type(error).__name__}: {error}")
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
