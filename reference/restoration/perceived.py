"""The distance of features in the loss of restoration models: MobileNetV2's, or ST-LPIPS."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..evaluation.perceptual import needed_for, st_lpips_network
from ..training.features import FeatureDistance

ST_LPIPS = "st-lpips"
"""What stands for a file of weights where ST-LPIPS is wanted."""


class ShiftTolerantDistance(nn.Module):
    """ST-LPIPS between images, called as :class:`..training.features.FeatureDistance`.

    Args:
        factor: squared error, in 8-bit units, that a distance of 1 counts as.
        samples: of a batch that are compared at most; the others count as these do.

    Raises:
        ImportError: the extra ``measures`` is not installed.
    """

    def __init__(self, factor: float, samples: int = 2):
        super().__init__()
        self.factor, self.samples = factor, samples
        with needed_for(ST_LPIPS):
            self.network: nn.Module = st_lpips_network()
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
        """Distance of each image, a sum over its pixels, ``[B]``.

        Args:
            image, decoded: ``[B, 3, H, W]``, 0 to 255.
            mask: ``[B, 1, H, W]``, 1 where ``decoded`` counts; elsewhere both are seen as ``image``.
        """
        count = min(self.samples, len(image))
        own, other = image[:count], torch.lerp(image[:count], decoded[:count], mask[:count])
        apart = self.network(other / 127.5 - 1, own / 127.5 - 1).flatten()
        pixels = image.shape[2] * image.shape[3]
        return F.pad(apart * (self.factor * pixels * len(image) / count), (0, len(image) - count))


Distance = FeatureDistance | ShiftTolerantDistance


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
