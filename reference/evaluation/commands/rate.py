"""Rate against PSNR and MS-SSIM, mean over the images, of SDC and of other codecs.

Whatever the cache has is not measured again, so a run that was interrupted goes on.
FILE gets a row for each codec, setting and image; of codecs that are not in this run it keeps the rows, so
that several efforts or models can stand in one file.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from sdc.codec.search import DEFAULT_EFFORT
from sdc.errors import SdcError

from ..codecs import PEERS
from ..coders import coder_of
from ..dataset import LabelledImage
from ..images import image_paths
from ..measure import measure
from ..options import add
from ..plan import Plan, Row
from ..plots import draw_rates
from ..rate_file import load_curves, means_of, save_rows
from ..variants import Variant, parse_variant


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! csv! cache qualities effort model peers jobs plot")


def run(args: argparse.Namespace) -> None:
    """Measure, write the file and print means.

    Raises:
        SystemExit: there are no images, or a codec fails.
    """
    images = [LabelledImage(path) for path in image_paths(args.data)]
    similarity = find_spec("pytorch_msssim") is not None
    if not similarity:
        print("MS-SSIM left out: pytorch-msssim is not installed")
    variants, names = _variants(args)
    cache = args.cache or args.csv.with_suffix(".cache")
    plan = Plan("", "", cache, args.model, (), (), variants, similarity)
    try:
        rows = _rows(measure(plan, images, args.jobs), names, args.data)
    except (OSError, RuntimeError, SdcError) as error:
        sys.exit(f"{error}")
    save_rows(args.csv, rows)
    for (name, setting), bpp, db, similarity_db in means_of(rows).itertuples():
        last = "" if pd.isna(similarity_db) else f"  MS-SSIM {similarity_db:.2f} dB"
        print(f"{name:14s} {setting:4g}  {bpp:.4f} bpp  {db:.2f} dB{last}")
    if args.plot:
        draw_rates(*load_curves(args.csv), args.plot)


def _variants(
    args: argparse.Namespace,
) -> tuple[tuple[tuple[Variant, tuple[float, ...]], ...], dict[str, str]]:
    """What is measured, and the names under which the file has it; what is not installed is left out."""
    effort = DEFAULT_EFFORT if args.effort is None else args.effort
    own = parse_variant(f"sdc@effort{effort}")
    names = {own.text: "SDC" if args.effort is None else f"SDC effort {effort}"}
    found: list[tuple[Variant, tuple[float, ...]]] = [(own, tuple(args.qualities))]
    for peer in args.peers:
        try:
            PEERS[peer].version()
        except ImportError as error:
            print(f"{PEERS[peer].name} left out: {error}")
            continue
        names[peer] = PEERS[peer].name
        found.append((parse_variant(peer), PEERS[peer].settings))
    for variant, _ in found:
        name, version = names[variant.text], coder_of(variant.coder, args.model).version
        print(f"{name}: {version.removeprefix(f'{name} ')}")
    return tuple(found), names


def _rows(measured: Sequence[Row], names: dict[str, str], folder: Path) -> pd.DataFrame:
    """The rows of the file, setting by setting."""
    rows = pd.DataFrame(measured)[["codec", "version", "setting", "image", "bpp", "psnr", "ms_ssim"]]
    rows["codec"] = rows["codec"].map(names)
    rows["ms_ssim"] = rows["ms_ssim"].astype(float)
    hashes = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in rows["image"].unique()
    }
    rows["sha256"] = rows["image"].map(hashes)
    order = {key: k for k, key in enumerate(dict.fromkeys(zip(rows["codec"], rows["setting"], strict=True)))}
    places = [order[key] for key in zip(rows["codec"], rows["setting"], strict=True)]
    return rows.assign(place=places).sort_values("place", kind="stable").drop(columns="place")
