"""The encoder's file of a model: the analysis transform in integers, and two small networks of floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sdc.networks.tensors import write_tensors

from ..model.initial import shuffled
from ..model.layers import HIDDEN, HYPER, LATENT
from ..model.reference import ReferenceModel
from .writer import Ops, Writer


@torch.no_grad()
def encoder_file(
    model: ReferenceModel,
    name: str,
    error_weights: Sequence[float] | None = None,
    feature_weights: Sequence[float] | None = None,
) -> bytes:
    """What encodes for a model; not normative.

    Args:
        error_weights: how much distortion counts in the search, at qualities 0 and 63
            (:class:`sdc.networks.model.Encoder`).
        feature_weights: how much the features of images count in it.
    """
    s, w = model.sizes, Writer()
    analysis = model.analysis
    cells, blocks = _hyper_networks(w, model)
    networks = {
        "analysis": [
            *w.affine("analysis.first", [analysis.first], cols=shuffled(192, 8)),
            *w.blocks("analysis", analysis.stages()),
            {"op": "unshuffle", "factor": 2},
            *w.affine("analysis.last", [analysis.last], cols=shuffled(4 * s.channels, 2)),
            *(
                op
                for k, bias in enumerate(analysis.offsets)
                for op in w.quality(f"analysis.offsets.{k}", bias)
            ),
        ],
        "hyper_cells": cells,
        "hyper_blocks": blocks,
    }
    description: dict[str, Any] = {"profile": 1, "name": name + " encoder"}
    if error_weights is not None:
        description["error_weights"] = list(error_weights)
    if feature_weights is not None:
        description["feature_weights"] = list(feature_weights)
    return write_tensors(w.tensors, description | {"networks": networks})


def _hyper_networks(w: Writer, model: ReferenceModel) -> tuple[Ops, Ops]:
    """The two networks of the hyperprior's analysis transform, in floating point.

    They take and give integers, so weights are scaled at either end.
    """
    cell, gather, code = model.hyper.cell, model.hyper.gather, model.hyper.code
    wide = 1 << 30
    cell_weight = cell.weight * 2.0**-LATENT.frac * 2.0**HIDDEN.frac
    gather_weight = gather.weight.permute(0, 2, 3, 1).flatten(1) * 2.0**-HIDDEN.frac
    assert gather.bias is not None
    return w.real("hyper_cells.0", cell_weight, cell.bias * 2.0**HIDDEN.frac, [0, HIDDEN.hi]), [
        *w.real("hyper_blocks.0", gather_weight, gather.bias, [0, wide]),
        *w.real("hyper_blocks.1", code.weight * 2.0**HYPER.frac, code.bias * 2.0**HYPER.frac, [-wide, wide]),
    ]
