"""Images a second of torch's data loader: SDC by level beside JPEG and AVIF, from disk and over a network.

With ``--network`` a detector looks at the images of each row, and the row says what its time and its bytes
are worth: box AP by true labels, AP times images a second of computing, and AP for a megabyte an image::

    python -m sdc_reference.evaluation loader --coco COCO --network yolo11n.onnx --preset margin1,model2 \
        --quality 24 --peers jpeg=40 jpeg=75 avif=40

Codecs are compared at the qualities that are asked for; what costs as much, or shows as much, is for the
reader to find among several.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np

import sdc
from sdc import core
from sdc.codec.presets import EQUAL, parse_preset
from sdc.errors import SdcError

from ..codecs import PEERS
from ..dataset import load_images
from ..encoders import encoder_of
from ..evaluators import evaluator_of
from ..images import coco_images
from ..options import add
from ..precision import average_precision
from ..throttle import Line, served

AP = 4
"""Column of the AP."""
WARM = 4
"""Images that come before the time begins."""

PEER_QUALITIES = [("jpeg", 75), ("avif", 75)]
"""Pillow's defaults."""

ROWS: dict[str, dict[str, Any]] = {
    "SDC whole": {"objects": False},
    "SDC L1 to L3": {"objects": False, "levels": "L1,L2,L3"},
    "SDC L1": {"objects": False, "levels": "L1"},
    "SDC L1, boxes": {"levels": "L1"},
}
"""Options of the data set for each row of SDC."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "coco! quality")
    parser.add_argument("--images", type=int, default=50, help="how many are coded")
    parser.add_argument("--count", type=int, default=200, help="how many are timed, the same ones again")
    parser.add_argument("--workers", type=int, default=1, help="of the data loader")
    parser.add_argument("--mbit", type=float, default=100.0, help="of the network, in Mbit/s")
    parser.add_argument(
        "--preset", type=parse_preset, default=EQUAL, help="how SDC codes, such as margin1,model2; effort 0"
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        type=_peer,
        default=PEER_QUALITIES,
        metavar="NAME=QUALITY",
        help=f"others, of {', '.join(PEERS)}; {' '.join(f'{n}={q}' for n, q in PEER_QUALITIES)} by default",
    )
    parser.add_argument("--network", help="a detector, as for accuracy: what AP the images have")


def _peer(text: str) -> tuple[str, float]:
    """A codec and its quality.

    Raises:
        argparse.ArgumentTypeError: there is no such codec, or the quality is no number.
    """
    name, _, quality = text.partition("=")
    try:
        if name in PEERS:
            return name, float(quality)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not NAME=QUALITY with one of {', '.join(PEERS)}")


class Images:
    """Images of another codec, as a data set of torch has them: ``uint8 [3, H, W]``.

    Args:
        paths: paths or URLs.
        kind: key of the codec in :data:`PEERS`.
    """

    def __init__(self, paths: Sequence[str], kind: str):
        self.paths, self.kind = paths, kind

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int) -> Any:
        import torch

        path = self.paths[k]
        with urlopen(path) if path.startswith("http:") else open(path, "rb") as file:
            pixels = PEERS[self.kind].decode(file.read())
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()


def timed(images: Any, count: int, workers: int) -> tuple[float, float]:
    """Images a second of a data loader, behind those that it begins with, and of computing alone.

    Args:
        images: a data set of torch, whose images are taken again from the first where they do not suffice.
        count: images to time.
        workers: processes of the data loader.

    Returns:
        Images for a second that passes, and for a second of processor time of the workers, all they do
        included; the latter depends less on what else the machine does.
    """
    from torch.utils.data import DataLoader

    order = [k % len(images) for k in range(WARM + count)]
    start, before = time.perf_counter(), os.times()
    for k, _ in enumerate(DataLoader(images, batch_size=None, num_workers=workers, sampler=order)):
        if k == WARM - 1:
            start = time.perf_counter()
    passed, after = time.perf_counter() - start, os.times()
    computing = after.children_user + after.children_system - before.children_user - before.children_system
    return count / passed, len(order) / max(computing, 0.001)


def run(args: argparse.Namespace) -> None:
    """Images a second of torch's data loader, from disk and over a network.

    Raises:
        SystemExit: there is no image with an object of L1.
    """
    precision = _precision(args) if args.network else None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = list(islice(_coded(args, folder), args.images))
        if not names:
            sys.exit("loader: no image with a group of L1")
        print(f"{len(names)} images, {args.count} timed, {args.workers} workers; {core.about()}; ", end="")
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; images a second")
        heads = ["kB an image", "from disk", f"{args.mbit:g} Mbit/s", "computing"]
        heads += ["AP", "AP x comp.", "AP a MB"] if precision else []
        print(f"{'':16} {' '.join(f'{head:>12}' for head in heads)}")
        with served(folder, args.mbit * 1e6) as (url, line):
            for name, made in _rows(args).items():
                figures = _timed(made, names, str(folder) + os.sep, (url, line), args)
                if precision:
                    found = precision(made(names, str(folder) + os.sep), names)
                    figures += [found, found * figures[3], found / (figures[0] / 1000)]
                words = [f"{figure:12.{3 if k == AP else 1}f}" for k, figure in enumerate(figures)]
                print(f"{name:16} {' '.join(words)}", flush=True)


def _coded(args: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Names of images that were coded in all ways into the folder, where they have a group of L1."""
    encode = encoder_of(args.preset.model or 1, args.preset.effort or 0)
    for name, pixels, objects in coco_images(args.coco):
        data = encode(pixels, objects=objects, quality=args.quality, preset=args.preset)
        stem = Path(name).stem
        if sdc.Level.L1 not in sdc.open(data).levels:
            continue
        (folder / f"{stem}.sdc").write_bytes(data)
        for kind, quality in args.peers:
            (folder / f"{stem}.{kind}{quality:g}").write_bytes(PEERS[kind].encode(pixels, quality))
        yield stem


