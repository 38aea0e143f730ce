"""Times of 768x512 images beside other codecs, with one thread and with two, as ratios.

AVIF is given the rate of SDC.  The networks of CompressAI have random weights, on which their time hardly
depends, and which give their rates no meaning.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.types import Pixels

from ..codecs import PEERS
from ..encoders import encoder_of, four_levels, quality_for
from ..metrics import bits_per_pixel
from ..options import add
from ..timing import THREADS, first_image, kodak_sized, median_time

BATCH = 8
"""Images of a batch."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! quality effort model threads")


@functools.cache
def _runner(torch: bool) -> dict[str, Any]:
    """Arguments of :func:`sdc.codec.encoder.encode` and ``decode`` that choose NumPy or torch."""
    if not torch:
        return {}
    from ...runner import TorchRunner

    return {"runner": TorchRunner("cpu")}


def _decode_in_child(data: bytes, torch: bool) -> int:
    return decode(data, **_runner(torch)).pixels.size


def _all_of(pool: Executor, work: Callable[[bytes], int], items: Sequence[bytes]) -> list[int]:
    return list(pool.map(work, items))


def _own_times(images: list[Pixels], args: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    image, coder = images[0], encoder_of(args.model, args.effort)
    many = [coder(images[k % len(images)], quality=args.quality) for k in range(BATCH)]
    parts = coder(image, quality=args.quality, objects=four_levels(*image.shape[:2]), metadata=False)
    l1 = parse(parts).prefix(levels=["L1"]) * 8 * 3 / image.size
    for torch in (False, True):
        name, own = f"SDC {'torch' if torch else 'NumPy'}", _runner(torch)
        encoding = median_time(functools.partial(coder, image, quality=args.quality, **own), 10)
        decoding = median_time(functools.partial(decode, many[0], **own), 10)
        yield name, bits_per_pixel(many[0], image), encoding, decoding
        alone = median_time(functools.partial(decode, parts, levels=["L1"], **own), 10)
        yield f"{name}, L1 only", l1, None, alone
        work = functools.partial(_decode_in_child, torch=torch)
        with ProcessPoolExecutor(args.threads, multiprocessing.get_context("spawn")) as pool:
            seconds = median_time(functools.partial(_all_of, pool, work, many), 20)
        words = f"{name}, each of {BATCH} in {args.threads} process" + "es" * (args.threads > 1)
        yield words, sum(bits_per_pixel(m, image) for m in many) / BATCH, None, seconds / BATCH


def _other_times(image: Pixels, bpp: float, threads: int) -> Iterator[tuple[Any, ...]]:
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    avif = PEERS["avif"]
    quality = quality_for(image, bpp, lambda p, quality: avif.encode(p, quality))
    data = avif.encode(image, quality)
    encoding = median_time(lambda: avif.encode(image, quality), 10)
    yield "AVIF", bits_per_pixel(data, image), encoding, median_time(lambda: avif.decode(data))
    import torch

    # CompressAI can be imported after that module.
    importlib.import_module("sdc_reference.model._compressai")
    zoo, models = (importlib.import_module(f"compressai.{name}") for name in ("zoo", "models"))
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255
    makers = {
        "mbt2018-mean": lambda: zoo.mbt2018_mean(4),
        "cheng2020-anchor": lambda: zoo.cheng2020_anchor(4),
        "ELIC": models.Elic2022Official,
    }
    for name, make in makers.items():
        torch.manual_seed(0)
        model = make().eval()
        model.update(force=True)
        with torch.inference_mode():
            coded = model.compress(x)
            encoding = median_time(functools.partial(model.compress, x), 10)
            again = functools.partial(model.decompress, coded["strings"], coded["shape"])
            decoding = median_time(again, 10)
        yield name, None, encoding, decoding


def run(args: argparse.Namespace) -> None:
    """Times of 768x512 images beside other codecs, with one thread and with two, as ratios.

    AVIF is given the rate of SDC.  The networks of CompressAI have random weights, on which their time hardly
    depends, and which give their rates no meaning.
    """
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
        os.environ.update(dict.fromkeys(THREADS, "1"))  # of the processes to come; NumPy has read it here
        images = list(kodak_sized(args.data))
        own = list(_own_times(images, args))
        for row in (*own, *_other_times(images[0], own[0][1], args.threads)):
            print(json.dumps(row), flush=True)
        return
    first_image(args.data)
    for threads in (1, 2):
        command = [sys.executable, "-m", "sdc_reference.evaluation", "peers", "--threads", str(threads)]
        command += ["--data", str(args.data), "--quality", str(args.quality), "--model", str(args.model)]
        command += [] if args.effort is None else ["--effort", str(args.effort)]
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        print_times([json.loads(line) for line in done.stdout.splitlines()], threads)


def print_times(rows: list[tuple[Any, ...]], threads: int) -> None:
    """A table of times in seconds, with decoding as a multiple of SDC's, and targets."""
    decoding = {name: seconds for name, _, _, seconds in rows}
    print(f"{threads} thread{'s' * (threads > 1)}: bpp, encoding and decoding in s, decoding / SDC NumPy")
    for name, bpp, encoded, decoded in rows:
        rate = "     -" if bpp is None else f"{bpp:6.3f}"
        took = "       -" if encoded is None else f"{encoded:8.3f}"
        print(f"  {name:38s} {rate} {took} {decoded:8.3f}  {decoded / decoding['SDC NumPy']:7.2f}")
    for own in ("SDC NumPy", "SDC torch"):
        for other, target in (("mbt2018-mean", 10), ("cheng2020-anchor", 25)):
            ratio = decoding[other] / decoding[own]
            missed = "" if ratio >= target else ", missed"
            print(f"  {own} decodes {ratio:.1f} times as fast as {other}, target {target}{missed}")
        ratio = decoding[own] / decoding["AVIF"]
        missed = "" if ratio <= 20 else ", missed"
        print(f"  {own} takes {ratio:.1f} times as long as AVIF, target at most 20{missed}", flush=True)
