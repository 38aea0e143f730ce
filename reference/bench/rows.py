"""The file of ``rate``: one row per codec, setting and picture."""

from __future__ import annotations

import csv
import io
import math
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

Point = tuple[float, float, float | None]
"""Bits per pixel, PSNR in dB, and MS-SSIM in dB if it was measured."""


@dataclass(frozen=True)
class Row:
    """One coded picture, in words as the file has them.

    Attributes:
        version: of the codec, with its options; for SDC the hashes of the model.
        bpp: bits of the file per pixel.
        psnr: in dB.
        ms_ssim: MS-SSIM, 0 to 1; empty where it was not measured.
        sha256: of the picture's file.
    """

    codec: str
    version: str
    setting: str
    picture: str
    bpp: str
    psnr: str
    ms_ssim: str
    sha256: str

    @property
    def key(self) -> tuple[str, ...]:
        """What the figures were made from."""
        return self.codec, self.version, self.setting, self.picture, self.sha256


NAMES = [f.name for f in fields(Row)]


def load_rows(path: Path) -> list[Row]:
    """Rows of a file, without one at the end that was cut off; none if there is no file."""
    text = path.read_text() if path.is_file() else ""
    reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
    if text and reader.fieldnames != NAMES:
        sys.exit(f"{path} is not a file of `bench rate`")
    return [Row(**row) for row in reader]


def save_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace a file at once, so that nothing is lost when this is interrupted."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="") as file:
        csv.writer(file).writerow(NAMES)
        for row in rows:
            append_row(file, row)
    part.replace(path)


def append_row(file: TextIO, row: Row) -> None:
    """Add a row, which is on the disk when this returns."""
    csv.writer(file).writerow(asdict(row).values())
    file.flush()


def decibels(similarity: float) -> float:
    """MS-SSIM in dB, ``-10 log10(1 - x)``."""
    return -10 * math.log10(max(1 - similarity, 1e-9))


def mean_of(rows: Sequence[Row]) -> Point:
    """Means over some pictures; MS-SSIM is averaged first, as in published figures, then made dB."""
    similarity = [float(r.ms_ssim) for r in rows if r.ms_ssim]
    return (
        statistics.mean(float(r.bpp) for r in rows),
        statistics.mean(float(r.psnr) for r in rows),
        decibels(statistics.mean(similarity)) if len(similarity) == len(rows) else None,
    )


KODAK = frozenset(f"kodim{k:02d}.png" for k in range(1, 25))


def load_curves(path: Path) -> tuple[dict[str, list[Point]], bool]:
    """Curves of a file.

    Returns:
        ``(points of each codec by rising rate, means over the pictures; whether these are the 24 of Kodak)``.

    Raises:
        SystemExit: settings have not all the same pictures.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in load_rows(path):
        groups.setdefault((row.codec, row.setting), []).append(row)
    sets = {frozenset(r.sha256 for r in rows) for rows in groups.values()}
    if len(sets) != 1:
        sys.exit(f"{path} has not the same pictures for every setting: let `bench rate` finish")
    curves: dict[str, list[Point]] = {}
    for (codec, _), rows in groups.items():
        curves.setdefault(codec, []).append(mean_of(rows))
    kodak = {row.picture for rows in groups.values() for row in rows} == KODAK
    return {codec: sorted(points, key=lambda p: p[:2]) for codec, points in curves.items()}, kodak
