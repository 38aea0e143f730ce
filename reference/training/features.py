"""A distance between images as frozen networks see them, for models that serve machines.

The networks are MobileNetV2 (Sandler et al., *Inverted residuals and linear bottlenecks*, 2018), with the
names and shapes of torchvision's weights, and the vision transformer of :mod:`.transformer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.codec.features import GREY

from ..model.layers import channels_last
from .transformer import VisionTransformer

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


class MobileNet(nn.Module):
    """What layers of MobileNetV2 make of images, at strides 4, 8, 16 and 32."""

    strides = tuple(TAPPED.values())

    def __init__(self) -> None:
        super().__init__()
        self.features = layers()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features ``[B, C, H / stride, W / stride]`` of normalised images ``[B, 3, H, W]``."""
        x, out = image, []
        for k, layer in enumerate(self.features):
            x = layer(x)
            if k in TAPPED:
                out.append(x)
        return out


def read_network(path: Path) -> MobileNet | VisionTransformer:
    """The network whose weights a file of torch holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = VisionTransformer(state) if "patch.weight" in state else MobileNet()
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except OSError:
        raise
    except Exception as error:  # whatever comes of reading a file as what it is not
        raise ValueError(f"{path}: the weights of no network that is known here: {error}") from None
    return network


class FeatureDistance(nn.Module):
    """Squared distance of features, each channel in units of its standard deviation.

    Args:
        weights: of MobileNetV2 or of a vision transformer, as a file of torch.
        factor: squared error, in 8-bit units, that a variance of the features counts as.
        examples: ``uint8 [N, 3, H, W]`` images that standard deviations are taken from.
        samples: of a batch that a transformer compares at most; the others count as these do.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """

    def __init__(self, weights: Path, examples: Tensor, factor: float = 1.0, samples: int | None = None):
        super().__init__()
        self.factor, self.network = factor, read_network(weights)
        self.samples = samples if isinstance(self.network, VisionTransformer) else None
        channels_last(self.to(examples.device))
        self.eval().requires_grad_(False)
        with torch.no_grad():
            seen = [self._taps(part.float()) for part in torch.split(examples, 8)]
        joined = (torch.cat(tap) for tap in zip(*seen, strict=True))
        self.scales = [1 / t.float().var((0, 2, 3), keepdim=True).clamp_min(1e-6) for t in joined]

    def _taps(self, image: Tensor) -> list[Tensor]:
        x = image / 255.0
        x = (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(DEVIATION)[:, None, None]
        return self.network(x)

    def forward(self, image: Tensor, decoded: Tensor, mask: Tensor, around: Tensor | None = None) -> Tensor:
        """Distance of each image, a sum over its pixels.

        Args:
            image, decoded: ``[B, 3, H, W]``, 0..255.
            mask: ``[B, 1, H, W]``, 1 where ``decoded`` counts.
            around: ``[B, 3, H, W]``, what the network sees elsewhere; by default ``image``.

        Returns:
            ``[B]``: mean over channels and layers, times the pixels that a feature stands for and ``factor``.
        """
        around = image if around is None else around
        count = min(self.samples or len(image), len(image))
        own, other, part, sides = image[:count], decoded[:count], mask[:count], around[:count]
        with torch.no_grad():
            want = self._taps(torch.lerp(sides, own, part))
        have = self._taps(torch.lerp(sides, other, part))
        total = image.new_zeros(count)
        for a, b, scale, stride in zip(want, have, self.scales, self.network.strides, strict=True):
            square = ((a.float() - b.float()) ** 2 * scale).mean(1, keepdim=True)
            total = total + (square * F.avg_pool2d(part, stride)).sum((1, 2, 3)) * float(stride**2)
        total = total * (self.factor / len(self.scales) * len(image) / count)
        return F.pad(total, (0, len(image) - count))


class Seen(nn.Module):
    """One of several distances, drawn at each call, with grey around some groups.

    Args:
        distances: of features.
        grey: part of the samples around whose groups networks see grey, as receivers of a group alone do,
            instead of the image.
    """

    def __init__(self, distances: Sequence[FeatureDistance], grey: float = 0.0):
        super().__init__()
        self.distances, self.grey = nn.ModuleList(distances), grey

    def forward(self, image: Tensor, decoded: Tensor, mask: Tensor) -> Tensor:
        """As :meth:`FeatureDistance.forward`."""
        drawn = self.distances[int(torch.randint(len(self.distances), ()))]
        grey = torch.rand(len(image), 1, 1, 1) < self.grey
        around = torch.where(grey.to(image.device), image.new_tensor(GREY), image)
        return drawn(image, decoded, mask, around)
