"""A second provider of what is wrong with an image: image features of CLIP, and an adapter behind them.

DA-CLIP (Luo et al., *Controlling Vision-Language Models for Multi-Task Image Restoration*, 2024) leaves CLIP
as it is and trains a small network beside it, whose embedding tells degradations and steers what restores.
Here the adapter makes of the features of a decoded image the vector that a restoration model takes from its
own deriving network otherwise.
It is trained by what the frozen restoration network makes of its vectors.
CLIP itself is any callable from images to features; :class:`ClipFeatures` is that of transformers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import sdc
from sdc.codec.restoration import degradations_of
from sdc.networks.profile import QUALITIES
from sdc.networks.restoration import RestorationModel

from ..model.checkpoints import save_state
from ..model.layers import ste_floor
from .network import VECTOR, RestorationNetwork
from .training import (
    EVERY,
    FLOOR,
    KINDS_WEIGHT,
    Batch,
    Samples,
    batch_of,
    random_rows,
    squared_error,
    wrong_strengths,
)

Features = Callable[[Tensor], Tensor]
"""From images ``[B, 3, H, W]`` of 0 to 1 to features ``[B, D]``."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the images that CLIP was trained on (Radford et al., 2021)."""

GREY = 128.0
"""Samples outside a group."""


class ClipFeatures(nn.Module):
    """Image features of a CLIP of transformers, of length 1; its weights stay as they are.

    Args:
        model: a ``CLIPVisionModelWithProjection``.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """See :data:`Features`."""
        config: Any = self.model.config
        size = (config.image_size, config.image_size)
        x = F.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
        mean, deviation = (x.new_tensor(three)[:, None, None] for three in (MEAN, DEVIATION))
        given: Any = self.model(pixel_values=(x - mean) / deviation)
        return F.normalize(given.image_embeds, dim=1)


def features_of(source: str) -> Features:
    """CLIP's features by a folder that transformers saved, or any others by ``MODULE:NAME``.

    Raises:
        ImportError: transformers is not installed, or there is no such module.
        OSError: the folder holds no CLIP.
        ValueError: the module has nothing of this name that can be called.
    """
    if Path(source).is_dir():
        from transformers import CLIPVisionModelWithProjection

        return ClipFeatures(CLIPVisionModelWithProjection.from_pretrained(source, local_files_only=True))
    home, colon, name = source.partition(":")
    if not colon:
        raise OSError(f"{source} is no folder, and no MODULE:NAME")
    found: Any = getattr(import_module(home), name, None)
    if not callable(found):
        raise ValueError(f"{home} has no {name!r} that can be called")
    features: Features = found
    return features


class Adapter(nn.Module):
    """From features ``[B, D]`` and qualities ``[B]`` to vectors ``[B, V]``, on the grid of their integers."""

    def __init__(self, features: int, vector: int, hidden: int = 128):
        super().__init__()
        self.first = nn.Linear(features + 1, hidden)
        self.last = nn.Linear(hidden, vector)
        # Small, and not nothing: at a vector of zeros no gain has a slope.
        nn.init.normal_(self.last.weight, 0, 0.1 / hidden**0.5)

    def forward(self, features: Tensor, quality: Tensor) -> Tensor:
        """See the class."""
        told = quality[:, None] / (QUALITIES - 1)
        x = self.last(F.relu(self.first(torch.cat([features, told], 1))))
        return VECTOR.clamp(ste_floor(x, VECTOR.frac))


@torch.no_grad()
def decoded(network: RestorationNetwork, batch: Batch) -> Tensor:
    """What decoders show of the groups of a batch, grey elsewhere, ``[B, 3, S, S]`` of 0 to 1."""
    fine = F.interpolate(batch.cells, scale_factor=2, mode="nearest")
    shown = network.base(batch.latents, batch.quality, fine).clamp(0, 255)
    return (shown * batch.mask + GREY * (1 - batch.mask)) / 255


def adapter_loss(
    adapter: Adapter, features: Features, network: RestorationNetwork, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Loss of a batch: the logarithm of the squared error of what is restored, and the error of strengths."""
    vector = adapter(features(decoded(network, batch)), batch.quality)
    restored = network.restore(batch.latents, vector, batch.quality, batch.cells)
    error = torch.log(squared_error(restored, batch) + FLOOR).mean()
    wrong = wrong_strengths(network.strengths(vector), batch.severity).mean()
    return error + KINDS_WEIGHT * wrong, torch.stack([error, wrong]).detach()


