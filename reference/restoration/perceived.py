"""The distance of features in the loss of restoration models: MobileNetV2's, or ST-LPIPS."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..evaluation.perceptual import needed_for, st_lpips_network
from ..training.features import FeatureDistance

ST_LPIPS = "st-lpips"
"""What stands for a file of weights where ST-LPIPS is wanted."""


class ShiftTolerantDistance(nn.Module):
    """ST-LPIPS between images, called as :class:`..training.features.FeatureDistance`.

    Args:
        factor: squared error, in 8-bit units, that a distance of 1 counts as.

    Raises:
        ImportError: the extra ``measures`` is not installed.
    """

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor
        with needed_for(ST_LPIPS):
            self.network: nn.Module = st_lpips_network()
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
        """Distance of each image, a sum over its pixels, ``float32 [B]``.

        Args:
            image, decoded: ``float32 [B, 3, H, W]``, 0 to 255.
            mask: ``float32 [B, 1, H, W]``, 1 where ``decoded`` counts; elsewhere both are seen as ``image``.
        """
        other = torch.lerp(image, decoded, mask)
        if other.requires_grad:
            # A place where no channel answers has a norm of 0, whose square root has no gradient.
            other.register_hook(torch.nan_to_num)  # type: ignore[no-untyped-call]
        apart = self.network(other / 127.5 - 1, image / 127.5 - 1).flatten()
        return apart * (self.factor * image.shape[2] * image.shape[3])


Distance = FeatureDistance | ShiftTolerantDistance
"""What is called with clean images, restored ones and a mask."""


def distance_by(features: Path, examples: Tensor, factor: float) -> Distance:
    """A distance of features.

    Args:
        features: torchvision's weights of MobileNetV2, or :data:`ST_LPIPS`.
        examples: ``[N, 3, H, W]``, 0 to 255, that standard deviations of features are taken from.
        factor: squared error that a variance of features, or a distance of 1, counts as.

    Raises:
        ImportError: ST-LPIPS is not installed.
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    if str(features) == ST_LPIPS:
        return ShiftTolerantDistance(factor)
    return FeatureDistance(features, examples, factor)
