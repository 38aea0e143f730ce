"""Private restoration models of the second model, unlike the synthetic one in what Profile 2 leaves open.

There is no operator in ``condition``, the shuffles are of 8 and 2, a ``modulate`` stands in front of all,
and none at the pixels.
"""

from __future__ import annotations

import hashlib

from sdc.networks.tensors import write_tensors
from sdc.testing.synthetic import Generator
from sdc.testing.synthetic_restoration import Layers

from .second_model import LATENTS as M
from .second_model import NUMBER as BASE
from .second_model import second_model_file

NUMBER, WRONG = 16777295, 16777296
VECTOR = 3
RANGE = [-20000, 19000]


def second_restoration_file(latent_range: list[int] = RANGE) -> bytes:
    """The model file; the same bytes every time.

    Args:
        latent_range: that of the second model in a right file.
    """
    layers = Layers(Generator(78), VECTOR)
    wide = [-1500, 1400]
    networks = {
        "derive": [
            {"op": "push"},
            layers.pointwise("d.first", M, M, 60, 9000, 8, wide),
            {"op": "add", "clamp": [-30000, 30000]},
            {"op": "pool"},
            layers.pointwise("d.last", VECTOR, M, 60, 9000, 9, wide),
            {"op": "push"},
            layers.quality("d.quality", VECTOR, 90, wide),
            {"op": "add", "clamp": [-120, 127]},
        ],
        "condition": [],
        "restore": [
            layers.modulate("r.cells", M, 7, [-1999, 1998]),
            layers.pointwise("r.first", 192, M, 90, 9000, 6, wide),
            {"op": "shuffle", "factor": 8},
            layers.depthwise("r.taps", 3, 90, 9000, 6, wide),
            layers.modulate("r.sites", 3, 6, wide),
            layers.pointwise("r.last", 12, 3, 40, 60000, 8, [0, 255]),
            {"op": "shuffle", "factor": 2},
        ],
    }
    description = {
        "profile": 2,
        "name": "private, for vectors",
        "base": {"model": BASE, "sha256": hashlib.sha256(second_model_file()).hexdigest()},
        "latents": M,
        "vector": VECTOR,
        "ranges": {"latent": latent_range},
        "networks": networks,
    }
    return write_tensors(layers.tensors, description)
