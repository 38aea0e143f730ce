"""A teacher: a small head on the tokens of a vision transformer, and samples whose maps it has taught.

The head learns from images that people have outlined what is a thing.  The transformer
(:mod:`..training.transformer`, DINOv2's) stays as it is: it knows many more images than those, so the head
knows things of kinds that nobody has outlined.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from sdc.types import Pixels

from ..model.checkpoints import save_state
from ..training.features import DEVIATION, MEAN, read_network
from ..training.transformer import VisionTransformer
from .samples import Map, Sample, load

LONG_SIDE = 28
"""Tokens along the longer side of an image."""

TAKEN = 3
"""Of the transformer's taps: so many, the last ones."""

CHANNELS = 96
"""Of the head."""

DROPPED = 0.3
"""Part of the channels that the head does without while it learns."""

RATE, DECAY, BATCH = 1e-3, 0.05, 6
"""Of a head's training."""

OUTLINED, ALONE = 1 / 3, 1 / 2
"""Weight of the teacher in a map that people have outlined, and in another."""

MAIN = 0.95
"""How much what the teacher takes for a thing is the main thing, where people have not said."""

FAINT = 8
"""A place with less of a thing than this, in 255ths, keeps how much it is the main thing."""


class Head(nn.Module):
    """From tokens to how surely they are of a thing.

    Args:
        width: channels of the tokens.
    """

    def __init__(self, width: int):
        super().__init__()
        self.drop = nn.Dropout2d(DROPPED)
        self.narrow = nn.Conv2d(width, CHANNELS, 1)
        self.around = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
        self.mix = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.last = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits ``[B, h, w]`` of tokens ``[B, width, h, w]``."""
        y = F.gelu(self.narrow(self.drop(tokens)))
        y = y + F.gelu(self.mix(self.around(y)))
        logits: Tensor = self.last(F.dropout(y, DROPPED, self.training))[:, 0]
        return logits


def transformer(path: Path) -> VisionTransformer:
    """The frozen transformer of a file of torch.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    network = read_network(path)
    if not isinstance(network, VisionTransformer):
        raise ValueError(f"{path}: not the weights of a vision transformer")
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def tokens_of(network: VisionTransformer, image: Pixels) -> Tensor:
    """What a transformer sees of an image, ``uint8 [H, W, 3]``: ``float32 [width, h, w]``."""
    scale = LONG_SIDE / max(image.shape[:2])
    height, width = (max(1, round(n * scale)) * network.strides[0] for n in image.shape[:2])
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(small)).float() / 255
    values = (values - values.new_tensor(MEAN)) / values.new_tensor(DEVIATION)
    return torch.cat(network(values.permute(2, 0, 1)[None])[-TAKEN:], 1)[0]


def learned(rows: Sequence[tuple[Tensor, Tensor]], steps: int, seed: int) -> Head:
    """A head that has learned.

    Args:
        rows: tokens ``[width, h, w]`` of images, of any floating type, and how much of each is of a thing,
            ``float32 [h, w]``, 0 to 1.
        steps: of :data:`BATCH` images each, at times mirrored.
        seed: where all that is random comes from.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head = Head(len(rows[0][0]))
    optimiser = torch.optim.AdamW(head.parameters(), weight_decay=DECAY)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        losses = []
        for k in rng.choice(len(rows), BATCH):
            tokens, want = rows[k]
            flipped = [-1] if rng.random() < 0.5 else []
            found = head(tokens.float().flip(flipped)[None])[0]
            losses.append(F.binary_cross_entropy_with_logits(found, want.flip(flipped)))
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        optimiser.step()
    return head.eval()


def learn(samples: Path, weights: Path, out: Path, heads: int, steps: int) -> None:
    """Write heads that have learned from the outlined ones of a folder's samples.

    Raises:
        ValueError: none of the samples is outlined, or the weights are of something else.
    """
    network = transformer(weights)
    outlined = [s for s in map(load, sorted(samples.glob("*.npz"))) if s.labelled]
    if not outlined:
        raise ValueError(f"{samples}: no sample that people have outlined")
    rows = []
    for sample in outlined:
        tokens = tokens_of(network, sample.image)
        rows.append((tokens.half(), _shrunk(sample.thing, *tokens.shape[1:])))
    save_state(out, {"heads": [learned(rows, steps, seed).state_dict() for seed in range(heads)]})
    print(f"{len(rows)} outlined samples, {heads} heads, {steps} steps", flush=True)


def _shrunk(values: Map, rows: int, cols: int) -> Tensor:
    image = Image.fromarray(values.astype(np.float32) / 255)
    return torch.from_numpy(np.array(image.resize((cols, rows), Image.Resampling.BOX)))


def read_heads(path: Path) -> list[Head]:
    """The heads that :func:`learn` has written.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    heads = []
    try:
        for state in torch.load(path, weights_only=True)["heads"]:
            head = Head(state["narrow.weight"].shape[1])
            head.load_state_dict(state)
            heads.append(head.eval())
    except (KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"{path}: no heads of a teacher: {error}") from None
    return heads


@torch.inference_mode()
def things_by(network: VisionTransformer, heads: Sequence[Head], image: Pixels) -> Tensor:
    """How surely pixels of an image, ``uint8 [H, W, 3]``, are of a thing: ``float32 [H, W]``, 0 to 1."""
    tokens = tokens_of(network, image)[None]
    found = torch.stack([head(tokens).sigmoid() for head in heads]).mean(0)[None]
    return F.interpolate(found, image.shape[:2], mode="bilinear", align_corners=False)[0, 0]


def taught(sample: Sample, things: Tensor) -> Sample:
    """A sample whose maps of things and of the main thing are means of its own and a teacher's.

    Args:
        sample: as it was.
        things: what the teacher sees, ``float32 [h, w]``, 0 to 1.
    """
    seen, old = 255 * things.numpy(), sample.thing.astype(np.float32)
    weight = OUTLINED if sample.labelled else ALONE
    new = (1 - weight) * old + weight * seen
    if sample.labelled:
        main = sample.main * np.where(old > FAINT, new / np.maximum(old, 1), 1)
    else:
        main = (1 - weight) * sample.main + weight * MAIN * seen
    thing, main = (np.round(values).clip(0, 255).astype(np.uint8) for values in (new, main))
    return dataclasses.replace(sample, thing=thing, main=main)


def teach(samples: Path, weights: Path, heads: Path, out: Path) -> None:
    """Write the samples of a folder, taught, that are not there yet.

    Raises:
        ValueError: the weights are of something else than a vision transformer, or the heads are none.
    """
    network, teachers = transformer(weights), read_heads(heads)
    out.mkdir(parents=True, exist_ok=True)
    paths = sorted(samples.glob("*.npz"))
    missing = [path for path in paths if not (out / path.name).exists()]
    for path in missing:
        sample = load(path)
        taught(sample, things_by(network, teachers, sample.image)).save(out / path.name)
    print(f"{len(missing)} of {len(paths)} samples taught", flush=True)