Made = Callable[[Sequence[str], str], Any]
"""Makes a data set of the names of images and what stands in front of them."""


def _rows(args: argparse.Namespace) -> dict[str, Made]:
    """What makes the data set of each row."""
    from sdc.plugins.torch import SdcDataset

    access = sdc.Access(private=True)

    def streams(options: dict[str, Any], names: Sequence[str], where: str) -> Any:
        return SdcDataset([f"{where}{name}.sdc" for name in names], access=access, **options)

    def others(kind: str, quality: float, names: Sequence[str], where: str) -> Any:
        return Images([f"{where}{name}.{kind}{quality:g}" for name in names], kind)

    rows: dict[str, Made] = {name: partial(streams, options) for name, options in ROWS.items()}
    return rows | {f"{PEERS[kind].name} {q:g}": partial(others, kind, q) for kind, q in args.peers}


def _precision(args: argparse.Namespace) -> Callable[[Any, Sequence[str]], float]:
    """What says how well a detector finds the true objects in a data set, of whose images it gets the names.

    Raises:
        SystemExit: there is no such detector, or pycocotools is not installed.
    """
    try:
        evaluator = evaluator_of("detection", args.network)
        truths = {Path(image.name).stem: image.truth for image in load_images(args.coco)}
        import_module("pycocotools")
    except (ImportError, OSError, SdcError, ValueError) as error:
        sys.exit(f"loader: {error}")

    def precision(images: Any, names: Sequence[str]) -> float:
        items = [images[k] for k in range(len(names))]
        tensors = [item[0] if isinstance(item, tuple) else item for item in items]
        shown = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()) for image in tensors]
        answers = [evaluator.answer(pixels, pixels) for pixels in shown]
        sizes = [(pixels.shape[1], pixels.shape[0]) for pixels in shown]
        score = average_precision("bbox", [truths[name] for name in names], answers, sizes)
        return float(score(np.ones((1, len(shown))))[0])

    return precision


def _timed(
    made: Made, names: Sequence[str], disk: str, store: tuple[str, Line], args: argparse.Namespace
) -> list[float]:
    """kB an image that came over the network, and images a second from disk, from there, and of computing."""
    url, line = store
    from_disk, computing = timed(made(names, disk), args.count, args.workers)
    before = line.sent
    from_store, _ = timed(made(names, url), args.count, args.workers)
    size = (line.sent - before) / (args.count + WARM) / 1000
    return [size, from_disk, from_store, computing]
