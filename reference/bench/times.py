"""How long it takes, by itself and beside other codecs, and the memory of a large picture."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.objects.object import Object
from sdc.types import Level

from .codecs import PEERS
from .common import THREADS, Pixels, bits_per_pixel, encoder_of, four_levels, photographs, quality_for

BATCH = 8
"""Pictures of a batch."""


def median_time(work: Callable[[], object], limit: float = float("inf")) -> float:
    """Median of five runs in seconds after one that warms up, or of as many as fit into ``limit`` seconds."""
    begun = time.perf_counter()
    work()
    times: list[float] = []
    while len(times) < 5 and (not times or time.perf_counter() - begun < limit):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def kodak_like(data: Path | None) -> Iterator[Pixels]:
    """Pictures of 768x512 pixels from a folder; without one, a single picture of waves and noise."""
    if data:
        yield from (p for _, p in photographs(data) if p.shape[:2] == (512, 768))
        return
    y, x = np.mgrid[:512, :768] / 30.0
    waves = np.stack([128 + 80 * np.sin(x * (1 + k / 3)) * np.cos(y * (1 - k / 5)) for k in range(3)], -1)
    yield np.clip(waves + np.random.default_rng(0).normal(0, 8, waves.shape), 0, 255).astype(np.uint8)


def _first(data: Path | None) -> Pixels:
    for picture in kodak_like(data):
        return picture
    sys.exit(f"no picture of 768x512 in {data}")


def speed(args: argparse.Namespace) -> None:
    """Times of NumPy and torch in the same run, against what is asked for; fails when one is missed."""
    picture, coder = _first(args.data), encoder_of(args)
    rows, cols = picture.shape[0] // 16, picture.shape[1] // 16
    objects = four_levels(*picture.shape[:2])
    data = coder(picture, objects=objects, quality=32)
    late: list[str] = []

    def report(what: str, work: Callable[[], object], asked: float) -> float:
        seconds = median_time(work)
        print(f"{what:44s} {seconds:.3f} s, asked {asked:.3f}", flush=True)
        if seconds > asked:
            late.append(what)
        return seconds

    def report_l1(what: str, stream: bytes, full: float) -> None:
        share = float((parse(stream).labels == 1).mean())
        what = f"numpy decode L1{what}, {share:.1%} of the cells"
        report(what, lambda: decode(stream, levels=["L1"]), 0.1 + 1.2 * share * full)

    print(
        f"{picture.shape[1]}x{picture.shape[0]}, quality 32, {len(data)} bytes, four groups; median of five"
    )
    full = report("numpy decode", lambda: decode(data), 0.4)
    report("numpy encode", lambda: coder(picture, objects=objects), 1.5)
    report_l1("", data, full)
    rng = np.random.default_rng(0)
    places = [(int(rng.integers(rows - 2)), int(rng.integers(cols - 2))) for _ in range(20)]
    islands = [Object("island", (16 * x, 16 * y, 48, 48), Level.L1) for y, x in places]
    scattered = coder(picture, objects=islands, quality=32, metadata=False)
    report_l1(" as 20 islands", scattered, median_time(lambda: decode(scattered)))
    try:
        from ..runner import TorchRunner
    except ImportError:
        print("torch is not installed")
    else:
        runner = TorchRunner(args.device)
        report(f"torch decode on {args.device}", lambda: decode(data, runner=runner), 0.15)
    if late:
        sys.exit("slower than asked: " + ", ".join(late))


def large(args: argparse.Namespace) -> None:
    """Peak memory of decoding 100 megapixels."""
    if args.decode:
        start = time.perf_counter()
        got = decode(Path(args.decode).read_bytes())
        seconds = time.perf_counter() - start
        # Not ru_maxrss, which a child inherits from the process that started it.
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
        print(f"decoded {got.pixels.size // 3} pixels in {seconds:.1f} s, peak {peak:.2f} GiB, asked 1")
        return
    picture = _first(args.data)
    side = 10_000
    wide = np.tile(picture, (-(-side // picture.shape[0]), -(-side // picture.shape[1]), 1))[:side, :side]
    middle = [Object("middle", (2000, 3000, 5000, 4000), Level.L1)]
    data = encoder_of(args)(wide, objects=middle, quality=args.quality)
    with tempfile.NamedTemporaryFile(suffix=".sdc") as file:
        Path(file.name).write_bytes(data)
        print(f"{len(data)} bytes, {len(data) * 8 / side**2:.3f} bpp", flush=True)
        subprocess.run(
            [sys.executable, "-m", "sdc_reference.bench", "large", "--decode", file.name], check=True
        )


@functools.cache
def _runner(torch: bool) -> dict[str, Any]:
    """Arguments of :func:`sdc.codec.encoder.encode` and ``decode`` that choose NumPy or torch."""
    if not torch:
        return {}
    from ..runner import TorchRunner

    return {"runner": TorchRunner("cpu")}


def _decode_in_child(data: bytes, torch: bool) -> int:
    return decode(data, **_runner(torch)).pixels.size


def _own_times(pictures: list[Pixels], args: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    picture, coder = pictures[0], encoder_of(args)
    many = [coder(pictures[k % len(pictures)], quality=args.quality) for k in range(BATCH)]
    parts = coder(picture, quality=args.quality, objects=four_levels(*picture.shape[:2]), metadata=False)
    l1 = parse(parts).prefix(levels=["L1"]) * 8 * 3 / picture.size
    for torch in (False, True):
        name, own = f"SDC {'torch' if torch else 'NumPy'}", _runner(torch)
        encoding = median_time(lambda own=own: coder(picture, quality=args.quality, **own), 10)
        decoding = median_time(lambda own=own: decode(many[0], **own), 10)
        yield name, bits_per_pixel(many[0], picture), encoding, decoding
        yield (
            f"{name}, L1 only",
            l1,
            None,
            median_time(lambda own=own: decode(parts, levels=["L1"], **own), 10),
        )
        work = functools.partial(_decode_in_child, torch=torch)
        with ProcessPoolExecutor(args.threads, multiprocessing.get_context("spawn")) as pool:
            seconds = median_time(lambda pool=pool, work=work: list(pool.map(work, many)), 20)
        words = f"{name}, each of {BATCH} in {args.threads} process" + "es" * (args.threads > 1)
        yield words, sum(bits_per_pixel(m, picture) for m in many) / BATCH, None, seconds / BATCH


def _other_times(picture: Pixels, bpp: float, threads: int) -> Iterator[tuple[Any, ...]]:
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    avif = PEERS["avif"]
    quality = quality_for(picture, bpp, lambda p, quality: avif.encode(p, quality))
    data = avif.encode(picture, quality)
    encoding = median_time(lambda: avif.encode(picture, quality), 10)
    yield "AVIF", bits_per_pixel(data, picture), encoding, median_time(lambda: avif.decode(data))
    import torch

    # CompressAI can be imported after that module.
    importlib.import_module("sdc_reference.model._compressai")
    zoo, models = (importlib.import_module(f"compressai.{name}") for name in ("zoo", "models"))
    x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
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
            encoding = median_time(lambda model=model: model.compress(x), 10)
            decoding = median_time(
                lambda model=model, coded=coded: model.decompress(coded["strings"], coded["shape"]), 10
            )
        yield name, None, encoding, decoding


def peers(args: argparse.Namespace) -> None:
    """Times of 768x512 pictures beside other codecs, with one thread and with two, as ratios.

    AVIF is given the rate of SDC.  The networks of CompressAI have random weights, on which their time hardly
    depends, and which give their rates no meaning.
    """
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
        os.environ.update(dict.fromkeys(THREADS, "1"))  # of the processes to come; NumPy has read it here
        pictures = list(kodak_like(args.data))
        own = list(_own_times(pictures, args))
        for row in (*own, *_other_times(pictures[0], own[0][1], args.threads)):
            print(json.dumps(row), flush=True)
        return
    _first(args.data)
    for threads in (1, 2):
        command = [sys.executable, "-m", "sdc_reference.bench", "peers", "--threads", str(threads)]
        command += ["--data", str(args.data), "--quality", str(args.quality), "--model", str(args.model)]
        command += [] if args.effort is None else ["--effort", str(args.effort)]
        environment = os.environ | dict.fromkeys(THREADS, str(threads))
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        print_times([json.loads(line) for line in done.stdout.splitlines()], threads)


def print_times(rows: list[tuple[Any, ...]], threads: int) -> None:
    """A table of times in seconds, with decoding as a multiple of SDC's, and what is asked."""
    decoding = {name: seconds for name, _, _, seconds in rows}
    print(f"{threads} thread{'s' * (threads > 1)}: bpp, encoding and decoding in s, decoding / SDC NumPy")
    for name, bpp, encoded, decoded in rows:
        rate = "     -" if bpp is None else f"{bpp:6.3f}"
        took = "       -" if encoded is None else f"{encoded:8.3f}"
        print(f"  {name:38s} {rate} {took} {decoded:8.3f}  {decoded / decoding['SDC NumPy']:7.2f}")
    for own in ("SDC NumPy", "SDC torch"):
        for other, asked in (("mbt2018-mean", 10), ("cheng2020-anchor", 25)):
            ratio = decoding[other] / decoding[own]
            missed = "" if ratio >= asked else ", missed"
            print(f"  {own} decodes {ratio:.1f} times as fast as {other}, asked {asked}{missed}")
        ratio = decoding[own] / decoding["AVIF"]
        missed = "" if ratio <= 20 else ", missed"
        print(f"  {own} takes {ratio:.1f} times as long as AVIF, asked at most 20{missed}", flush=True)
