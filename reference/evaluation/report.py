"""The results: JSON of everything, and tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from .figures import Figure, difference, rate_at, spread
from .lines import OWN_SCALE, Line
from .plan import Row
from .tables import crossed, markdown
from .variants import parse_variant

SHARES = (0.99, 0.97, 0.95)


@dataclasses.dataclass(frozen=True)
class Results:
    """All figures of a run.

    Attributes:
        about: what was measured, in words and numbers.
        original: the scores of the originals.
        points: of each line, ``(line, setting, rate, scores)``.
        rates: ``(line, score, share, figure)``.
        differences: ``(ours, other, score, figure)``.
    """

    about: dict[str, Any]
    original: dict[str, Figure]
    points: list[tuple[Line, float, Figure, dict[str, Figure]]]
    rates: list[tuple[Line, str, float, Figure]]
    differences: list[tuple[Line, Line, str, Figure]]

    @property
    def scored(self) -> list[str]:
        """The names of the scores that the evaluator gives."""
        return list(self.original)


def is_ours(line: Line) -> bool:
    """Whether a line is SDC's."""
    return parse_variant(line.codec).name == "sdc"


def _comparable(ours: Line, other: Line, score: str) -> bool:
    """Whether a measure means the same for both: pixels are compared over what both transmit."""
    if score not in ours.scores or score not in other.scores:
        return False
    if score in OWN_SCALE:
        partial = [parse_variant(line.codec).partial for line in (ours, other)]
        return not any(partial) if score != "PSNR of the objects" else True
    return True


def results_of(lines: Sequence[Line], about: dict[str, Any]) -> Results:
    """Work out the figures; the first of the lines is that of the originals."""
    original, *rest = lines
    points = [
        (
            line,
            setting,
            spread(line.rates[k]),
            {name: spread(values[k]) for name, values in line.scores.items()},
        )
        for line in rest
        for k, setting in enumerate(line.settings)
    ]
    rates = [
        (line, score, share, rate_at(line, original, score, share))
        for score in original.scores
        for line in rest
        for share in SHARES
    ]
    differences = [
        (ours, other, score, difference(ours, other, score))
        for ours in rest
        if is_ours(ours)
        for other in rest
        if other is not ours and other.source in ("", ours.source)
        if not is_ours(other) or other.codec == "sdc"
        for score in ours.scores
        if _comparable(ours, other, score)
    ]
    return Results(about, {n: spread(v[0]) for n, v in original.scores.items()}, points, rates, differences)


def as_figure(found: Figure) -> dict[str, Any]:
    """A figure for programs; what it does not have is left out."""
    values = dataclasses.asdict(found)
    endless = {k: None for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)}
    return {k: v for k, v in {**values, **endless}.items() if v not in (None, "")}


def as_json(results: Results, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything, for programs; the answers stay in the cache."""
    return {
        "about": results.about,
        "original": {name: as_figure(found) for name, found in results.original.items()},
        "points": [
            {
                "source": line.source,
                "codec": line.codec,
                "setting": setting,
                "bpp": as_figure(rate),
                "scores": {name: as_figure(found) for name, found in scores.items()},
            }
            for line, setting, rate, scores in results.points
        ],
        "rates": [
            {"source": line.source, "codec": line.codec, "score": score, "share": share, **as_figure(found)}
            for line, score, share, found in results.rates
        ],
        "differences": [
            {
                "source": ours.source,
                "codec": ours.codec,
                "against": other.codec,
                "score": score,
                **as_figure(found),
            }
            for ours, other, score, found in results.differences
        ],
        "measurements": [{k: v for k, v in row.items() if k != "answer"} for row in rows],
    }


Table = tuple[str, pd.DataFrame]
"""Title, and the table in words."""


def tables_of(results: Results) -> Iterator[Table]:
    """The tables, in words."""
    words = results.about["measure"]
    for score in results.scored:
        original = score_words(results.original[score])
        title = f"{words}, {score}: bits per pixel at a share of the original's {original}"
        yield title, _rates_table(results, score)
    for score in [*results.scored, *OWN_SCALE]:
        found = _differences_table(results, score)
        if len(found):
            yield f"BD-rate at equal {score if score in OWN_SCALE else f'{words}, {score}'}, against", found
    for score in results.scored:
        yield f"{words}, {score}: all points", _points_table(results, score)


def _rates_table(results: Results, score: str) -> pd.DataFrame:
    cells = [
        {"objects": line.source or "-", "codec": line.codec, "share": f"{share:.0%}", "rate": _rate(found)}
        for line, name, share, found in results.rates
        if name == score
    ]
    return crossed(pd.DataFrame(cells), "share", "rate")


def _differences_table(results: Results, score: str) -> pd.DataFrame:
    cells = [
        {"objects": a.source or "-", "codec": a.codec, "against": b.codec, "words": in_words(found)}
        for a, b, name, found in results.differences
        if name == score
    ]
    return crossed(pd.DataFrame(cells), "against", "words")


def _points_table(results: Results, score: str) -> pd.DataFrame:
    rows = [
        [line.source or "-", line.codec, f"{setting:g}", _rate(rate), score_words(scores[score])]
        for line, setting, rate, scores in results.points
    ]
    return pd.DataFrame(rows, columns=["objects", "codec", "setting", "bits per pixel", score])


def _rate(found: Figure) -> str:
    if found.value is None:
        return found.note
    text = f"{found.value:.3f}" if found.note != "at most" else f"at most {found.value:.3f}"
    if found.low is None or found.high is None:
        return text
    high = f"{found.high:.3f}" if math.isfinite(found.high) else "not reached"
    return f"{text} [{found.low:.3f}, {high}]"


def score_words(found: Figure) -> str:
    """A score, with its interval."""
    if found.value is None:
        return found.note
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def in_words(found: Figure) -> str:
    """A difference, with its interval and what else there is to say of it."""
    if found.value is None:
        return found.note
    text = f"{found.value:+.0%}"
    if found.low is not None and found.high is not None:
        text += f" [{found.low:+.0%}, {found.high:+.0%}]"
    return f"{text}, {found.note}" if found.note else text


def as_markdown(results: Results) -> str:
    """All tables."""
    about = results.about
    parts = [
        f"# {about['task'].capitalize()}: rate against accuracy",
        f"{about['images']} images, evaluated by {about['evaluator']}. {about['left_out']}".rstrip() + "\n"
        f"Intervals hold the middle 95 % of {about['draws']} draws of the images; rates are bytes of whole"
        " files.\nA difference whose interval holds 0 is not resolved by these images.",
        "\n".join(f"- {name}: {version}" for name, version in about["versions"].items()),
    ]
    for title, table in tables_of(results):
        parts += [f"## {title}", markdown(table)]
    return "\n\n".join(parts) + "\n"
