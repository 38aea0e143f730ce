"""Measures of images by what people see, beside PSNR and MS-SSIM; less is better of each.

- **ST-LPIPS** (Ghildyal and Liu, ECCV 2022) is a distance to the clean image, in features of a network
  that shifts of a pixel hardly change; by the package ``stlpips_pytorch``, its AlexNet, whose weights are
  in the package.
- **BRISQUE** (Mittal, Moorthy, Bovik, 2012) looks at the image alone, and says how far its statistics are
  from those of photographs without noise, blur or compression; by the package ``brisque``, whose
  parameters are in the package.
  About 0 to 100.
  It sees neither darkness nor haze.

Both are optional: the extra ``measures``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from sdc.types import Pixels

Measure = Callable[[Pixels, Pixels], float]
"""Of an image and the clean one, both ``uint8 [H, W, 3]``; less is better, NaN where there is none."""

SMALLEST = 32
"""Sides in pixels from which both measures have values."""


@contextmanager
def needed_for(name: str) -> Iterator[None]:
    """Say of what is not installed what needs it, and which extra has it.

    Raises:
        ImportError: one was raised within.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{name}: {error}; the extra `measures` has what it needs") from error


def st_lpips_network() -> Any:
    """The network of ST-LPIPS, a module of torch.

    It is called with two batches ``float32 [B, 3, H, W]`` of -1 to 1, and gives distances ``[B, 1, 1, 1]``.

    Raises:
        ImportError: the package, or one of those that it imports, is not installed.
    """
    from sdc.analysis.providers import _torchvision  # noqa: F401

    network = import_module("stlpips_pytorch.stlpips")
    return network.LPIPS(net="alex", variant="shift_tolerant", verbose=False)


def st_lpips() -> Measure:
    """ST-LPIPS on torch.

    Raises:
        ImportError: as :func:`st_lpips_network`.
    """
    import torch
    from torch import Tensor

    network = st_lpips_network()

    def signed(pixels: Pixels) -> Tensor:
        return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]

    def measure(pixels: Pixels, clean: Pixels) -> float:
        if min(pixels.shape[:2]) < SMALLEST:
            return float("nan")
        with torch.inference_mode():
            return float(network(signed(pixels), signed(clean)))

    return measure


def brisque() -> Measure:
    """BRISQUE, which does not look at the clean image.

    Raises:
        ImportError: the package, or one of those that it imports, is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports by a name that SciPy has moved
        network: Any = import_module("brisque").BRISQUE()

    def measure(pixels: Pixels, clean: Pixels) -> float:
        if min(pixels.shape[:2]) < SMALLEST:
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a way of NumPy that goes away, and images of one colour
            return float(network.score(pixels))

    return measure


MEASURES: dict[str, Callable[[], Measure]] = {"st_lpips": st_lpips, "brisque": brisque}
"""By name, what makes ready a measure; the names are those of the columns."""


def measures_of(names: list[str]) -> dict[str, Measure]:
    """Measures by name, ready for images.

    Raises:
        ImportError: what one needs is not installed; the message says what is.
    """
    out = {}
    for name in dict.fromkeys(names):
        with needed_for(name):
            out[name] = MEASURES[name]()
    return out
