"""The synthetic restoration model, number 3 of the registry: it belongs to the synthetic model 0.

It restores nothing, but uses every operator that Profile 2 has, and reaches their clamps.
``python -m sdc.testing.synthetic_restoration`` writes its file.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ..networks.registry import models_folder
from ..networks.tensors import write_tensors
from ..types import Array
from .synthetic import LATENTS, Generator, synthetic_model_file

NUMBER = 3
VECTOR, FEATURES, CHANNELS = 4, 6, 6
SEED = 20260002


class Layers:
    """Makes operators and the tensors that belong to them.

    Args:
        generator: of all numbers.
        features: of a group's condition.
    """

    def __init__(self, generator: Generator, features: int):
        self.generator = generator
        self.features = features
        self.tensors: dict[str, Array] = {}

    def affine(
        self, name: str, out: int, fan_in: int, peak: int, bias: int, shift: int, low: int | None = None
    ) -> None:
        """Tensors of a layer, with biases of ``low`` (or ``-bias``) up to ``bias`` and three shifts."""
        draw = self.generator.array
        self.tensors[name + ".weight"] = draw((out, fan_in), -peak, peak, "<i2")
        self.tensors[name + ".bias"] = draw((out,), -bias if low is None else low, bias, "<i4")
        self.tensors[name + ".shift"] = draw((out,), shift, shift + 2, "u1")

    def pointwise(
        self,
        name: str,
        out: int,
        fan_in: int,
        peak: int,
        bias: int,
        shift: int,
        clamp: list[int],
        low: int | None = None,
    ) -> dict[str, Any]:
        """The operator of this name."""
        self.affine(name, out, fan_in, peak, bias, shift, low)
        return {"op": "pointwise", "name": name, "clamp": clamp}

    def depthwise(
        self, name: str, channels: int, peak: int, bias: int, shift: int, clamp: list[int]
    ) -> dict[str, Any]:
        """The operator of this name."""
        self.affine(name, channels, 9, peak, bias, shift)
        return {"op": "depthwise", "name": name, "clamp": clamp}

    def quality(self, name: str, channels: int, peak: int, clamp: list[int]) -> dict[str, Any]:
        """The operator of this name."""
        self.tensors[name + ".table"] = self.generator.array((64, channels), -peak, peak, "<i2")
        return {"op": "quality", "name": name, "clamp": clamp}

    def modulate(self, name: str, channels: int, shift: int, clamp: list[int]) -> dict[str, Any]:
        """The operator of this name; a gain of ``2**shift`` would be one."""
        one = 1 << shift
        self.affine(name + ".gain", channels, self.features, one // 12, 80 * one, 5, 20 * one)
        self.affine(name + ".offset", channels, self.features, 20, 3000, 5)
        self.tensors[name + ".shift"] = self.generator.array((channels,), shift, shift + 1, "u1")
        return {
            "op": "modulate",
            "name": name,
            "gain": [one // 4, one + one // 4],
            "offset": [-50, 31],
            "clamp": clamp,
        }


def synthetic_restoration_file() -> bytes:
    """The model file; the same bytes every time."""
    layers = Layers(Generator(SEED), FEATURES)
    signed, positive = [-2048, 2047], [0, 2047]
    networks = {
        "derive": [
            layers.pointwise("derive.0", FEATURES, LATENTS, 250, 4000, 6, signed),
            layers.depthwise("derive.1", FEATURES, 250, 4000, 7, signed),
            {"op": "pool"},
            layers.quality("derive.2", FEATURES, 300, signed),
            layers.pointwise("derive.3", VECTOR, FEATURES, 90, 4000, 9, [-128, 127]),
        ],
        "condition": [
            layers.pointwise("condition.0", FEATURES, VECTOR, 400, 40000, 8, [0, 300]),
        ],
        "restore": [
            layers.pointwise("restore.0", 16 * CHANNELS, LATENTS, 250, 4000, 6, signed),
            {"op": "shuffle", "factor": 4},
            layers.modulate("restore.1", CHANNELS, 8, signed),
            {"op": "push"},
            layers.pointwise("restore.2", CHANNELS, CHANNELS, 250, 9000, 7, positive),
            layers.depthwise("restore.3", CHANNELS, 300, 4000, 7, signed),
            layers.modulate("restore.4", CHANNELS, 9, signed),
            {"op": "add", "clamp": signed},
            layers.quality("restore.5", CHANNELS, 200, signed),
            layers.pointwise("restore.6", 48, CHANNELS, 40, 65535, 7, [-300, 550], low=0),
            {"op": "shuffle", "factor": 4},
            layers.modulate("restore.7", 3, 7, [0, 255]),
        ],
    }
    description = {
        "profile": 2,
        "name": "SDC synthetic restoration",
        "base": {"model": 0, "sha256": hashlib.sha256(synthetic_model_file()).hexdigest()},
        "latents": LATENTS,
        "vector": VECTOR,
        "ranges": {"latent": signed},
        "networks": networks,
    }
    return write_tensors(layers.tensors, description)


if __name__ == "__main__":
    models_folder().mkdir(exist_ok=True)
    (models_folder() / f"sdc-model-{NUMBER}.safetensors").write_bytes(synthetic_restoration_file())
