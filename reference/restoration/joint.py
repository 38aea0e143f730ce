"""The joint stage: an analysis for degraded images, trained together with what restores.

The streams stay those of the base, whose decoder is frozen; only what an encoder computes is trained,
the analysis transform and the hyper analysis, and the restoration network.
The loss of half of each batch is ``lambda * distance(restored, clean) + bits``, where the distance is of
samples and of features; the other half has latents of the base's own analysis, so that streams of ordinary
encoders are restored still.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.networks.profile import QUALITIES

from ..export.encoder import encoder_file
from ..model.layers import channels_last, set_integer
from ..model.quantisation import LAMBDA_HIGH, LAMBDA_LOW, quality_to_lambda
from ..model.reference import ReferenceModel
from ..model.shipped import from_files
from ..training.optim import DCT_LAYERS, Muon
from .checkpoints import base_file
from .network import RestorationNetwork
from .perceived import Distance, distance_by
from .samples import LEAST_QUALITY
from .training import (
    KINDS_WEIGHT,
    TAUGHT,
    Batch,
    Stage,
    batch_of,
    begin,
    decibels,
    kind_of,
    loss_of,
    optimisers_of,
    random_rows,
    small_batch,
    squared_error,
    wrong_strengths,
)

ENCODING = ("analysis.", "hyper.cell.", "hyper.gather.", "hyper.code.")
"""Beginnings of the names of what an encoder computes and no decoder."""

BALANCE = -0.35
"""Power of lambda by which samples of all qualities weigh about alike, as in the training of the base."""

DEAR = 1.0
"""Distance in bits per pixel from which on it counts by its logarithm: what cannot be restored costs no more
bits than what can.
"""

FAITHFUL = 3.0
"""Weight of samples without degradation: the analysis is to leave them as they are."""

COMPARED = 2
"""Images of a half of a batch whose features are compared, which takes longer than all else."""

SETTLED = 0.85
"""Part of a run from which on the analysis computes as its integers will."""


def shipped_codec(decoder: Path, encoder: Path) -> ReferenceModel:
    """The float model of a shipped decoder and an encoder for it, of which the encoder alone is trained.

    Raises:
        SdcError, ValueError, OSError: as :func:`..model.shipped.from_files`.
    """
    codec = from_files(decoder, encoder)
    for name, parameter in codec.named_parameters():
        parameter.requires_grad_(name.startswith(ENCODING))
    return channels_last(codec)


def encoder_parameters(codec: ReferenceModel) -> tuple[list[Tensor], list[Tensor]]:
    """What of an encoder Muon trains, the matrices of hidden layers, and what Adam trains, all else."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in codec.named_parameters():
        if parameter.requires_grad:
            hidden = parameter.dim() == 4 and parameter.shape[1] > 1 and name not in DCT_LAYERS
            (matrices if hidden else others).append(parameter)
    return matrices, others


