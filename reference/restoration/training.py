"""Training of a restoration model with the encoder and the base frozen."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.checkpoints import save_state
from ..model.layers import LATENT, channels_last
from ..training.optim import Muon
from ..training.stop import Stop
from .checkpoints import base_file, load_own, own_state, read_own
from .degradations import KINDS
from .network import NEAR, VECTOR, RestorationNetwork, RestorationSizes, Restoring, base_synthesis
from .perceived import Distance, distance_by
from .samples import open_samples

EVERY = 100
"""Steps that a line of the log is the mean of."""

FLOOR = 4.0
"""Squared error, in 8-bit units, below which more counts for little."""

SEEN_PART = 8
"""One in so many samples of a batch is compared by features too."""

KINDS_WEIGHT, CLEAN_WEIGHT = 3.0, 2.0
"""Weights of the error of strengths, and of clean samples, which are to stay as they are."""

DERIVING = 0.5
"""Learning rate of what derives vectors, as a part of that of the rest."""

TAUGHT, TEACHING_RATE = 48, 2e-3
"""Samples of a batch, and the learning rate, when it is taught degradations first."""

CALIBRATED, CALIBRATION_RATE = (40, 16), 1e-3
"""Samples of all kinds and clean ones in a batch, and the learning rate, when it is calibrated."""

Samples = Sequence[npt.NDArray[np.void]]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Samples.

    Attributes:
        clean, captured: ``float [B, 3, S, S]``, 0 to 255, before degradation and after it.
        latents: ``float [B, M, S / 16, S / 16]`` in network units.
        cells: ``float [B, 1, S / 16, S / 16]``, 1 where a cell is of the group.
        quality: ``float [B]``.
        severity: ``float [B, kinds]``.
    """

    clean: Tensor
    captured: Tensor
    latents: Tensor
    cells: Tensor
    quality: Tensor
    severity: Tensor

    @property
    def mask(self) -> Tensor:
        """1 at the pixels of the group, ``[B, 1, S, S]``."""
        return F.interpolate(self.cells, scale_factor=16, mode="nearest")


def batch_of(rows: Sequence[np.void]) -> Batch:
    """A batch of rows of :func:`.samples.row_type`."""

    def of(name: str) -> Tensor:
        return torch.from_numpy(np.stack([row[name] for row in rows]).astype(np.float32))

    nearby = torch.channels_last
    clean, captured = (
        of(name).permute(0, 3, 1, 2).contiguous(memory_format=nearby) for name in ("clean", "captured")
    )
    latents = (of("latents") * 2.0**-LATENT.frac).contiguous(memory_format=nearby)
    return Batch(clean, captured, latents, of("cells")[:, None], of("quality"), of("severity"))


