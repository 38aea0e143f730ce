"""Mutual adaptation: a restoration network of somebody else learns from images decoded from SDC.

Clean crops are degraded at random, coded by the codec's integers at a random quality, and decoded.
The network learns to make the clean crop of that.
It is any module of torch from images ``[B, 3, H, W]`` of 0 to 1 to such images.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.types import Pixels

from ..model.checkpoints import save_state
from ..training.data import random_crop
from ..training.stop import Stop
from .degradations import degraded, random_severities
from .denoisers import denoiser_of, read_weights
from .samples import MARGIN
from .training import EVERY, FLOOR, follow, rate_of

SAVED = 600
"""Seconds after which a run is kept, at least."""

ADAPTED = "adapted.pth"
"""File of a run with the averaged weights, in the form of the file that it began with."""

LEAST_QUALITY, MOST_QUALITY = 10, 63
"""Qualities at which crops are coded."""


@dataclass(frozen=True)
class Adaptation:
    """How a network is adapted; a run goes on with the same values only.

    Attributes:
        begun: SHA-256 of the file that it begins with.
        kinds: of degradations, of :data:`.degradations.KINDS`; crops without any come too.
        level: standard deviation of the noise that FFDNet is told, of 255.
        base: number of the model that codes.
        batch: crops in a step.
        side: of a crop, in pixels, a multiple of 16.
        rate: learning rate of Adam.
        seed: of all that is random.
    """

    begun: str
    kinds: tuple[str, ...]
    level: float = 25.0
    base: int = 1
    batch: int = 4
    side: int = 128
    rate: float = 2e-5
    seed: int = 1


def decoded_pair(
    images: Sequence[Tensor], how: Adaptation, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """A degraded crop after coding and decoding, and the clean one, ``uint8 [side, side, 3]`` both.

    Args:
        images: ``uint8 [3, H, W]``, clean, no side below ``side + 2 * MARGIN``.
        how: which degradations, model and side.
        rng: where all that is random comes from.
    """
    crop = random_crop(images[int(rng.integers(len(images)))], how.side + 2 * MARGIN, rng)
    wide: Pixels = np.ascontiguousarray(crop.permute(1, 2, 0).numpy())
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    captured = np.ascontiguousarray(degraded(wide, random_severities(rng, how.kinds), rng)[inner])
    quality = int(rng.integers(LEAST_QUALITY, MOST_QUALITY + 1))
    return decode(encode(captured, quality=quality, effort=0, model=how.base)).pixels, wide[inner]


def batch_of_pairs(images: Sequence[Tensor], how: Adaptation, step: int) -> tuple[Tensor, Tensor]:
    """The decoded and the clean crops of a step, ``float32 [B, 3, side, side]`` of 0 to 1 both.

    They follow from the seed and the step alone.
    """
    rng = np.random.default_rng([how.seed, step])
    pairs = [decoded_pair(images, how, rng) for _ in range(how.batch)]
    shown, clean = (np.stack(side).astype(np.float32) / 255 for side in zip(*pairs, strict=True))
    # Channels stay last in memory, which is faster.
    return torch.from_numpy(shown).permute(0, 3, 1, 2), torch.from_numpy(clean).permute(0, 3, 1, 2)


def log_error(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean logarithm of the squared error of each image, in 8-bit units; both are of 0 to 1."""
    return torch.log(255**2 * (restored - clean).square().mean((1, 2, 3)) + FLOOR).mean()


def network_of(path: Path, level: float, module: str | None = None) -> nn.Module:
    """The network that a file has weights of.

    Args:
        path: the state of a module, tensors by name.
        level: standard deviation of the noise that FFDNet is told, of 255.
        module: ``MODULE:NAME`` of what gives the network when it is called without arguments, from images
            ``[B, 3, H, W]`` of 0 to 1 to such images; without it the file is FFDNet or DnCNN for colour.

    Raises:
        OSError: the file cannot be read.
        ImportError: there is no such module.
        ValueError: the weights are of another network, or there is none of this name.
    """
    weights = read_weights(path)
    if module is None:
        return denoiser_of(weights, level / 255, path)
    home, _, name = module.partition(":")
    make: Any = getattr(import_module(home), name, None)
    if not callable(make):
        raise ValueError(f"{home} has no {name!r} that can be called")
    network = make()
    if not isinstance(network, nn.Module):
        raise ValueError(f"{module} gives no module of torch")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} has not the weights of {module}") from error
    return network


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def adapt(network: nn.Module, images: Sequence[Tensor], how: Adaptation, out: Path, minutes: float) -> int:
    """Begin a run or go on with it, until its end or until SIGINT or SIGTERM.

    The folder gets ``last.pt``, from which it goes on, and :data:`ADAPTED`.

    Args:
        network: as it begins; it is changed in place.
        images: as for :func:`decoded_pair`.
        how: see the class.
        out: folder of the run.
        minutes: of computing in all, those of earlier pieces included; the learning rate falls with them.

    Returns:
        How many steps the run has by then.

    Raises:
        ValueError: the folder has a run of other values.
    """
    out.mkdir(parents=True, exist_ok=True)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.Adam(network.parameters(), how.rate, betas=(0.9, 0.99))
    last, step, seconds = out / "last.pt", 0, 0.0
    if last.exists():
        state = torch.load(last, weights_only=True)
        if state["how"] != asdict(how) | {"kinds": list(how.kinds)}:
            raise ValueError(f"{out} has a run of another network or other options")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]
    print(f"from step {step}", flush=True)

    def save() -> None:
        save_state(
            last,
            {
                "how": asdict(how) | {"kinds": list(how.kinds)},
                "network": network.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step,
                "seconds": seconds,
            },
        )

    sums = np.zeros(2)
    saved = tick = time.monotonic()
    with Stop() as stop:
        while not stop.requested and (part := seconds / (60 * minutes)) < 1:
            optimiser.param_groups[0]["lr"] = how.rate * rate_of(step, part)
            shown, clean = batch_of_pairs(images, how, step)
            with torch.autocast("cpu", torch.bfloat16):
                restored = network(shown)
            loss = log_error(restored.float(), clean)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            if math.isfinite(float(norm)):
                optimiser.step()
            step += 1
            follow(average, network, step)
            now = time.monotonic()
            seconds, tick = seconds + min(now - tick, 10.0), now
            sums += float(log_error(shown, clean)), float(loss.detach())
            if step % EVERY == 0:
                before, after = sums / EVERY
                print(f"step {step} {seconds / 60:.1f} min {before:.4f} {after:.4f}", flush=True)
                sums[:] = 0
            if now - saved > SAVED:
                save()
                saved = tick = time.monotonic()
    save()
    save_state(out / ADAPTED, average.state_dict())
    print(f"{step} steps in {seconds / 60:.1f} minutes", flush=True)
    return step