class JointNetwork(nn.Module):
    """A codec, of which the encoder is trained, and a restoration network."""

    def __init__(self, codec: ReferenceModel, restoration: RestorationNetwork):
        super().__init__()
        self.codec, self.restoration = codec, restoration

    def forward(self, batch: Batch, quality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Captured images, coded and restored.

        Args:
            batch: its captured images and cells are used.
            quality: ``[B]``, whole numbers 0..63.

        Returns:
            ``(restored [B, 3, S, S], latents [B, M, S / 16, S / 16], bits [B] per pixel of the group)``.
        """
        latents, bits, hyper_bits = self.codec.coded(batch.captured, quality, batch.cells)
        restored, _ = self.restoration(latents, quality, batch.cells)
        return restored, latents, (bits + hyper_bits) / (256 * batch.cells.sum((1, 2, 3)))


def tempered(distance: Tensor) -> Tensor:
    """Distances in bits per pixel, those beyond :data:`DEAR` by their logarithm."""
    return torch.where(distance < DEAR, distance, DEAR * (1 + torch.log(distance.clamp_min(DEAR) / DEAR)))


def joint_loss(
    network: JointNetwork, batch: Batch, quality: Tensor, seen: Distance | None
) -> tuple[Tensor, Tensor]:
    """Loss of captured images that are coded and restored, and ``[loss, bits per pixel, dB, features]``.

    The distance is the squared error and, of the first :data:`COMPARED` images, which stand for all, that of
    features, to which texture matters.
    What derives the vector learns to tell degradations here too, as far as the latents still show them; the
    analysis does not learn to keep them.

    Args:
        network: whose encoder and restoration network are trained.
        batch: samples.
        quality: ``[B]``, whole numbers 0..63.
        seen: of features; none for the squared error alone.

    Returns:
        The loss, and for the log ``[4]``, of which the last is the mean of what features add to squared
        errors in 8-bit units.
    """
    restored, latents, bits = network(batch, quality)
    with torch.autocast(batch.clean.device.type, enabled=False):
        restored = restored.float()
        error = squared_error(restored, batch)
        weight = quality_to_lambda(quality)
        balance = (weight / math.sqrt(LAMBDA_LOW * LAMBDA_HIGH)) ** BALANCE
        balance = torch.where((batch.severity == 0).all(1), FAITHFUL, 1.0) * balance
        plain = tempered(weight * error)
        cost = (balance * (bits.float() + plain)).mean()
        features = error.new_zeros(1)
        if seen is not None:
            mask = batch.mask[:COMPARED]
            features = seen(batch.clean[:COMPARED], restored[:COMPARED].clamp(0, 255), mask)
            features = features / mask.sum((1, 2, 3))
            both = tempered((weight * error)[:COMPARED] + weight[:COMPARED] * features)
            cost = cost + (balance[:COMPARED] * (both - plain[:COMPARED])).mean()
        told = network.restoration.derive(latents.detach(), quality, batch.cells).float()
        wrong = wrong_strengths(network.restoration.strengths(told), batch.severity).mean()
        psnr = decibels(error).mean()
    loss = cost + KINDS_WEIGHT * wrong
    return loss, torch.stack([cost, bits.mean(), psnr, features.mean()]).detach()


@torch.no_grad()
def beside_the_base(
    ordinary: ReferenceModel, network: JointNetwork, rows: Sequence[np.void]
) -> dict[str, list[float]]:
    """By kind, means of samples and how many: by the base's analysis bits per pixel and dB as captured and
    restored, and by the own one bits per pixel and dB restored.
    """
    found: dict[str, list[list[float]]] = {}
    for start in range(0, len(rows), 8):
        batch = batch_of(rows[start : start + 8])
        columns = []
        for codec in (ordinary, network.codec):
            with torch.autocast("cpu", torch.bfloat16, enabled=not codec.analysis.first.integer):
                restored, latents, bits = JointNetwork(codec, network.restoration)(batch, batch.quality)
                fine = F.interpolate(batch.cells, scale_factor=2, mode="nearest")
                shown = codec.synthesis(latents, batch.quality, fine) if codec is ordinary else None
            columns.append(bits)
            for pixels in (restored,) if shown is None else (shown, restored):
                columns.append(decibels(squared_error(pixels.float().clamp(0, 255), batch)))
        for k, severity in enumerate(batch.severity):
            found.setdefault(kind_of(severity), []).append([float(column[k]) for column in columns])
    return {kind: [*np.mean(some, 0).tolist(), len(some)] for kind, some in sorted(found.items())}


def encoder_state(codec: ReferenceModel) -> dict[str, Tensor]:
    """Tensors of what an encoder computes."""
    return {name: t.clone() for name, t in codec.state_dict().items() if name.startswith(ENCODING)}


def load_encoder_state(codec: ReferenceModel, state: dict[str, Tensor]) -> None:
    """Put tensors of :func:`encoder_state` back.

    Raises:
        RuntimeError: they are of another encoder.
    """
    if set(state) != set(encoder_state(codec)):
        raise RuntimeError("not the tensors of this encoder")
    codec.load_state_dict(state, strict=False)


class JointStage(Stage):
    """A run that trains the encoder and the restoration network together."""

    def _build(self) -> None:
        beside = self.base.with_name(f"{self.base.stem}-encoder{self.base.suffix}")
        self.ordinary = shipped_codec(self.base, beside).requires_grad_(False)
        codec = shipped_codec(self.base, self.args.encoder or beside)
        self.restoration = self.restoring_network()
        self.joint = JointNetwork(codec, self.restoration)
        self.network = self.joint
        self.average = copy.deepcopy(self.joint).requires_grad_(False)
        factor = self.args.encoder_feature_weight
        self.seen_of_encoder = distance_by(self.args.features, self.examples, factor) if factor else None
        matrices, others = encoder_parameters(codec)
        self.optimisers = [
            *optimisers_of(self.restoration, self.args.matrix_rate, self.args.rate),
            Muon(matrices, self.args.encoder_matrix_rate),
            torch.optim.Adam(others, self.args.encoder_rate, betas=(0.9, 0.99)),
        ]

    def restoring(self, network: nn.Module) -> RestorationNetwork:
        """See the class."""
        assert isinstance(network, JointNetwork)
        return network.restoration

    def begin(self) -> None:
        """Take the weights of another run, if one is named."""
        if self.args.start:
            begin(self.restoration, self.args.start)
        self.average.load_state_dict(self.network.state_dict())

    def settle(self, part: float) -> None:
        """Let the analysis compute with integers near the end."""
        for network in (self.joint, self.average):
            assert isinstance(network, JointNetwork)
            set_integer(network.codec.analysis, part >= SETTLED)

    def loss(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """See :class:`Stage`; the log gets figures of both halves."""
        half = self.args.batch // 2
        first, second = (batch_of(random_rows(self.samples, half, rng)) for _ in range(2))
        quality = torch.from_numpy(rng.integers(LEAST_QUALITY, QUALITIES, half).astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16):
            loss, figures = loss_of(self.restoration, first, self.seen)
        integer = self.joint.codec.analysis.first.integer
        with torch.autocast("cpu", torch.bfloat16, enabled=not integer):
            more, own = joint_loss(self.joint, second, quality, self.seen_of_encoder)
        with torch.autocast("cpu", torch.bfloat16):
            more = more + self._taught(rng)
        return loss + more, torch.cat([figures, own])

    def _taught(self, rng: np.random.Generator) -> Tensor:
        """Error of the strengths of many samples, of which nothing else is looked at."""
        latents, cells, quality, severity = small_batch(random_rows(self.samples, TAUGHT, rng))
        found = self.restoration.derive(latents, quality, cells)
        wrong = wrong_strengths(self.restoration.strengths(found), severity)
        return KINDS_WEIGHT * wrong.mean()

    def table(self, rows: Sequence[np.void]) -> str:
        """A line for each kind: see :func:`beside_the_base`."""
        assert isinstance(self.average, JointNetwork)
        found = beside_the_base(self.ordinary, self.average, rows)
        return "\n  ".join(
            f"{kind} {n:.0f}: {a:.3f} bpp {b:.2f} {c:.2f} dB, {d:.3f} bpp {e:.2f} dB"
            for kind, (a, b, c, d, e, n) in found.items()
        )

    def state(self) -> dict[str, Any]:
        """See :class:`Stage`."""
        assert isinstance(self.average, JointNetwork)
        return {
            **super().state(),
            "encoder": encoder_state(self.joint.codec),
            "encoder_average": encoder_state(self.average.codec),
        }

    def load(self, state: dict[str, Any]) -> None:
        """See :class:`Stage`."""
        super().load(state)
        assert isinstance(self.average, JointNetwork)
        load_encoder_state(self.joint.codec, state["encoder"])
        load_encoder_state(self.average.codec, state["encoder_average"])


def joint_encoder_file(run: Path, name: str, base: int, part: float = 1.0) -> bytes:
    """The encoder's file of a run of the joint stage.

    Args:
        run: its ``last.pt``.
        name: that the file gives itself.
        base: number of the model that decodes.
        part: of the way that weights are taken from those of the base's own encoder, 0, to the run's, 1.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is of no such run, ``part`` is not from 0 to 1, or a layer breaks the bound of 2**24
            (NETW-12).
        SdcError: ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    if not 0 <= part <= 1:
        raise ValueError(f"a part is from 0 to 1, not {part:g}")
    decoder = base_file(base)
    codec = shipped_codec(decoder, decoder.with_name(f"{decoder.stem}-encoder{decoder.suffix}"))
    state = torch.load(run, map_location="cpu", weights_only=True)
    if "encoder_average" not in state:
        raise ValueError(f"{run} is of no run of the joint stage")
    own = encoder_state(codec)
    load_encoder_state(codec, state["encoder_average"])
    if part < 1:
        trained = encoder_state(codec)
        load_encoder_state(codec, {key: torch.lerp(t, trained[key], part) for key, t in own.items()})
    return encoder_file(codec, name)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the joint stage beside those of ``train``."""
    parser.add_argument("--encoder", type=Path, help="encoder's file that it begins with, else the base's")
    parser.add_argument("--encoder-matrix-rate", type=float, default=5e-4)
    parser.add_argument("--encoder-rate", type=float, default=1e-4)
    parser.add_argument(
        "--encoder-feature-weight",
        type=float,
        default=0.0,
        help="as --feature-weight, where the encoder learns too; 0 for squared error alone",
    )
