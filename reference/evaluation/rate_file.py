"""The CSV file of ``rate``: a row for each codec, setting and image."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pandas as pd

from .curves import Point
from .metrics import decibels
from .published import KODAK

COLUMNS = ("codec", "version", "setting", "image", "bpp", "psnr", "ms_ssim", "sha256")
"""``version`` is that of the codec with its options, ``psnr`` is in dB, ``ms_ssim`` is 0 to 1 or empty, and
``sha256`` is that of the image's file."""


def load_rows(path: Path) -> pd.DataFrame:
    """The rows of a file, with the ``COLUMNS``; none where there is no file.

    Raises:
        SystemExit: it is another file.
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        rows = pd.read_csv(path, dtype={"codec": str, "version": str, "image": str, "sha256": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        rows = pd.DataFrame()
    if tuple(rows.columns) != COLUMNS:
        sys.exit(f"{path} is not a file of `rate`")
    return rows


def save_rows(path: Path, rows: pd.DataFrame) -> None:
    """Put rows in the place of those that the file has of the same codecs; the others stay.

    The file is replaced at once, so that nothing is lost when this is interrupted.
    """
    old = load_rows(path)
    old = old[~old["codec"].isin(rows["codec"])]
    both = pd.concat([old, rows], ignore_index=True) if len(old) else rows
    both = both.assign(setting=both["setting"].map("{:g}".format))
    part = path.with_name(path.name + ".part")
    both.to_csv(part, index=False, columns=list(COLUMNS), float_format="%.6f")
    part.replace(path)


def means_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the images of each codec and setting, in the order of the rows.

    The columns are ``bpp``, and ``psnr`` and ``ms_ssim`` in dB.  MS-SSIM is averaged first, as in published
    figures, and then made dB; where one image has none, the mean is none.
    """
    groups = rows.groupby(["codec", "setting"], sort=False)
    similarity = groups["ms_ssim"].agg(lambda values: values.mean(skipna=False))
    means = groups[["bpp", "psnr"]].mean()
    return means.assign(ms_ssim=similarity.map(lambda value: float(decibels(value)), na_action="ignore"))


def points_of(means: pd.DataFrame) -> list[Point]:
    """The points of one codec, by rising rate."""
    rows = means.sort_values(["bpp", "psnr"])[["bpp", "psnr", "ms_ssim"]].to_numpy(float).tolist()
    return [(bpp, db, None if math.isnan(similarity) else similarity) for bpp, db, similarity in rows]


def load_curves(path: Path) -> tuple[dict[str, list[Point]], bool]:
    """Curves of a file.

    Returns:
        ``(points of each codec by rising rate, means over the images; whether these are the 24 of Kodak)``.

    Raises:
        SystemExit: settings have not all the same images.
    """
    rows = load_rows(path)
    sets = rows.groupby(["codec", "setting"])["sha256"].agg(frozenset)
    if sets.nunique() != 1:
        sys.exit(f"{path} has not the same images for every setting: measure all codecs on the same ones")
    means = means_of(rows)
    curves = {str(codec): points_of(group) for codec, group in means.groupby("codec", sort=False)}
    return curves, set(rows["image"]) == KODAK
