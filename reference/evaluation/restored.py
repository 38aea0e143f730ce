"""Rows of the measurement of restoration: their file, and tables of them.

Scores are compared at equal rate, and rates at equal score, of the images and strengths that have been
measured in all ways.
"""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, astuple, dataclass, fields
from pathlib import Path

import numpy as np

from ..restoration.trials import TRIALS
from .curves import Curve
from .figures import difference
from .lines import Line, draws_of
from .metrics import decibels
from .precision import Floats

CLEAN = "clean"
CAPTURED, RESTORED = "SDC as captured", "SDC restored"
ORDINARY = "SDC, ordinary analysis, restored"
FOR_RESTORATION = "SDC for restoration, not restored"

NO_OTHERS = (ORDINARY, FOR_RESTORATION)
"""Ways that say what a part of restoring here does, and are no other ways of doing it."""

BEST = "the best other way"
"""The row of the least gain on any way but :data:`NO_OTHERS`; to leave the image as captured is one."""

DRAWS = 300
"""Of the images, for intervals."""

Tried = tuple[str, str, int, str, int]
"""Image, task, strength, way and setting."""


@dataclass(frozen=True)
class Row:
    """One image in one way.

    Attributes:
        image: its name.
        task: of the trials, or ``clean``.
        strength: 0 or 1.
        way: in which it was coded and restored.
        setting: index of the quality.
        bpp: bits per pixel.
        psnr: to the clean image, dB.
        ms_ssim: the same; 0 to 1.
        st_lpips: the same, or None where it was not measured; 0 is alike.
        brisque: of the image alone, or None; less is better.
        by: which models coded and restored, of which part, in words; empty where nobody said.
    """

    image: str
    task: str
    strength: int
    way: str
    setting: int
    bpp: float
    psnr: float
    ms_ssim: float
    st_lpips: float | None = None
    brisque: float | None = None
    by: str = ""

    @property
    def tried(self) -> Tried:
        """What it is a row of."""
        return self.image, self.task, self.strength, self.way, self.setting


@dataclass(frozen=True)
class RowScore:
    """A score as tables have it.

    Attributes:
        title: that says in what unit the restored image is better at the same rate.
        digits: of a difference.
        column: of a row; None where it was not measured.
        rates: whether rates are compared at equal quality.
        better: from the mean over images to what rises with quality.
    """

    title: str
    digits: int
    column: Callable[[Row], float | None]
    rates: bool = True
    better: Callable[[Floats], Floats] = np.negative


SCORES = {
    "PSNR": RowScore("dB better in PSNR", 2, lambda row: row.psnr, better=np.positive),
    "MS-SSIM": RowScore("dB better in MS-SSIM", 2, lambda row: row.ms_ssim, better=decibels),
    "ST-LPIPS": RowScore("ST-LPIPS lower by", 3, lambda row: row.st_lpips),
    "BRISQUE": RowScore("BRISQUE lower by", 1, lambda row: row.brisque, rates=False),
}
"""Scores by name."""

REQUIRED = [field.name for field in fields(Row) if field.default is MISSING]
OPTIONAL = [field.name for field in fields(Row) if field.default is None]


