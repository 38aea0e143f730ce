"""Floats of a shipped model's integers, from which training can go on.

A shipped model holds every weight as an integer and a shift, and every table at 64 qualities.
:func:`from_files` makes floats of the integers and fits the trained anchors to the tables, so that training
goes on from a model of which no checkpoint was kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sdc.networks.profile import QUALITIES
from sdc.networks.tensors import read_tensors

from .initial import shuffled
from .layers import (
    ANCHORS,
    HIDDEN,
    HYPER,
    LATENT,
    Depthwise,
    Pointwise,
    QualityBias,
    interpolate_anchors,
)
from .quantisation import HYPER_STEP_FRAC, RESIDUAL_FRAC, SCALE_MIN, SCALE_STEP, TABLE_MAX
from .reference import ReferenceModel
from .sizes import Sizes
from .transforms import AnalysisTransform, SynthesisTransform

CUT_ROUNDS = 1000
"""Rounds that fit anchors to a table which cuts off what is beyond its largest entry."""

Arrays = Mapping[str, np.ndarray[Any, Any]]


def from_files(decoder: Path, encoder: Path) -> ReferenceModel:
    """The float model of a shipped pair of files.

    Args:
        decoder: the normative model file.
        encoder: the file that encodes for it.

    Returns:
        A model whose export gives the same networks, but for the rounding of tables between anchors.

    Raises:
        SdcError: ``E_MODEL_FILE``.
        ValueError: the networks are not those of the reference model.
        OSError: a file cannot be read.
    """
    tensors, description = read_tensors(decoder.read_bytes())
    more, _ = read_tensors(encoder.read_bytes())
    try:
        reader = _Reader({**tensors, **more})
        return reader.model(description)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"not the networks of the reference model: {error}") from None


def _sizes(tensors: Arrays, description: Mapping[str, Any]) -> Sizes:
    passes = description["passes"]
    analysis = {name.split(".")[1] for name in tensors if name.startswith("analysis.") and ".reduce." in name}
    synthesis = {
        name.split(".")[1] for name in tensors if name.startswith("synthesis.") and ".reduce." in name
    }
    return Sizes(
        channels=len(tensors["analysis.first.bias"]),
        latents=description["latents"],
        hyper=description["hyper"],
        features=len(tensors["hyper.expand.bias"]),
        wide=len(tensors["context.0.merge.bias"]),
        analysis_blocks=len(analysis),
        synthesis_blocks=len(synthesis),
        analysis_quality="analysis.1.quality.table" in tensors,
        latent_quality="analysis.offsets.0.table" in tensors,
        synthesis_quality=f"synthesis.{len(synthesis) // 2}.quality.table" in tensors,
        passes=len(passes),
        step_fraction=description["shifts"]["step"] + LATENT.frac - RESIDUAL_FRAC,
        early=passes[0][2] if len(passes) == 4 else 0,
    )


class _Reader:
    """Puts the integers of files into the layers of a model; the inverse of the export's writer."""

    def __init__(self, tensors: Arrays):
        self.tensors = tensors

    def _of(self, name: str) -> Tensor:
        return torch.from_numpy(self.tensors[name].astype(np.float64))

    def affine(
        self,
        name: str,
        layers: Sequence[Pointwise | Depthwise],
        rows: Tensor | None = None,
        cols: Tensor | None = None,
    ) -> None:
        """Fill layers that lie side by side in the file; ``rows`` and ``cols`` as the export took them."""
        weight, bias, shift = (self._of(f"{name}.{part}") for part in ("weight", "bias", "shift"))
        if rows is not None:
            back = rows.argsort()
            weight, bias, shift = weight[back], bias[back], shift[back]
        if cols is not None:
            weight = weight[:, cols.argsort()]
        start = 0
        for layer in layers:
            own = slice(start, start + len(layer.bias))
            scale = torch.exp2(-shift[own])
            unit = 2.0 ** (layer.src.frac - layer.dst.frac)
            layer.weight.copy_((weight[own] * scale[:, None] * unit).view_as(layer.weight))
            layer.bias.copy_(bias[own] * scale * 2.0**-layer.dst.frac)
            start = own.stop

    def quality(self, name: str, layer: QualityBias) -> None:
        """Fill the anchors of a bias by quality."""
        layer.table.copy_(anchors_of(self._of(name + ".table") * 2.0**-layer.dst.frac))

    def blocks(self, name: str, part: AnalysisTransform | SynthesisTransform) -> None:
        """Fill the residual blocks of a transform, and what tells them the quality."""
        for k, (bias, block) in enumerate(part.stages()):
            if bias is not None:
                self.quality(f"{name}.{k}.quality", bias)
            for layer in ("reduce", "spatial", "project", "expand", "contract"):
                self.affine(f"{name}.{k}.{layer}", [getattr(block, layer)])

    @torch.no_grad()
    def model(self, description: Mapping[str, Any]) -> ReferenceModel:
        """The whole model."""
        s = _sizes(self.tensors, description)
        model = ReferenceModel(s)
        hyper, analysis, synthesis = model.hyper, model.analysis, model.synthesis
        self.affine("hyper.expand", [hyper.expand])
        self.quality("hyper.quality", hyper.quality)
        self.affine("hyper.spread", [hyper.spread], rows=shuffled(16 * s.features, 4))
        self._contexts(model)
        self.affine("synthesis.first", [synthesis.first], rows=shuffled(4 * s.channels, 2))
        self.blocks("synthesis", synthesis)
        self.affine("synthesis.last", [synthesis.last], rows=shuffled(192, 8))
        self.affine("analysis.first", [analysis.first], cols=shuffled(192, 8))
        self.blocks("analysis", analysis)
        self.affine("analysis.last", [analysis.last], cols=shuffled(4 * s.channels, 2))
        for k, bias in enumerate(analysis.offsets):
            self.quality(f"analysis.offsets.{k}", bias)
        self._real(model)
        self._tables(model)
        return model

    def _contexts(self, model: ReferenceModel) -> None:
        for k, context in enumerate(model.context):
            name = f"context.{k}"
            if context.local:
                self.affine(f"{name}.embed", [context.embed])
                self.affine(f"{name}.spatial", [context.spatial])
            self.affine(f"{name}.merge", [context.merge])
            self.affine(f"{name}.mix", [context.mix])
            self.affine(f"{name}.heads", [context.index, context.mean])

    def _real(self, model: ReferenceModel) -> None:
        """The two float networks of the hyperprior's analysis transform."""
        hyper = model.hyper
        hidden, unit = 2.0**-HIDDEN.frac, 2.0**LATENT.frac
        cell = self._of("hyper_cells.0.weight") * hidden * unit
        hyper.cell.weight.copy_(cell.view_as(hyper.cell.weight))
        hyper.cell.bias.copy_(self._of("hyper_cells.0.bias") * hidden)
        shape = hyper.gather.weight.permute(0, 2, 3, 1).shape
        gather = self._of("hyper_blocks.0.weight") * 2.0**HIDDEN.frac
        hyper.gather.weight.copy_(gather.view(shape).permute(0, 3, 1, 2))
        assert hyper.gather.bias is not None
        hyper.gather.bias.copy_(self._of("hyper_blocks.0.bias"))
        code = self._of("hyper_blocks.1.weight") * 2.0**-HYPER.frac
        hyper.code.weight.copy_(code.view_as(hyper.code.weight))
        hyper.code.bias.copy_(self._of("hyper_blocks.1.bias") * 2.0**-HYPER.frac)

    def _tables(self, model: ReferenceModel) -> None:
        """Steps and scales, which are trained as logarithms."""
        step = self._of("step")
        unit = 2.0**-model.sizes.step_fraction
        model.log_step.copy_(anchors_of((step.clamp_min(0.5) * unit).log(), step >= TABLE_MAX))
        hyper_step = self._of("hyper_step").clamp_min(0.5) * 2.0**-HYPER_STEP_FRAC
        model.hyper_log_step.copy_(anchors_of(hyper_step.log()))
        model.hyper_log_scale.copy_(anchors_of(self._of("hyper_index") * SCALE_STEP + math.log(SCALE_MIN)))


def anchors_of(rows: Tensor, cut: Tensor | None = None) -> Tensor:
    """Anchors ``[ANCHORS, C]`` whose interpolation is nearest to the rows ``[64, C]`` of a table.

    Args:
        rows: of the table, float.
        cut: ``bool [64, C]``, entries that are the most that the table can hold: anchors may be beyond.
    """
    at = torch.arange(QUALITIES, dtype=torch.float64)
    basis = interpolate_anchors(torch.eye(ANCHORS, dtype=torch.float64), at)
    nearest, rows = torch.linalg.pinv(basis), rows.double()
    anchors = nearest @ rows
    if cut is not None:
        for _ in range(CUT_ROUNDS):
            anchors = nearest @ torch.where(cut, torch.maximum(basis @ anchors, rows), rows)
    return anchors
