"""Peak memory of decoding 100 megapixels."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from sdc.codec.decoder import decode
from sdc.objects.object import Object
from sdc.types import Level

from ..encoders import encoder_of
from ..options import add
from ..timing import first_image


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data quality effort model decode")


def run(args: argparse.Namespace) -> None:
    """Peak memory of decoding 100 megapixels."""
    if args.decode:
        start = time.perf_counter()
        got = decode(Path(args.decode).read_bytes())
        seconds = time.perf_counter() - start
        # Not ru_maxrss, which a child inherits from the process that started it.
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) / 2**20
        print(f"decoded {got.pixels.size // 3} pixels in {seconds:.1f} s, peak {peak:.2f} GiB, target 1")
        return
    image = first_image(args.data)
    side = 10_000
    wide = np.tile(image, (-(-side // image.shape[0]), -(-side // image.shape[1]), 1))[:side, :side]
    middle = [Object("middle", (2000, 3000, 5000, 4000), Level.L1)]
    data = encoder_of(args.model, args.effort)(wide, objects=middle, quality=args.quality)
    with tempfile.NamedTemporaryFile(suffix=".sdc") as file:
        Path(file.name).write_bytes(data)
        print(f"{len(data)} bytes, {len(data) * 8 / side**2:.3f} bpp", flush=True)
        subprocess.run(
            [sys.executable, "-m", "sdc_reference.evaluation", "large", "--decode", file.name], check=True
        )