def train_adapter(
    features: Features, network: RestorationNetwork, samples: Samples, steps: int, batch: int, seed: int
) -> Adapter:
    """An adapter for a restoration network, which stays as it is.

    Args:
        features: of decoded images.
        network: trained; its parameters are frozen in place.
        samples: of :func:`.samples.open_samples`.
        steps: of so many samples each.
        batch: samples in a step.
        seed: of all that is random.
    """
    torch.manual_seed(seed)
    network.requires_grad_(False)
    width = features(torch.zeros(1, 3, 64, 64)).shape[1]
    adapter = Adapter(width, network.sizes.vector)
    optimiser = torch.optim.Adam(adapter.parameters(), 1e-3, betas=(0.9, 0.99))
    sums = torch.zeros(2)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1.0, (step + 1) / 100, 2 * (1 - step / steps))
        rows = random_rows(samples, batch, np.random.default_rng([seed, step]))
        loss, figures = adapter_loss(adapter, features, network, batch_of(rows))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        sums += figures
        if step % EVERY == EVERY - 1:
            print(f"step {step + 1} {' '.join(f'{v:.4f}' for v in (sums / EVERY).tolist())}", flush=True)
            sums.zero_()
    return adapter


def save_adapter(path: Path, adapter: Adapter) -> None:
    """Write an adapter, whole or not at all."""
    sizes = (adapter.first.in_features - 1, adapter.last.out_features, adapter.first.out_features)
    save_state(path, {"sizes": sizes, "adapter": adapter.state_dict()})


def load_adapter(path: Path) -> Adapter:
    """An adapter of :func:`save_adapter`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        adapter = Adapter(*found["sizes"])
        adapter.load_state_dict(found["adapter"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"{path} is no adapter: {error}") from None
    return adapter


@torch.no_grad()
def told_by(
    data: bytes,
    features: Features,
    adapter: Adapter,
    model: RestorationModel,
    groups: Sequence[int] | None = None,
) -> sdc.Restoration:
    """What the adapter says of each group of a stream, for ``encode(restoration=...)``.

    Args:
        data: the stream; its model is the base of the restoration model.
        features: those that the adapter was trained on.
        adapter: trained.
        model: the restoration model whose vectors it gives.
        groups: indices; all by default.

    Raises:
        SdcError: as :func:`sdc.decode`.
        ValueError: the adapter gives vectors of another size, or wants other features.
    """
    about = sdc.info(data)["groups"]
    vectors: dict[int | None, Sequence[int]] = {}
    degradations: list[sdc.Degradation] = []
    if adapter.last.out_features != model.vector:
        raise ValueError(
            f"vectors of {adapter.last.out_features} values, model {model.number} has {model.vector}"
        )
    for k in range(len(about)) if groups is None else groups:
        shown = sdc.decode(data, groups=[k], fill=(int(GREY),) * 3).pixels
        image = torch.from_numpy(shown.astype(np.float32)).permute(2, 0, 1)[None] / 255
        found = features(image)
        if found.shape[1] != adapter.first.in_features - 1:
            raise ValueError(f"{found.shape[1]} features, the adapter wants {adapter.first.in_features - 1}")
        quality = about[k]["quality"]
        vector = adapter(found, torch.tensor([float(quality)]))[0] * 2.0**VECTOR.frac
        vectors[k] = [int(v) for v in vector.tolist()]
        named = degradations_of(vectors[k], quality, model)
        degradations += [sdc.Degradation(kind, strength, k) for kind, strength in named.items()]
    return sdc.Restoration(model.number, vectors=vectors, degradations=tuple(degradations))


def as_json(said: sdc.Restoration) -> dict[str, Any]:
    """A restoration in the form that ``sdc encode --restoration`` reads."""
    return {
        "model": said.model,
        "vectors": [{"group": k, "values": list(values)} for k, values in said.vectors.items()],
        "degradations": [dataclasses.asdict(one) for one in said.degradations],
    }
