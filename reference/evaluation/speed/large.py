"""Time and peak memory of large images, each in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sdc
from sdc.types import Pixels

SIDES = (2500, 5000, 10_000)
"""Pixels per side: 6, 25 and 100 megapixels."""


@dataclass(frozen=True)
class Large:
    """A large image, encoded or decoded.

    Attributes:
        what: ``encode`` or ``decode``.
        side: pixels per side.
        peak: of all memory of the process, in GiB; of an encoder with the image.
    """

    what: str
    side: int
    seconds: float
    peak: float

    @property
    def per_megapixel(self) -> float:
        """Seconds."""
        return self.seconds * 1e6 / self.side**2

    def __str__(self) -> str:
        megapixels = f"{self.what} {self.side**2 / 1e6:.0f} megapixels"
        each = f"{1000 * self.per_megapixel:.1f} ms each"
        return f"{megapixels}: {self.seconds:.2f} s, {each}, peak memory {self.peak:.2f} GiB"


def tiled(image: Pixels, side: int) -> Pixels:
    """A square image that repeats another."""
    return np.tile(image, (-(-side // image.shape[0]), -(-side // image.shape[1]), 1))[:side, :side]


def measured(
    image: Pixels, folder: Path, quality: int, effort: int, model: int, variables: Mapping[str, str]
) -> Iterator[Large]:
    """Encode and decode images of ``SIDES`` that repeat a small one, with two groups.

    Args:
        folder: for files between the processes.
        variables: environment of the processes.
    """
    for side in SIDES:
        pixels, stream = folder / "large.npy", folder / "large.sdc"
        np.save(pixels, tiled(image, side))
        for what in ("encode", "decode"):
            command = [sys.executable, "-m", __name__, what, str(pixels), str(stream)]
            command += map(str, (quality, effort, model))
            done = subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE, text=True)
            yield Large(what, side, *json.loads(done.stdout))
        pixels.unlink()


def _peak() -> float:
    """Peak memory of this process in GiB; not ``ru_maxrss``, which a child inherits."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**20


def main(argv: list[str]) -> None:
    """Encode an array to a stream, or decode it; prints seconds and peak memory."""
    what, pixels, stream, *numbers = argv
    quality, effort, model = map(int, numbers)
    start = time.perf_counter()
    if what == "encode":
        image = np.load(pixels)
        side = len(image)
        middle = [sdc.Object("middle", (side // 5, side // 3, side // 2, side // 3), sdc.Level.L1)]
        start = time.perf_counter()
        data = sdc.encode(image, objects=middle, quality=quality, effort=effort, model=model)
        seconds = time.perf_counter() - start
        Path(stream).write_bytes(data)
    else:
        sdc.decode(Path(stream).read_bytes())
        seconds = time.perf_counter() - start
    print(json.dumps([seconds, _peak()]))


if __name__ == "__main__":
    main(sys.argv[1:])
