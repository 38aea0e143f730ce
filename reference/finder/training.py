"""Training of the network: batches, loss, and a run that can be stopped and goes on."""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.checkpoints import save_state
from ..model.layers import channels_last
from ..training.stop import Stop
from .classes import UNKNOWN
from .network import STRIDE, FinderNetwork, Maps
from .samples import Sample, load

SIZE = 256
"""Side of a crop as the network sees it."""

LABELLED = 0.4
"""Part of the crops that come from images that people have outlined."""

LEAST_SPAN = 0.4
"""Part of an image's side that a crop has at least."""

EVERY = 50
"""Steps that a line of the log is the mean of."""

UNSURE = 127
"""In a map of edges: not known."""

WEIGHTS = {"thing": 1.0, "main": 1.0, "edge": 0.3, "text": 0.3, "classes": 0.3}


@dataclass(frozen=True)
class Batch:
    """Crops, ``float [B, 3, SIZE, SIZE]``, and maps at a quarter of the sides.

    Attributes:
        images: 0 to 255.
        thing, main, edge, text: 0 to 1, ``[B, 1, h, w]``.
        edge_known: 1 where edges are known.
        classes: ``int64 [B, h, w]``.
    """

    images: Tensor
    thing: Tensor
    main: Tensor
    edge: Tensor
    edge_known: Tensor
    text: Tensor
    classes: Tensor


def crop_of(sample: Sample, rng: np.random.Generator) -> list[Tensor]:
    """A random crop of an image, tinted and at times mirrored or grey, and its maps."""
    h, w = sample.thing.shape
    span = math.sqrt(rng.uniform(LEAST_SPAN**2, 1))
    tall, wide = (max(32, round(min(1.0, span * rng.uniform(0.9, 1.1)) * n)) for n in (h, w))
    y, x = int(rng.integers(h - min(tall, h) + 1)), int(rng.integers(w - min(wide, w) + 1))
    part = np.s_[y : y + tall, x : x + wide]
    image = _tinted(torch.from_numpy(sample.image[part].astype(np.float32)).permute(2, 0, 1), rng)
    edge = sample.edge[part]
    maps = [sample.thing[part], sample.main[part], edge, sample.text[part]]
    values = torch.from_numpy(np.stack(maps).astype(np.float32))
    side = SIZE // STRIDE
    image = F.interpolate(image[None], (SIZE, SIZE), mode="bilinear", antialias=True)[0]
    small = F.interpolate(values[None], (side, side), mode="area")[0] / 255
    known = torch.full((1, side, side), float((sample.edge != UNSURE).any()))
    classes = torch.from_numpy(sample.classes[part].astype(np.float32))
    numbers = F.interpolate(classes[None, None], (side, side), mode="nearest")[0, 0].long()
    thin = F.adaptive_max_pool2d(values[2:3], side) / 255
    out = [image, small[0:1], small[1:2], thin, known, small[3:4], numbers]
    return [t.flip(-1) for t in out] if rng.random() < 0.5 else out


def _tinted(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Other light, contrast and colours, now and then none."""
    mean = image.mean((1, 2), keepdim=True)
    image = mean + (image - mean) * rng.uniform(0.7, 1.3)
    grey = image.mean(0, keepdim=True)
    image = grey + (image - grey) * (0 if rng.random() < 0.08 else rng.uniform(0.5, 1.5))
    gains = torch.from_numpy(rng.uniform(0.85, 1.15, (3, 1, 1)).astype(np.float32))
    return (image * gains * rng.uniform(0.8, 1.2)).clamp(0, 255)


def batch_of(
    samples: Sequence[Sample], labelled: Sequence[int], count: int, rng: np.random.Generator
) -> Batch:
    """A random batch.

    Args:
        samples: all there are.
        labelled: places of those that people have outlined.
        count: crops.
        rng: where all that is random comes from.
    """
    chosen = [
        labelled[int(rng.integers(len(labelled)))]
        if labelled and rng.random() < LABELLED
        else int(rng.integers(len(samples)))
        for _ in range(count)
    ]
    return Batch(
        *(torch.stack(list(t)) for t in zip(*(crop_of(samples[k], rng) for k in chosen), strict=True))
    )


def losses(found: Maps, want: Batch) -> dict[str, Tensor]:
    """Cross-entropies of the maps."""

    def of(logits: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits.float(), target)

    edge = F.binary_cross_entropy_with_logits(found.edge.float(), want.edge, reduction="none")
    return {
        "thing": of(found.thing, want.thing),
        "main": of(found.main, want.main),
        "edge": (edge * want.edge_known).sum() / want.edge_known.sum().clamp_min(1),
        "text": of(found.text, want.text),
        "classes": F.cross_entropy(found.classes.float(), want.classes, ignore_index=UNKNOWN),
    }


def train(args: argparse.Namespace) -> None:
    """Begin a run or go on with it, until its end or until it is stopped."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    samples = [load(path) for path in sorted(args.samples.glob("*.npz"))]
    labelled = [k for k, sample in enumerate(samples) if sample.labelled]
    network = FinderNetwork()
    network.begin(args.start)
    for layer in list(network.features)[: args.keep]:
        layer.requires_grad_(False)
    network = channels_last(network)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    backbone = list(network.features.parameters())
    own = [p for name, p in network.named_parameters() if not name.startswith("features.")]
    optimiser = torch.optim.AdamW(
        [{"params": backbone, "peak": args.backbone_rate}, {"params": own, "peak": args.rate}],
        weight_decay=0.03,
    )
    step, seconds, last = 0, 0.0, args.out / "last.pt"
    if last.exists():
        state = torch.load(last, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]

    def save() -> None:
        save_state(
            last,
            {
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": seconds,
            },
        )

    print(f"{len(samples)} samples, {len(labelled)} of them outlined, from step {step}", flush=True)
    network.train()
    sums: dict[str, float] = {}
    saved = tick = time.monotonic()
    with Stop() as stop:
        while not stop.requested and (part := seconds / (60 * args.minutes)) < 1:
            rng = np.random.default_rng([args.seed, step])
            rate = min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * part))
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * rate
            want = batch_of(samples, labelled, args.batch, rng)
            with torch.autocast("cpu", torch.bfloat16, enabled=not args.single):
                found = network(want.images.contiguous(memory_format=torch.channels_last))
            parts = losses(found, want)
            optimiser.zero_grad(set_to_none=True)
            torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            step += 1
            decay = min(0.998, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
            now = time.monotonic()
            seconds, tick = seconds + min(now - tick, 10.0), now
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            if step % EVERY == 0:
                means = " ".join(f"{name} {value / EVERY:.4f}" for name, value in sums.items())
                print(f"step {step} {seconds / 60:.1f} min {means}", flush=True)
                sums = {}
            if now - saved > 300:
                saved = now
                save()
    save()
