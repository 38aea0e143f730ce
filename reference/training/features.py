"""A distance between images as a frozen network sees them, for models that serve machines.

The network is MobileNetV2 (Sandler et al., *Inverted residuals and linear bottlenecks*, 2018)
with the names and shapes of torchvision's weights.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.layers import channels_last

STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2)]
"""Expansion, channels, blocks and stride of the first stages; no later one is needed."""


TAPPED = {3: 4, 6: 8, 13: 16, 16: 32}
"""Layers whose output is compared, and their strides: the last ones of each scale but the finest."""


MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _conv(
    cin: int, cout: int, size: int, stride: int = 1, groups: int = 1, last: bool = False
) -> list[nn.Module]:
    conv = nn.Conv2d(cin, cout, size, stride, size // 2, groups=groups, bias=False)
    norm = nn.BatchNorm2d(cout)
    return [conv, norm] if last else [nn.Sequential(conv, norm, nn.ReLU6())]


class _Inverted(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, expansion: int):
        super().__init__()
        wide = cin * expansion
        layers = _conv(cin, wide, 1) if expansion > 1 else []
        self.conv = nn.Sequential(
            *layers, *_conv(wide, wide, 3, stride, wide), *_conv(wide, cout, 1, last=True)
        )
        self.skip = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.skip else y


def layers() -> nn.Sequential:
    """The stages of MobileNetV2 up to the last that is compared, with random weights."""
    out, channels = _conv(3, 32, 3, 2), 32
    for expansion, cout, count, stride in STAGES:
        for k in range(count):
            out.append(_Inverted(channels, cout, stride if k == 0 else 1, expansion))
            channels = cout
    return nn.Sequential(*out)


class FeatureDistance(nn.Module):
    """Squared distance of features, each channel in units of its standard deviation.

    Args:
        weights: torchvision's weights of MobileNetV2 as a file of torch.
        factor: squared error, in 8-bit units, that a variance of the features counts as.
        examples: ``uint8 [N, 3, H, W]`` images that standard deviations are taken from.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """

    def __init__(self, weights: Path, examples: Tensor, factor: float = 1.0):
        super().__init__()
        self.factor = factor
        self.features = layers()
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            own = {name: state[name] for name in self.state_dict()}
            self.load_state_dict(own)
        except OSError:
            raise
        except Exception as error:  # whatever comes of reading a file as what it is not
            raise ValueError(f"{weights}: not the weights of MobileNetV2: {error}") from None
        channels_last(self.to(examples.device))
        self.eval().requires_grad_(False)
        with torch.no_grad():
            seen = self._taps(examples.float())
        self.scales = [1 / t.float().var((0, 2, 3), keepdim=True).clamp_min(1e-6) for t in seen]

    def _taps(self, image: Tensor) -> list[Tensor]:
        x = image / 255.0
        x = (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(DEVIATION)[:, None, None]
        out = []
        for k, layer in enumerate(self.features):
            x = layer(x)
            if k in TAPPED:
                out.append(x)
        return out

    def forward(self, image: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
        """Distance of each image, a sum over its pixels.

        Args:
            image, decoded: ``[B, 3, H, W]``, 0..255.
            mask: ``[B, 1, H, W]``, 1 where ``decoded`` counts; elsewhere the network sees ``image``.

        Returns:
            ``[B]``: mean over channels and layers, times the pixels that a feature stands for and ``factor``.
        """
        with torch.no_grad():
            want = self._taps(image)
        have = self._taps(torch.lerp(image, decoded, mask))
        total = image.new_zeros(len(image))
        for a, b, scale, stride in zip(want, have, self.scales, TAPPED.values(), strict=True):
            square = ((a.float() - b.float()) ** 2 * scale).mean(1, keepdim=True)
            total = total + (square * F.avg_pool2d(mask, stride)).sum((1, 2, 3)) * float(stride**2)
        return total * (self.factor / len(TAPPED))
