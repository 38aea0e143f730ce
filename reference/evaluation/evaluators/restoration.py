"""Restoration as a task: a noisy image is coded, decoded and then denoised.

The score is how close the restored image comes to the clean one.
The networks are FFDNet (Zhang, Zuo, Zhang, TIP 2018) and DnCNN (Zhang et al., TIP 2017) for colour, as
their authors' weights have them: a plain row of 3x3 convolutions with ReLU between.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

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
    """FFDNet or DnCNN on torch, told apart by the channels of the first layer.

    Raises:
        ImportError: torch is not installed.
        ValueError: the file is neither.
    """

    def __init__(self, path: Path):
        import torch

        data = path.read_bytes()
        try:
            weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            names = [name for name in weights if name.endswith(".weight")]
            self.layers = [(weights[name], weights[name[:-6] + "bias"]) for name in names]
            inputs, outputs = self.layers[0][0].shape[1], self.layers[-1][0].shape[0]
        except Exception as error:  # whatever another file makes of this
            raise ValueError(f"{path} is neither FFDNet nor DnCNN for colour") from error
        if (inputs, outputs) not in ((3, 3), (13, 12)):
            raise ValueError(f"{path} is neither FFDNet nor DnCNN for colour")
        self.halved = inputs == 13
        self.version = f"{path.name} {hashlib.sha256(data).hexdigest()[:12]}, noise {NOISE}"

    def restored(self, pixels: Pixels) -> Pixels:
        """The image without noise, ``uint8 [H, W, 3]``."""
        import torch
        from torch.nn import functional

        height, width = pixels.shape[:2]
        with torch.inference_mode():
            x = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
            y = x
            if self.halved:
                y = functional.pad(x, (0, width % 2, 0, height % 2), "replicate")
                y = functional.pixel_unshuffle(y, 2)
                y = torch.cat([y, torch.full_like(y[:, :1], NOISE / 255)], 1)
            for k, (weight, bias) in enumerate(self.layers):
                y = functional.conv2d(y if k == 0 else functional.relu(y), weight, bias, padding=1)
            y = functional.pixel_shuffle(y, 2) if self.halved else x - y
            y = y[0, :, :height, :width].permute(1, 2, 0)
        return (y.numpy() * 255).round().clip(0, 255).astype(np.uint8)

    def __call__(self, shown: Pixels, clean: Pixels) -> list[float | None]:
        """PSNR in dB and MS-SSIM of the restored image to the clean one."""
        restored = self.restored(shown)
        return [psnr(restored, clean), ms_ssim(restored, clean)]
