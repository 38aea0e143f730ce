"""The decoder's model file: integers only, normative.

It is refused when any output channel could leave the bound of 2**24 (NETW-12).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sdc.networks.tensors import write_tensors

from ..model.entropy import Context
from ..model.initial import shuffled
from ..model.layers import HYPER, LATENT
from ..model.quantisation import RESIDUAL_FRAC
from ..model.reference import ReferenceModel
from .symbols import frequencies_of, gaussian_tables
from .writer import Ops, Writer


def _context(w: Writer, name: str, context: Context) -> Ops:
    local: Ops = []
    if context.local:
        local = w.affine(f"{name}.embed", [context.embed]) + w.affine(f"{name}.spatial", context.spatial)
    return [
        *local,
        {"op": "hyper"},
        *w.affine(f"{name}.merge", [context.merge]),
        *w.affine(f"{name}.mix", [context.mix]),
        *w.affine(f"{name}.heads", [context.index, context.mean]),
    ]


@torch.no_grad()
def decoder_file(
    model: ReferenceModel, name: str, probabilities: Sequence[Sequence[float]] | None = None
) -> bytes:
    """The normative model file; with tables of Gaussians unless it is given others.

    Raises:
        ValueError: a layer breaks the bound of 2**24 (NETW-12), or a table leaves its type.
    """
    s, w = model.sizes, Writer()
    hyper, synthesis = model.hyper, model.synthesis
    networks = {
        "hyper": [
            *w.affine("hyper.expand", [hyper.expand]),
            *w.quality("hyper.quality", hyper.quality),
            *w.affine("hyper.spread", [hyper.spread], rows=shuffled(16 * s.features, 4)),
            {"op": "shuffle", "factor": 4},
        ],
        **{f"context.{k}": _context(w, f"context.{k}", c) for k, c in enumerate(model.context)},
        "synthesis": [
            *w.affine("synthesis.first", [synthesis.first], rows=shuffled(4 * s.channels, 2)),
            {"op": "shuffle", "factor": 2},
            *w.blocks("synthesis", synthesis.stages()),
            *w.affine("synthesis.last", [synthesis.last], rows=shuffled(192, 8)),
            {"op": "shuffle", "factor": 8},
        ],
    }
    _add_tables(w, model, probabilities or gaussian_tables())
    step_shift = s.step_fraction + RESIDUAL_FRAC - LATENT.frac
    return write_tensors(
        w.tensors,
        {
            "profile": 1,
            "name": name,
            "latents": s.latents,
            "hyper": s.hyper,
            "passes": [list(p) for p in model.passes],
            "shifts": {"index": 3, "mean": 10, "step": step_shift, "hyper": 4},
            "ranges": {"latent": [LATENT.lo, LATENT.hi], "hyper": [HYPER.lo, HYPER.hi]},
            "networks": networks,
        },
    )


def _add_tables(w: Writer, model: ReferenceModel, probabilities: Sequence[Sequence[float]]) -> None:
    """Steps, scales and frequencies of symbols.

    Raises:
        ValueError: an entry does not fit the type of its table.
    """
    tables = {name: table.numpy() for name, table in model.tables().items()}
    for name, table in tables.items():
        w.tensors[name] = table.astype("u1" if name == "hyper_index" else "<i2")
        if not np.array_equal(table, w.tensors[name]):
            raise ValueError(f"table {name} leaves 16 bits: {table.min()} to {table.max()}")
    frequencies = [frequencies_of(mass) for mass in probabilities]
    w.tensors["reach"] = np.array([0, *((len(f) - 2) // 2 for f in frequencies)], "u1")
    w.tensors["frequency"] = np.concatenate([np.array(f) for f in frequencies]).astype("<i2")
