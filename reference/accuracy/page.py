"""A page of HTML with the tables, the plots, and the pictures on which SDC wins and loses most."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .areas import Pixels
from .coders import FOR
from .judges import Answer
from .lines import Groups, Line
from .measure import Job, Row, Worker
from .report import Results, is_ours, tables_of
from .tasks import TASKS, Asked

EXAMPLES = 4
"""Pictures shown from either end."""
SHOWN = 0.25
"""Boxes of a lower score are not drawn."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; display: block; overflow-x: auto; }
td, th { border: 1px solid #ccc; padding: 2px 8px; text-align: left; white-space: nowrap; }
figure { display: inline-block; margin: 0 8px 8px 0; width: 370px; vertical-align: top; }
figcaption { font-size: 13px; } img { max-width: 100%; }
"""


@dataclass(frozen=True)
class Pair:
    """Two ways to code that cost about the same, for examples.

    Attributes:
        ours, other: source, codec and setting of each.
    """

    ours: tuple[str, str, float]
    other: tuple[str, str, float]


def pair_of(lines: Sequence[Line]) -> Pair | None:
    """SDC by a preset, or else its objects alone, in the middle of its settings, and the closest in rate."""
    every = [line for line in lines[1:] if is_ours(line)]
    by_preset = [line for line in every if line.codec.startswith(f"sdc:{FOR}")]
    ours = by_preset or [line for line in every if line.codec == "sdc:1-3"] or every
    if not ours:
        return None
    others = [line for line in lines[1:] if not is_ours(line) and line.source in ("", ours[0].source)]
    if not others:
        return None
    line = ours[0]
    middle = (len(line.settings) - 1) // 2
    rate = line.rates[middle, 0]
    found = [
        (abs(np.log(other.rates[k, 0] / rate)), other.source, other.codec, other.settings[k])
        for other in others
        for k in range(len(other.settings))
    ]
    _, source, codec, setting = min(found)
    return Pair((line.source, line.codec, line.settings[middle]), (source, codec, setting))


def write_page(
    results: Results,
    plots: Sequence[str],
    examples: Sequence[str],
    path: Path,
) -> None:
    """Write the page; plots and the pictures of the examples are files beside it."""
    about = results.about
    title = f"{about['task'].capitalize()}: rate against accuracy"
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{about['pictures']} pictures, judged by {html.escape(about['judge'])}. {about['left_out']} "
        f"Intervals hold the middle 95 % of {about['draws']} draws of the pictures. "
        "Rates are bytes of whole files.</p>",
        *(f'<p><img src="{html.escape(name)}" alt="{html.escape(name)}"></p>' for name in plots),
        *examples,
    ]
    for name, columns, rows in tables_of(results):
        head = "".join(f"<th>{html.escape(c)}" for c in columns)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}" for c in row) for row in rows)
        parts.append(f"<h2>{html.escape(name)}</h2><table><tr>{head}{body}</table>")
    versions = "".join(f"<li>{html.escape(f'{k}: {v}')}" for k, v in about["versions"].items())
    parts.append(f"<h2>Versions</h2><ul>{versions}</ul>")
    path.write_text("\n".join(parts), encoding="utf-8")


def examples_of(
    pair: Pair, groups: Groups, asked: Asked, worker: Worker, jobs: Sequence[Job], folder: Path
) -> list[str]:
    """Pictures on which SDC's answer is better or worse than another codec's, with what was answered.

    Args:
        groups: rows of all measurements.
        folder: where pictures are written, in ``examples/``.

    Returns:
        Parts of the page.
    """
    (folder / "examples").mkdir(exist_ok=True)
    ours, other = groups[pair.ours], groups[pair.other]
    scores = [
        [_single(worker.plan.task, row, asked, i) for i, row in enumerate(rows)] for rows in (ours, other)
    ]
    gain = np.nan_to_num(np.array(scores[0]) - np.array(scores[1]))
    order = np.argsort(gain, kind="stable")
    places = {(job.source.text if job.source else "", job.picture.name): job for job in jobs}
    name = f"{pair.ours[1]} {pair.ours[2]:g} and {pair.other[1]} {pair.other[2]:g}"
    out = [f"<h2>Pictures: {html.escape(name)}, whose files are about as large on average</h2>"]
    for title, chosen in (("SDC loses", order[:EXAMPLES]), ("SDC wins", order[::-1][:EXAMPLES])):
        out.append(f"<h3>{title}</h3>")
        for i in chosen.tolist():
            job = places[ours[i]["source"], ours[i]["picture"]]
            out.append("<div>")
            words = f"{job.picture.name}, original"
            out.append(_figure(worker.shown(job, None, 0), asked.own[i], words, folder, f"{i}-original"))
            for way, rows, score, kind in (
                (pair.ours, ours, scores[0], "ours"),
                (pair.other, other, scores[1], "other"),
            ):
                job = places[way[0], rows[i]["picture"]]
                words = f"{way[1]} {way[2]:g}: {rows[i]['bytes']} bytes, score {score[i]:.2f}"
                pixels = worker.shown(job, way[1], way[2])
                out.append(_figure(pixels, rows[i]["answer"], words, folder, f"{i}-{kind}"))
            out.append("</div>")
    return out


def _single(task: str, row: Row, asked: Asked, i: int) -> float:
    """How well one picture was answered, by its labels if there are any."""
    one = Asked([asked.truth[i]], [asked.own[i]], [asked.sizes[i]])
    scores = TASKS[task].scores([row["answer"]], one)
    score = scores.get("true labels", next(iter(scores.values())))
    return float(score(np.ones((1, 1)))[0])


def _figure(pixels: Pixels, answer: Answer, words: str, folder: Path, name: str) -> str:
    """A picture with the boxes of an answer, or with the answer in words."""
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    boxes = [thing for thing in answer if isinstance(thing, dict) and thing["score"] >= SHOWN]
    for thing in boxes:
        x, y, w, h = thing["box"]
        pen.rectangle((x, y, x + w, y + h), outline="#ff2d2d", width=2)
        pen.text(
            (x + 4, y + 2),
            f"{thing['label']} {thing['score']:.2f}",
            fill="#ffffff",
            stroke_width=2,
            stroke_fill="#000000",
        )
    if answer and not isinstance(answer[0], dict):
        words += f", answer {', '.join(map(str, answer[:3]))}"
    path = f"examples/{name}.jpg"
    picture.save(folder / path, quality=88)
    return f'<figure><img src="{path}" alt=""><figcaption>{html.escape(words)}</figcaption></figure>'