def small_batch(rows: Sequence[np.void]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, cells, quality and severity of a :class:`Batch`, without the clean crops, which are large."""
    latents, cells, quality, severity = (
        torch.from_numpy(np.stack([row[name] for row in rows]).astype(np.float32))
        for name in ("latents", "cells", "quality", "severity")
    )
    return latents * 2.0**-LATENT.frac, cells[:, None], quality, severity


def random_rows(samples: Samples, count: int, rng: np.random.Generator) -> list[np.void]:
    """Random samples, with repetition."""
    files = rng.integers(len(samples), size=count)
    return [samples[k][int(rng.integers(len(samples[k])))] for k in files]


def squared_error(decoded: Tensor, batch: Batch) -> Tensor:
    """Mean squared error of each sample over the pixels of its group, ``[B]``."""
    total = ((decoded - batch.clean) ** 2 * batch.mask).sum((1, 2, 3))
    return total / (3 * batch.mask.sum((1, 2, 3)))


def decibels(error: Tensor) -> Tensor:
    """PSNR of mean squared errors of 8-bit samples."""
    return 10 * torch.log10(255**2 / error.clamp_min(1e-3))


def distance_loss(decoded: Tensor, batch: Batch, seen: Distance) -> tuple[Tensor, Tensor]:
    """Loss of restored samples ``float32 [B, 3, S, S]``, and their squared errors ``[B]``.

    The distance counts by its logarithm, so that samples of all degradations weigh alike.
    """
    error = squared_error(decoded, batch)
    few = slice(0, max(1, len(error) // SEEN_PART))
    mask = batch.mask[few]
    more = seen(batch.clean[few], decoded[few].clamp(0, 255), mask) / mask.sum((1, 2, 3))
    distance = torch.cat([error[few] + more, error[few.stop :]])
    weight = torch.where((batch.severity == 0).all(1), CLEAN_WEIGHT, 1.0)
    return (weight * torch.log(distance + FLOOR)).sum() / weight.sum(), error


def loss_of(network: RestorationNetwork, batch: Batch, seen: Distance) -> tuple[Tensor, Tensor]:
    """Loss of a batch, and ``[loss, dB, error of strengths]`` for the log."""
    decoded, vector = network(batch.latents, batch.quality, batch.cells)
    with torch.autocast(batch.clean.device.type, enabled=False):
        distance, error = distance_loss(decoded.float(), batch, seen)
        wrong = wrong_strengths(network.strengths(vector.float()), batch.severity).mean()
        loss = distance + KINDS_WEIGHT * wrong
        psnr = decibels(error).mean()
    return loss, torch.stack([loss.detach(), psnr.detach(), wrong.detach()])


def optimisers_of(
    network: RestorationNetwork, matrix_rate: float, rate: float
) -> tuple[Muon, torch.optim.Adam]:
    """Muon for the matrices of residuals, Adam for the rest, gains and offsets among it.

    What derives vectors moves slowly, since all the rest goes by them.
    """
    matrices: list[Tensor] = []
    deriving: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        hidden = name.startswith(("taps", "mixers", "fine")) and ".gate." not in name
        if name.startswith(("derive.", "kinds.")):
            deriving.append(parameter)
        else:
            matrix = hidden and parameter.dim() == 4 and parameter.shape[1] > 1
            (matrices if matrix else others).append(parameter)
    groups = [{"params": others, "lr": rate}, {"params": deriving, "lr": DERIVING * rate}]
    return Muon(matrices, matrix_rate), torch.optim.Adam(groups, rate, betas=(0.9, 0.99))


def wrong_strengths(found: Tensor, severity: Tensor) -> Tensor:
    """Squared error of strengths ``[B, kinds]``, of each sample; below 0 is as good as 0."""
    return torch.where(severity == 0, found.clamp_min(0), found - severity).square().mean(1)


def teach(network: RestorationNetwork, samples: Samples, steps: int, seed: int) -> None:
    """Let the network that derives vectors tell degradations, before anything goes by its vectors."""
    parts = [*network.derive.parameters(), *network.kinds.parameters()]
    optimiser = torch.optim.Adam(parts, TEACHING_RATE, betas=(0.9, 0.99))
    total = 0.0
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = TEACHING_RATE * min(1.0, (step + 1) / 100, 2 * (1 - step / steps))
        rows = random_rows(samples, TAUGHT, np.random.default_rng([seed, 1 << 20, step]))
        latents, cells, quality, severity = small_batch(rows)
        found = network.derive(latents, quality, cells)
        loss = wrong_strengths(network.strengths(found), severity).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach())
        if step % EVERY == EVERY - 1:
            print(f"taught {step + 1} {total / EVERY:.5f}", flush=True)
            total = 0.0


@torch.no_grad()
def fit_strengths(network: RestorationNetwork, samples: Samples, count: int, seed: int) -> None:
    """Fit the layer that tells strengths to the vectors as they are, by least squares over random samples.

    Below 0 is as good as 0 where a kind is not there: such samples are then fitted to what they got.
    """
    rng = np.random.default_rng(seed)
    vectors, wanted = [], []
    for _ in range(0, count, TAUGHT):
        batch = batch_of(random_rows(samples, TAUGHT, rng))
        vectors.append(network.derive(batch.latents, batch.quality, batch.cells))
        wanted.append(batch.severity)
    x, severity = torch.cat(vectors), torch.cat(wanted)
    ones = torch.cat([x, torch.ones(len(x), 1)], 1)
    target = severity
    for _ in range(3):
        solution = torch.linalg.lstsq(ones, target).solution
        target = torch.where(severity == 0, (ones @ solution).clamp_max(0), severity)
    network.kinds.weight.copy_(solution[:-1].T[:, :, None, None])
    network.kinds.bias.copy_(solution[-1])


def calibrate(
    network: RestorationNetwork,
    samples: Samples,
    clean: Samples,
    steps: int,
    weight: float,
    low_light: float,
    seed: int,
) -> None:
    """Teach the network that derives vectors to find nothing in clean photographs, dark ones too.

    Where something is wrong it is to find what it finds now.  All that follows the vector stays as it is.

    Args:
        network: trained; its deriving part is changed in place.
        samples: of all kinds.
        clean: without degradation.
        steps: of :data:`CALIBRATED` samples each.
        weight: of what is found in clean samples against what is no longer found in others.
        low_light: of what is no longer found in low light, which clean photographs are most often taken for,
            against other kinds.
        seed: of what is random.
    """
    teacher = copy.deepcopy(network.derive).requires_grad_(False)
    parts = [part for part in network.derive.parameters() if part.requires_grad]
    optimiser = torch.optim.Adam(parts, CALIBRATION_RATE, betas=(0.9, 0.99))
    sums, dark = np.zeros(2), list(KINDS).index("low-light")
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = CALIBRATION_RATE * min(1.0, (step + 1) / 50, 2 * (1 - step / steps))
        rng = np.random.default_rng([seed, 1 << 21, step])
        rows = [*random_rows(samples, CALIBRATED[0], rng), *random_rows(clean, CALIBRATED[1], rng)]
        latents, cells, quality, severity = small_batch(rows)
        units = 2.0**VECTOR.frac
        found = units * network.derive.found(latents, quality, cells)
        with torch.no_grad():
            before = (units * teacher.found(latents, quality, cells)).clamp(VECTOR.lo, VECTOR.hi)
        none = (severity == 0).all(1)
        kind = torch.where(severity[:, dark] > 0, low_light, 1.0)
        kept = (kind * (found - before).square().mean(1))[~none].mean()
        beyond = (found.abs() - (NEAR - 1)).clamp_min(0).square().mean(1)[none].mean()
        optimiser.zero_grad(set_to_none=True)
        (kept + weight * beyond).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        sums += float(kept.detach()), float(beyond.detach())
        if step % EVERY == EVERY - 1:
            print(f"calibrated {step + 1} {sums[0] / EVERY:.2f} {sums[1] / EVERY:.2f}", flush=True)
            sums[:] = 0


def begin(network: nn.Module, path: Path) -> None:
    """Take from another run's file the averaged tensors of the same names and shapes.

    Raises:
        OSError, SdcError, ValueError: as :func:`.checkpoints.read_own`, and where nothing fits.
    """
    now = network.state_dict()
    state, _ = read_own(path)
    fitting = {name: t for name, t in state.items() if name in now and t.shape == now[name].shape}
    if not fitting:
        raise ValueError(f"{path} has no tensor of this network")
    network.load_state_dict({**now, **fitting})
    print(f"{len(fitting)} of {len(state)} tensors of {path}", flush=True)


def kind_of(severity: Tensor) -> str:
    """The kind of a sample by its strengths ``[kinds]``, ``clean`` without any, ``mixed`` with several."""
    kinds = [kind for kind, s in zip(KINDS, severity, strict=True) if s > 0]
    return "mixed" if len(kinds) > 1 else (kinds or ["clean"])[0]


@torch.no_grad()
def by_kind(network: Restoring, rows: Sequence[np.void]) -> dict[str, tuple[float, float]]:
    """Mean dB of samples as captured and restored, by their kind, ``clean`` or ``mixed``."""
    found: dict[str, list[tuple[float, float]]] = {}
    for start in range(0, len(rows), 8):
        batch = batch_of(rows[start : start + 8])
        with torch.autocast("cpu", torch.bfloat16):
            restored, _ = network(batch.latents, batch.quality, batch.cells)
            fine = F.interpolate(batch.cells, scale_factor=2, mode="nearest")
            captured = network.base(batch.latents, batch.quality, fine)
        pairs = [decibels(squared_error(x.float().clamp(0, 255), batch)) for x in (captured, restored)]
        for severity, a, b in zip(batch.severity, *pairs, strict=True):
            found.setdefault(kind_of(severity), []).append((float(a), float(b)))
    return {
        name: (sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs))
        for name, pairs in sorted(found.items())
    }


def rate_of(step: int, part: float) -> float:
    """Learning rate as a part of its peak: it rises over 200 steps, and falls in the last 60 % of a run.

    Args:
        step: that is next.
        part: of the run that is done.
    """
    return min(1.0, (step + 1) / 200) * (1.0 if part < 0.4 else max(0.02, (1 - part) / 0.6))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the averaged weights towards those after so many steps, as far as these are trained.

    Buffers, such as the means of a batch normalisation, are taken as they are.
    """
    pairs = zip(average.parameters(), network.parameters(), strict=True)
    some = [(a, b) for a, b in pairs if b.requires_grad]
    decay = min(0.998, step / (9 + step))
    torch._foreach_lerp_([a for a, _ in some], [b for _, b in some], 1 - decay)
    for kept, now in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(now)


class Stage:
    """What a run trains: a restoration network, with the encoder and the base frozen.

    Args:
        args: those of the command.
        samples: that are trained on.

    Attributes:
        network: with the weights as they move.
        average: with their running average.
        optimisers: of what is trained.
        restoration: what of :attr:`network` restores, of runs that train such a network.
        skipped: steps without a finite gradient, which changed nothing.
    """

    network: nn.Module
    average: nn.Module
    optimisers: Sequence[torch.optim.Optimizer]
    restoration: RestorationNetwork

    def __init__(self, args: argparse.Namespace, samples: Samples):
        self.args, self.samples = args, samples
        self.base = base_file(args.base)
        self.examples = batch_of(random_rows(samples, 16, np.random.default_rng(args.seed))).clean
        self.seen = distance_by(args.features, self.examples, args.feature_weight)
        self._build()
        self._peaks = [group["lr"] for o in self.optimisers for group in o.param_groups]
        self.step, self.seconds, self.skipped = 0, 0.0, 0

    def _build(self) -> None:
        self.restoration = self.restoring_network()
        self.network = self.restoration
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimisers = optimisers_of(self.restoration, self.args.matrix_rate, self.args.rate)

    def restoring_network(self) -> RestorationNetwork:
        """A restoration network on the base, untrained."""
        return channels_last(RestorationNetwork(RestorationSizes(), base_synthesis(self.base)))

    def restoring(self, network: nn.Module) -> Restoring:
        """What restores within :attr:`network` or :attr:`average`."""
        assert isinstance(network, RestorationNetwork)
        return network

    def begin(self) -> None:
        """Take the weights of another run, if one is named, and learn degradations."""
        if self.args.start:
            begin(self.restoration, self.args.start)
        teach(self.restoration, self.samples, self.args.teach, self.args.seed)
        self.average.load_state_dict(self.network.state_dict())

    def settle(self, part: float) -> None:
        """Prepare for the end of a run, of which so large a part is done."""

    def loss(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Loss of a random batch, and what the log wants to know of it."""
        batch = batch_of(random_rows(self.samples, self.args.batch, rng))
        with torch.autocast("cpu", torch.bfloat16):
            return loss_of(self.restoration, batch, self.seen)

    def table(self, rows: Sequence[np.void]) -> str:
        """A line on samples that are not trained on."""
        found = by_kind(self.restoring(self.average), rows)
        return ", ".join(f"{kind} {a:.2f} {b:.2f}" for kind, (a, b) in found.items())

    def sizes(self) -> dict[str, Any]:
        """Sizes of the restoration network, for what goes on from it."""
        return {"sizes": dataclasses.asdict(self.restoration.sizes)}

    def state(self) -> dict[str, Any]:
        """All that the run needs to go on."""
        return {
            **self.sizes(),
            "network": own_state(self.restoring(self.network)),
            "average": own_state(self.restoring(self.average)),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        load_own(self.restoring(self.network), state["network"])
        load_own(self.restoring(self.average), state["average"])
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        self.step, self.seconds = state["step"], state["seconds"]

    def advance(self, part: float) -> Tensor:
        """Make a step of a run, of which so large a part is done; returns what the log wants to know."""
        rate = rate_of(self.step, part)
        groups = (group for o in self.optimisers for group in o.param_groups)
        for group, peak in zip(groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        self.settle(part)
        torch.manual_seed(hash((self.args.seed, self.step)))
        loss, figures = self.loss(np.random.default_rng([self.args.seed, self.step]))
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        own = [p for p in self.network.parameters() if p.requires_grad]
        if math.isfinite(float(torch.nn.utils.clip_grad_norm_(own, 1.0))):
            for optimiser in self.optimisers:
                optimiser.step()
        else:
            self.skipped += 1
        self.step += 1
        follow(self.average, self.network, self.step)
        return figures


def train(args: argparse.Namespace, kind: type[Stage] = Stage) -> None:
    """Begin a run or go on with it, until its end or until it is stopped."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    samples = open_samples(args.samples)
    samples, held = samples[:-1], list(samples[-1][: args.held])
    stage, last = kind(args, samples), args.out / "last.pt"
    if last.exists():
        stage.load(torch.load(last, weights_only=True))
    else:
        stage.begin()
        print("  " + stage.table(held), flush=True)

    def save() -> None:
        save_state(last, stage.state())
        print("  " + stage.table(held), flush=True)

    trained = sum(p.numel() for p in stage.network.parameters() if p.requires_grad)
    print(f"{sum(map(len, samples))} samples, {trained} parameters, from step {stage.step}", flush=True)
    sums: Tensor | float = 0.0
    saved = tick = time.monotonic()
    with Stop() as stop:
        while not stop.requested and (part := stage.seconds / (60 * args.minutes)) < 1:
            sums = sums + stage.advance(part)
            now = time.monotonic()
            stage.seconds, tick = stage.seconds + min(now - tick, 10.0), now
            if stage.step % EVERY == 0:
                assert isinstance(sums, Tensor)
                values = " ".join(f"{v:.4f}" for v in (sums / EVERY).tolist())
                rate = rate_of(stage.step, part)
                lost = f", {stage.skipped} skipped" if stage.skipped else ""
                print(f"step {stage.step} {stage.seconds / 60:.1f} min {rate:.3f} {values}{lost}", flush=True)
                sums = 0.0
            if now - saved > 60 * args.save_minutes:
                save()
                saved = tick = time.monotonic()
    save()
