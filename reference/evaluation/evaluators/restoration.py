"""Restoration as a task: a noisy image is coded, decoded and then denoised.

The score is how close the restored image comes to the clean one.
The networks are FFDNet and DnCNN for colour (:mod:`sdc_reference.restoration.denoisers`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from sdc.types import Pixels

from ..metrics import ms_ssim, psnr

NOISE = 25
"""Standard deviation of the Gaussian noise, of 255."""


def noisy(pixels: Pixels) -> Pixels:
    """An image with noise that is the same every time, ``uint8 [H, W, 3]``."""
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "little"))
    return (pixels + random.normal(0, NOISE, pixels.shape)).round().clip(0, 255).astype(np.uint8)


class Denoiser:
    """FFDNet or DnCNN on torch.

    Attributes:
        name: which of them.
        version: of the file, with the level of noise.

    Raises:
        ImportError: torch is not installed.
        OSError: the file cannot be read.
        ValueError: the file is neither.
    """

    def __init__(self, path: Path):
        from ...restoration.denoisers import read_denoiser

        self.network = read_denoiser(path, NOISE)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        self.name = "FFDNet" if self.network.halved else "DnCNN"
        self.version = f"{path.name} {digest}, noise {NOISE}"

    def restored(self, pixels: Pixels) -> Pixels:
        """The image without noise, ``uint8 [H, W, 3]``."""
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
            y = self.network(x)[0].permute(1, 2, 0).numpy()
        made: Pixels = (y * 255).round().clip(0, 255).astype(np.uint8)
        return made

    def __call__(self, shown: Pixels, clean: Pixels) -> list[float | None]:
        """PSNR in dB and MS-SSIM of the restored image to the clean one."""
        restored = self.restored(shown)
        return [psnr(restored, clean), ms_ssim(restored, clean)]
