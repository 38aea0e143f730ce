"""What a measuring process can do: a job reads its input anew and returns the work that is timed."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import sdc

from ..codecs import avif, jpeg

Work = Callable[[], object]


def decode(path: str, threads: int | None = None, levels: list[str] | None = None) -> Work:
    """SDC decodes a stream, or some levels of it."""
    data = Path(path).read_bytes()
    return lambda: sdc.decode(data, threads=threads, levels=levels)


def encode(path: str, quality: int, effort: int, threads: int | None = None, model: int = 1) -> Work:
    """SDC encodes an array of a file of NumPy."""
    image = np.load(path)
    return lambda: sdc.encode(image, quality=quality, effort=effort, threads=threads, model=model)


def pillow_decode(path: str) -> Work:
    """Pillow decodes a file to an array of RGB."""
    data = Path(path).read_bytes()
    return lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def avif_encode(path: str, quality: int, speed: int) -> Work:
    """Pillow encodes an array as AVIF."""
    image, codec = np.load(path), avif(speed)
    return lambda: codec.encode(image, quality)


def jpeg_encode(path: str, quality: int) -> Work:
    """Pillow encodes an array as JPEG, with the tables of its default."""
    image, codec = np.load(path), jpeg(optimize=False)
    return lambda: codec.encode(image, quality)


@cache
def _mbt2018_mean() -> Any:
    """mbt2018-mean of CompressAI with random weights, on which its time hardly depends."""
    import importlib

    import torch

    torch.set_num_threads(1)
    # CompressAI can be imported after that module.
    importlib.import_module("sdc_reference.model._compressai")
    torch.manual_seed(0)
    model = importlib.import_module("compressai.zoo").mbt2018_mean(4).eval()
    model.update(force=True)
    return model


def _tensor_of(path: str) -> Any:
    import torch

    image = np.load(path)
    height, width = (side // 64 * 64 for side in image.shape[:2])
    return torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None] / 255


def mbt2018_decode(path: str) -> Work:
    """CompressAI decodes what it made of an array."""
    import torch

    model = _mbt2018_mean()
    with torch.inference_mode():
        coded = model.compress(_tensor_of(path))

    def work() -> object:
        with torch.inference_mode():
            return model.decompress(coded["strings"], coded["shape"])

    return work


def mbt2018_encode(path: str) -> Work:
    """CompressAI encodes an array."""
    import torch

    model, x = _mbt2018_mean(), _tensor_of(path)

    def work() -> object:
        with torch.inference_mode():
            return model.compress(x)

    return work


JOBS: dict[str, Callable[..., Work]] = {
    job.__name__: job
    for job in (
        decode,
        encode,
        pillow_decode,
        avif_encode,
        jpeg_encode,
        mbt2018_decode,
        mbt2018_encode,
    )
}
