"""A page of HTML with the tables, the plots, and the images on which SDC wins and loses most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image, ImageDraw

from sdc.types import Pixels

from .evaluators import Answer
from .lines import Groups, Line
from .plan import Job, Row
from .report import Results, is_ours, tables_of
from .tasks import TASKS, Expected
from .variants import FOR
from .worker import Worker

EXAMPLES = 4
"""Images shown from either end."""
SHOWN = 0.25
"""Boxes of a lower score are not drawn."""


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


@dataclass(frozen=True)
class Shown:
    """An image of the page: its file beside the page, and the words below."""

    path: str
    words: str


@dataclass(frozen=True)
class Examples:
    """Images on which SDC wins or loses, a row of the original and two coded ones for each.

    Attributes:
        title: what is compared.
        parts: titles and rows.
    """

    title: str
    parts: list[tuple[str, list[list[Shown]]]]


def write_page(results: Results, plots: Sequence[str], examples: Examples | None, path: Path) -> None:
    """Write the page from the template ``page.html``; plots and images are files beside it."""
    source = files(__package__).joinpath("page.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(source)
    tables = list(tables_of(results))
    text = template.render(about=results.about, plots=plots, examples=examples, tables=tables)
    path.write_text(text, encoding="utf-8")


def examples_of(
    pair: Pair, groups: Groups, expected: Expected, worker: Worker, jobs: Sequence[Job], folder: Path
) -> Examples:
    """Images on which SDC's answer is better or worse than another codec's, with what was answered.

    Args:
        groups: rows of all measurements.
        folder: where images are written, in ``examples/``.
    """
    (folder / "examples").mkdir(exist_ok=True)
    ours, other = groups[pair.ours], groups[pair.other]
    ways = {"ours": (pair.ours, ours), "other": (pair.other, other)}
    scores = {
        kind: [_single(worker.plan.task, row, expected, i) for i, row in enumerate(rows)]
        for kind, (_, rows) in ways.items()
    }
    order = np.argsort(
        np.nan_to_num(np.array(scores["ours"]) - np.array(scores["other"])), kind="stable"
    ).tolist()
    places = {(job.source.text if job.source else "", job.image.name): job for job in jobs}

    def row_of(i: int) -> list[Shown]:
        job = places[ours[i]["source"], ours[i]["image"]]
        original, words = worker.shown(job, None, 0), f"{job.image.name}, original"
        row = [_drawn(original, expected.own[i], words, folder, f"{i}-original")]
        for kind, ((source, codec, setting), rows) in ways.items():
            job = places[source, rows[i]["image"]]
            words = f"{codec} {setting:g}: {rows[i]['bytes']} bytes, score {scores[kind][i]:.2f}"
            pixels = worker.shown(job, codec, setting)
            row.append(_drawn(pixels, rows[i]["answer"], words, folder, f"{i}-{kind}"))
        return row

    name = f"{pair.ours[1]} {pair.ours[2]:g} and {pair.other[1]} {pair.other[2]:g}"
    chosen = (("SDC loses", order[:EXAMPLES]), ("SDC wins", order[::-1][:EXAMPLES]))
    return Examples(
        f"{name}, whose files are about as large on average",
        [(title, [row_of(i) for i in some]) for title, some in chosen],
    )


def _single(task: str, row: Row, expected: Expected, i: int) -> float:
    """How well one image was answered, by its labels if there are any."""
    one = Expected([expected.truth[i]], [expected.own[i]], [expected.sizes[i]])
    scores = TASKS[task].scores([row["answer"]], one)
    score = scores.get("true labels", next(iter(scores.values())))
    return float(score(np.ones((1, 1)))[0])


def _drawn(pixels: Pixels, answer: Answer, words: str, folder: Path, name: str) -> Shown:
    """An image with the boxes of an answer, or with the answer in words."""
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
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
    image.save(folder / path, quality=88)
    return Shown(path, words)