def read_rows(path: Path) -> list[Row]:
    """Rows that were written before, by :func:`writing_rows`; none where there is no file.

    Files without the columns of optional measures are read too.
    Of two rows of the same case the later one counts.

    Raises:
        ValueError: the file is another one, or was cut.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = csv.DictReader(file)
        if lacking := set(REQUIRED) - set(lines.fieldnames or REQUIRED):
            raise ValueError(f"{path} is no file of rows: it has no column {min(lacking)}")
        rows = {}
        for line in lines:
            try:
                row = _row_of(line)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {lines.line_num}, is no row; remove it") from error
            rows[row.tried] = row
    return list(rows.values())


def _row_of(line: Mapping[str, str]) -> Row:
    optional: dict[str, float] = {name: float(line[name]) for name in OPTIONAL if line.get(name)}
    return Row(
        line["image"],
        line["task"],
        int(line["strength"]),
        line["way"],
        int(line["setting"]),
        float(line["bpp"]),
        float(line["psnr"]),
        float(line["ms_ssim"]),
        optional.get("st_lpips"),
        optional.get("brisque"),
        line.get("by") or "",
    )


@contextmanager
def writing_rows(path: Path, rows: Iterable[Row]) -> Iterator[Callable[[Row], None]]:
    """What adds a row to a file, so that it stays when the process dies.

    The file is written anew first, with all columns and the rows that are there.

    Args:
        path: the file; there may be none.
        rows: of :func:`read_rows`.
    """
    new = path.with_name(f"{path.name}.new")
    with new.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(astuple(row) for row in rows)
    os.replace(new, path)
    with path.open("a", newline="") as file:
        writer = csv.writer(file)

        def write(row: Row) -> None:
            writer.writerow(astuple(row))
            file.flush()

        yield write


def line_of(rows: Sequence[Row], weights: Floats) -> Line:
    """Means over images and strengths at each setting, in each draw of the images.

    Scores are those of :data:`SCORES` that all rows have, so that more is better.

    Args:
        rows: of one task and way; each image has all strengths and settings.
        weights: how often each image counts in each draw, ``[draws, images]``, images by name.
    """
    names = sorted({row.image for row in rows})
    settings = sorted({row.setting for row in rows})
    each = len(rows) / len(names) / len(settings)

    def means(column: Callable[[Row], float | None]) -> Floats:
        sums = np.zeros((len(settings), len(names)))
        for row in rows:
            value = column(row)
            place = settings.index(row.setting), names.index(row.image)
            sums[place] += np.nan if value is None else value
        return sums @ weights.T / (each * weights.sum(1))

    found = {name: means(score.column) for name, score in SCORES.items()}
    scores = {name: SCORES[name].better(mean) for name, mean in found.items() if np.isfinite(mean).all()}
    return Line("", rows[0].way, tuple(settings), means(lambda row: row.bpp), scores)


def gain_at_equal_rate(ours: Curve, other: Curve) -> float:
    """Mean difference of two qualities over the rates that both curves have, joined along logarithms.

    It is NaN where they have no rate in common.
    """
    (a, x), (b, y) = (np.array(sorted(curve)).T for curve in (ours, other))
    low, high = np.log(max(a[0], b[0])), np.log(min(a[-1], b[-1]))
    if low >= high:
        return float("nan")
    at = np.linspace(low, high, 50)
    return float((np.interp(at, np.log(a), x) - np.interp(at, np.log(b), y)).mean())


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """Tables as lines of Markdown: what restoring changes, and, against other ways, quality and rate.

    Of each task they are of the images and strengths that have been measured in all ways that the task has.
    """
    ways = [way for way in dict.fromkeys(row.way for row in rows) if way != RESTORED]
    found = dict.fromkeys((CLEAN, *TRIALS, *(row.task for row in rows)))
    by = {task: _whole([row for row in rows if row.task == task]) for task in found}
    tasks = [task for task, found in by.items() if CAPTURED in found and RESTORED in found]
    if not tasks:
        yield "nothing was restored yet"
        return
    yield "Bits per pixel, PSNR and MS-SSIM as captured and restored, means over images, strengths and rates:"
    yield ""
    yield "| task | images | bpp | restored | dB | restored | weaker, stronger | from, to | MS-SSIM | then |"
    yield "|---" * 10 + "|"
    for task in tasks:
        yield _changes(task, by[task][CAPTURED], by[task][RESTORED])
    lines = [_lines(by[task]) for task in tasks]
    for name, score in SCORES.items():
        if any(name in one[RESTORED].scores for one in lines):
            yield ""
            yield f"Restored at the same rate, {score.title}:"
            gains = {way: [_cell(one, way, name, _gain) for one in lines] for way in ways}
            if len(gains.keys() - set(NO_OTHERS)) > 1:
                gains[BEST] = [_least_gain(one, name) for one in lines]
            yield from _table(tasks, gains)
            if score.rates:
                yield ""
                yield f"Rate at the same {name}, % (BD-rate), and the middle 95 % of {DRAWS} draws of images:"
                yield from _table(
                    tasks, {way: [_cell(one, way, name, _saved) for one in lines] for way in ways}
                )


def _whole(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """By way the rows of a task, of the images and strengths that have all ways.

    Where images differ in how many strengths they have so, those with the most are taken.
    """
    counts = Counter((row.image, row.strength) for row in rows)
    most = max(counts.values(), default=0)
    strengths = Counter(image for (image, _), count in counts.items() if count == most)
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        whole = counts[row.image, row.strength] == most
        if whole and strengths[row.image] == max(strengths.values()):
            out[row.way].append(row)
    return out


def _lines(by: Mapping[str, Sequence[Row]]) -> dict[str, Line]:
    images = len({row.image for row in by[RESTORED]})
    weights = draws_of(images, DRAWS, 0)
    return {way: line_of(rows, weights) for way, rows in by.items()}


def _table(tasks: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| against | {' | '.join(tasks)} |"
    yield "|---" * (1 + len(tasks)) + "|"
    for way, cells in rows.items():
        yield f"| {way} | {' | '.join(cells)} |"


def _changes(task: str, captured: Sequence[Row], restored: Sequence[Row]) -> str:
    """A line on what restoring changes; both have the same images, strengths and settings."""

    def of(rows: Sequence[Row]) -> Floats:
        ordered = sorted(rows, key=lambda row: (row.strength, row.image, row.setting))
        return np.array([(row.bpp, row.psnr, row.ms_ssim) for row in ordered])

    before, after = of(captured), of(restored)
    change = after[:, 1] - before[:, 1]
    (bpp, was, similar), (less, now, alike) = before.mean(0), after.mean(0)
    images = len({row.image for row in captured})
    each = np.array_split(change, len({row.strength for row in captured}))
    apart = ", ".join(f"{part.mean():+.2f}" for part in each)
    span = f"{change.min():+.1f}, {change.max():+.1f}"
    cells = f"{bpp:.3f} | {less:.3f} | {was:.2f} | {now:.2f} | {apart} | {span} | {similar:.4f} | {alike:.4f}"
    return f"| {task} | {images} | {cells} |"


Compare = Callable[[Line, Line, str], str]
"""The cell of a table that compares two lines by a score."""


def _cell(lines: Mapping[str, Line], way: str, name: str, compare: Compare) -> str:
    """What a table says of a way beside what is restored; nothing of a way that the task has not."""
    if way not in lines:
        return ""
    if any(name not in lines[one].scores for one in (RESTORED, way)):
        return "not measured"
    return compare(lines[RESTORED], lines[way], name)


def _gain_of(restored: Line, line: Line, name: str) -> float:
    ours, other = (
        list(zip(one.rates[:, 0].tolist(), one.scores[name][:, 0].tolist(), strict=True))
        for one in (restored, line)
    )
    return gain_at_equal_rate(ours, other)


def _gain(restored: Line, line: Line, name: str) -> str:
    gain = _gain_of(restored, line, name)
    return "no rate in common" if np.isnan(gain) else f"{gain:+.{SCORES[name].digits}f}"


def _least_gain(lines: Mapping[str, Line], name: str) -> str:
    """The least gain of a task on any other way; a dash where one of them cannot be compared.

    Each is over the rates that it has in common with what is restored.
    """
    every = [lines[RESTORED], *(line for way, line in lines.items() if way not in (RESTORED, *NO_OTHERS))]
    if any(name not in line.scores for line in every):
        return "-"
    least = float(np.min([_gain_of(every[0], line, name) for line in every[1:]]))
    return "-" if np.isnan(least) else f"{least:+.{SCORES[name].digits}f}"


def _saved(restored: Line, line: Line, name: str) -> str:
    """The difference of rate in percent, with its interval; a dash where no quality is common to both."""
    found = difference(restored, line, name)
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{100 * found.value:+.0f}"
    return f"{100 * found.value:+.0f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}]"
