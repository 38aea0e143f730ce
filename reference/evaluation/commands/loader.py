"""Images a second of torch's data loader: SDC by level beside JPEG and AVIF, from disk and over a network."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import sdc
from sdc import core

from ..codecs import PEERS
from ..encoders import encoder_of
from ..images import coco_images
from ..options import add
from ..throttle import Line, served

WARM = 4
"""Images that come before the time begins."""

PEER_QUALITY = 75
"""Of JPEG and AVIF, Pillow's default."""

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
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = list(islice(_coded(args, folder), args.images))
        if not names:
            sys.exit("loader: no image with a group of L1")
        print(f"{len(names)} images, {args.count} timed, {args.workers} workers; {core.about()}; ", end="")
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        heads = ("kB an image", "from disk", f"{args.mbit:g} Mbit/s", "computing")
        print(f"{'':16} {' '.join(f'{head:>12}' for head in heads)}   images a second")
        with served(folder, args.mbit * 1e6) as (url, line):
            for name, made in _rows(args).items():
                _print(name, made, names, str(folder) + os.sep, (url, line), args)


def _coded(args: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Names of images that were coded in all ways into the folder, where they have a group of L1."""
    encode = encoder_of(1, 0)
    for name, pixels, objects in coco_images(args.coco):
        data = encode(pixels, objects=objects, quality=args.quality)
        stem = Path(name).stem
        if sdc.Level.L1 not in sdc.open(data).levels:
            continue
        (folder / f"{stem}.sdc").write_bytes(data)
        for kind in ("jpeg", "avif"):
            (folder / f"{stem}.{kind}").write_bytes(PEERS[kind].encode(pixels, PEER_QUALITY))
        yield stem


Made = Callable[[Sequence[str], str], Any]
"""Makes a data set of the names of images and what stands in front of them."""


def _rows(args: argparse.Namespace) -> dict[str, Made]:
    """What makes the data set of each row."""
    from sdc.plugins.torch import SdcDataset

    access = sdc.Access(private=True)

    def streams(options: dict[str, Any], names: Sequence[str], where: str) -> Any:
        return SdcDataset([f"{where}{name}.sdc" for name in names], access=access, **options)

    def others(kind: str, names: Sequence[str], where: str) -> Any:
        return Images([f"{where}{name}.{kind}" for name in names], kind)

    rows: dict[str, Made] = {name: partial(streams, options) for name, options in ROWS.items()}
    return rows | {PEERS[kind].name: partial(others, kind) for kind in ("jpeg", "avif")}


def _print(
    name: str,
    made: Made,
    names: Sequence[str],
    disk: str,
    store: tuple[str, Line],
    args: argparse.Namespace,
) -> None:
    """Time a row, and print it; its bytes are those that came over the network."""
    url, line = store
    from_disk, computing = timed(made(names, disk), args.count, args.workers)
    before = line.sent
    from_store, _ = timed(made(names, url), args.count, args.workers)
    size = (line.sent - before) / (args.count + WARM) / 1000
    print(f"{name:16} {size:12.1f} {from_disk:12.1f} {from_store:12.1f} {computing:12.1f}", flush=True)
