"""Model files of Profile 2: the base's synthesis as it stands in its file, and what opens within it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from sdc.networks.restoration import parse_restoration
from sdc.networks.tensors import read_tensors, write_tensors

from ..export.writer import Ops, Writer
from ..model.layers import LATENT, STREAM
from .degradations import KINDS
from .network import FINE_EVERY, GAIN, POOLED, Mixer, Modulation, RestorationNetwork, Taps

ADD = {"op": "add", "clamp": [STREAM.lo, STREAM.hi]}
PUSH = {"op": "push"}


class RestorationWriter(Writer):
    """A writer that knows what restores, too."""

    def modulate(self, name: str, layer: Modulation) -> Ops:
        """A modulation."""
        self.affine(f"{name}.gain", [layer.gain])
        self.affine(f"{name}.offset", [layer.offset])
        self.tensors[f"{name}.shift"] = torch.full_like(layer.gain.bias, GAIN.frac).numpy().astype("u1")
        values = layer.values
        return [
            {
                "op": "modulate",
                "name": name,
                "gain": [GAIN.lo, GAIN.hi],
                "offset": [values.lo, values.hi],
                "clamp": [values.lo, values.hi],
            }
        ]

    def taps(self, name: str, part: Taps) -> Ops:
        """A residual of taps."""
        return [
            PUSH,
            *self.affine(f"{name}.reduce", [part.reduce]),
            *self.modulate(f"{name}.gate", part.gate),
            *self.affine(f"{name}.spatial", part.spatial),
            *self.affine(f"{name}.project", [part.project]),
            ADD,
        ]

    def mixer(self, name: str, part: Mixer) -> Ops:
        """A residual without taps."""
        return [
            PUSH,
            *self.affine(f"{name}.expand", [part.expand]),
            *self.modulate(f"{name}.gate", part.gate),
            *self.affine(f"{name}.contract", [part.contract]),
            ADD,
        ]


def block_starts(ops: Ops) -> list[int]:
    """Where the blocks of a synthesis begin in the list of its operators."""
    starts: list[int] = []
    while True:
        name = f"synthesis.{len(starts)}."
        found = [k for k, op in enumerate(ops) if op.get("name") in (name + "quality", name + "reduce")]
        if not found:
            return starts
        # In front of the first layer, what is remembered.
        starts.append(found[0] if ops[found[0]]["op"] == "quality" else found[0] - 1)


@torch.no_grad()
def restoration_file(network: RestorationNetwork, name: str, number: int, base: Path) -> bytes:
    """The model file.

    Beside what Profile 2 asks for it has the network ``degradations``, from a vector to the strength of each
    kind in 1/255, whose numbers the description lists; no decoder looks at it.

    Args:
        network: trained.
        name: that the file gives itself.
        number: of the base.
        base: its file.

    Raises:
        ValueError: a layer breaks the bound of 2**24 (NETW-12).
        SdcError: ``E_MODEL_FILE``, where the networks are no restoration model.
    """
    data = base.read_bytes()
    tensors, about = read_tensors(data)
    w, s = RestorationWriter(), network.sizes
    w.tensors |= {key: value for key, value in tensors.items() if key.startswith("synthesis.")}
    derive = network.derive
    restore: Ops = w.modulate("tone", network.tone)
    for k, (taps, mixer) in enumerate(zip(network.taps, network.mixers, strict=True)):
        restore += w.taps(f"taps.{k}", taps) + w.mixer(f"mixers.{k}", mixer)
    ops: Ops = about["networks"]["synthesis"]
    starts = block_starts(ops)
    restore += ops[: starts[0]]
    for k, (start, end) in enumerate(zip(starts, [*starts[1:], len(ops)], strict=True)):
        if k % FINE_EVERY == 0:
            place = k // FINE_EVERY
            restore += w.modulate(f"tones.{place}", network.tones[place])
            restore += w.taps(f"fine.{place}", network.fine[place])
        restore += ops[start:end]
    networks = {
        "derive": [
            *w.affine("derive.first", [derive.first]),
            *w.affine("derive.spatial", derive.spatial),
            *w.affine("derive.second", [derive.second]),
            {"op": "pool"},
            *w.quality("derive.quality", derive.quality),
            PUSH,
            *w.affine("derive.expand", [derive.expand]),
            *w.affine("derive.contract", [derive.contract]),
            {"op": "add", "clamp": [POOLED.lo, POOLED.hi]},
            *w.affine("derive.last", [derive.last]),
            *w.affine("derive.apart", [derive.apart]),
            *w.affine("derive.joined", [derive.joined]),
        ],
        "condition": w.affine("condition", [network.condition]),
        "restore": restore,
        "degradations": w.affine("degradations", [network.kinds]),
    }
    out = write_tensors(
        w.tensors,
        {
            "profile": 2,
            "name": name,
            "base": {"model": number, "sha256": hashlib.sha256(data).hexdigest()},
            "latents": s.latents,
            "vector": s.vector,
            "ranges": {"latent": [LATENT.lo, LATENT.hi]},
            "none": [0] * s.vector,
            "degradations": list(KINDS.values()),
            "networks": networks,
        },
    )
    parse_restoration(out, 0)  # proves the bound
    return out
