"""A model in training as a codec in floating point, with ideal bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdc.types import Pixels


def float_codec(checkpoint: Path) -> Callable[[Pixels, int], tuple[Pixels, float]]:
    """A function of image and quality: the decoded image and ideal bits, in floating point."""
    import torch

    from ..model.checkpoints import load_model

    model = load_model(checkpoint).eval()

    @torch.inference_mode()
    def code(image: Pixels, quality: int) -> tuple[Pixels, float]:
        x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        cells = torch.ones(1, 1, image.shape[0] // 16, image.shape[1] // 16)
        out = model(x, torch.tensor([float(quality)]), cells)
        pixels = out["image"][0].permute(1, 2, 0).clamp(0, 255).round().numpy().astype(np.uint8)
        return pixels, float(out["bits"] + out["hyper_bits"])

    return code
