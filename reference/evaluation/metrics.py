"""What is measured of a coded image: its rate, and how close it is to the original."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sdc.types import Pixels

SMALLEST = 161
"""Sides in pixels from which an image has an MS-SSIM."""


def bits_per_pixel(data: bytes, image: Pixels) -> float:
    """Bits of a file for each pixel of its image, ``[H, W, 3]``."""
    return len(data) * 8 / (image.shape[0] * image.shape[1])


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of 8-bit values of one shape, all channels together, in dB."""
    return float(10 * np.log10(255**2 / max(np.square(a.astype(np.float64) - b).mean(), 1e-9)))


def ms_ssim(a: Pixels, b: Pixels) -> float | None:
    """MS-SSIM of two RGB images (Wang, Simoncelli, Bovik, 2003), ``uint8 [H, W, 3]``, as the package
    ``pytorch-msssim`` has it, 0 to 1; None without it, or for a side below ``SMALLEST``.
    """
    if min(a.shape[:2]) < SMALLEST:
        return None
    try:
        import torch
        from pytorch_msssim import ms_ssim as measure
    except ImportError:
        return None
    x, y = (torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (a, b))
    return float(measure(x, y, data_range=255))


def decibels(similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """MS-SSIM of 0 to 1 in dB, ``-10 log10(1 - x)``, in the shape in which it is given."""
    return -10 * np.log10(np.maximum(1 - np.asarray(similarity, np.float64), 1e-9))
