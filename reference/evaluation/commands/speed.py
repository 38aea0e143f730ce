"""Times of NumPy and torch in the same run against their targets; fails when one is missed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.objects.object import Object
from sdc.types import Level

from ..encoders import encoder_of, four_levels
from ..options import add
from ..timing import first_image, median_time


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data device effort model")
    parser.add_argument(
        "--beside", type=int, default=0, metavar="N", help="other processes that compute meanwhile"
    )


@contextmanager
def _others(count: int) -> Iterator[None]:
    """Processes that compute and do nothing else."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def run(args: argparse.Namespace) -> None:
    """Times of NumPy and torch in the same run, against their targets; fails when one is missed."""
    with _others(args.beside):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    image, coder = first_image(args.data), encoder_of(args.model, args.effort)
    rows, cols = image.shape[0] // 16, image.shape[1] // 16
    objects = four_levels(*image.shape[:2])
    data = coder(image, objects=objects, quality=32)
    late: list[str] = []

    def report(what: str, work: Callable[[], object], target: float) -> float:
        seconds = median_time(work)
        print(f"{what:44s} {seconds:.3f} s, target {target:.3f}", flush=True)
        if seconds > target:
            late.append(what)
        return seconds

    def report_l1(what: str, stream: bytes, full: float) -> None:
        share = float((parse(stream).labels == 1).mean())
        what = f"numpy decode L1{what}, {share:.1%} of the cells"
        report(what, lambda: decode(stream, levels=["L1"]), 0.1 + 1.2 * share * full)

    print(f"{image.shape[1]}x{image.shape[0]}, quality 32, {len(data)} bytes, four groups; median of five")
    full = report("numpy decode", lambda: decode(data), 0.4)
    report("numpy encode", lambda: coder(image, objects=objects), 1.5)
    report_l1("", data, full)
    rng = np.random.default_rng(0)
    places = [(int(rng.integers(rows - 2)), int(rng.integers(cols - 2))) for _ in range(20)]
    islands = [Object("island", (16 * x, 16 * y, 48, 48), Level.L1) for y, x in places]
    scattered = coder(image, objects=islands, quality=32, metadata=False)
    report_l1(" as 20 islands", scattered, median_time(lambda: decode(scattered)))
    try:
        from ...runner import TorchRunner
    except ImportError:
        print("torch is not installed")
    else:
        runner = TorchRunner(args.device)
        report(f"torch decode on {args.device}", lambda: decode(data, runner=runner), 0.15)
    if late:
        sys.exit("slower than the target: " + ", ".join(late))
