"""YUV4MPEG2 files of one image, in 10 bits and 4:2:0, which encoders of video read.

Values are of the whole range; the matrix is that of BT.601, as in JPEG; chroma lies in the middle of four
pixels and is halved and doubled by a Lanczos filter of three lobes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdc.types import Pixels

HEADER = "YUV4MPEG2 W{width} H{height} F1:1 Ip A1:1 C420p10 XYSCSS=420P10 XCOLORRANGE=FULL\n"
FRAME = b"FRAME"
TOP = 1023
MIDDLE = 512.0
RED, BLUE = 0.299, 0.114
TO_YUV = np.array(
    [
        [RED, 1 - RED - BLUE, BLUE],
        [-0.5 * RED / (1 - BLUE), -0.5 * (1 - RED - BLUE) / (1 - BLUE), 0.5],
        [0.5, -0.5 * (1 - RED - BLUE) / (1 - RED), -0.5 * BLUE / (1 - RED)],
    ]
)
"""From RGB to luma and the differences of blue and red, each of a range of one."""
TO_RGB = np.linalg.inv(TO_YUV)


def write_y4m(pixels: Pixels, path: Path) -> None:
    """Write an image as a file of one frame.

    Args:
        pixels: ``uint8 [H, W, 3]``, of an even height and width.
        path: of the file.

    Raises:
        ValueError: the height or the width is odd.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"4:2:0 takes even sizes, not {width} x {height}")
    values = pixels @ TO_YUV.T * (TOP / 255)
    luma, *chroma = (np.ascontiguousarray(values[..., k], np.float32) for k in range(3))
    half = (width // 2, height // 2)
    planes = [luma, *(_resized(plane, half) + MIDDLE for plane in chroma)]
    with path.open("wb") as file:
        file.write(HEADER.format(width=width, height=height).encode() + FRAME + b"\n")
        for plane in planes:
            file.write(plane.round().clip(0, TOP).astype("<u2").tobytes())


def read_y4m(path: Path) -> Pixels:
    """The first frame of a file, ``uint8 [H, W, 3]``.

    Raises:
        ValueError: it is no such file, or of another format than 10 bits and 4:2:0.
    """
    head, _, rest = path.read_bytes().partition(b"\n")
    words = head.decode("latin-1").split()
    if words[:1] != ["YUV4MPEG2"]:
        raise ValueError(f"{path} is no YUV4MPEG2 file")
    told = {word[0]: word[1:] for word in words[1:]}
    if re.fullmatch(r"420\w*p10", told.get("C", "")) is None:
        raise ValueError(f"{path} has samples {told.get('C', '420')!r}, not 420p10")
    if not (told.get("W", "").isdecimal() and told.get("H", "").isdecimal()):
        raise ValueError(f"{path} does not say its size")
    width, height = int(told["W"]), int(told["H"])
    frame, _, samples = rest.partition(b"\n")
    shapes = [(height, width), *[(-(-height // 2), -(-width // 2))] * 2]
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    if not frame.startswith(FRAME) or len(samples) < 2 * ends[-1]:
        raise ValueError(f"{path} holds no whole frame")
    parts = np.split(np.frombuffer(samples, "<u2", ends[-1]).astype(np.float32), ends[:-1])
    luma, *chroma = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    doubled = [
        _resized(plane - np.float32(MIDDLE), (2 * plane.shape[1], 2 * plane.shape[0]))[:height, :width]
        for plane in chroma
    ]
    rgb = np.stack([luma, *doubled], -1) @ TO_RGB.T * (255 / TOP)
    pixels: Pixels = rgb.round().clip(0, 255).astype(np.uint8)
    return pixels


def _resized(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS))
