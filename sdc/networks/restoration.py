"""Restoration models: what makes restored samples of a model's latents (spec section "Profile 2")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from ..errors import SdcError
from ..types import Array
from .network import Network, check_network, check_pixels, networks_of
from .operators import Clamped, Pool
from .profile import LARGEST_VECTOR, VECTOR_RANGE
from .tensors import MALFORMED, clamp_pair, model_error, read_tensors, whole_number


@dataclass(frozen=True, eq=False)
class RestorationModel:
    """A restoration model, which belongs to one model that decodes.

    Attributes:
        sha256: of the file, in hex.
        base: number and SHA-256 of the model that it belongs to.
        latents: M, channels of a cell; ``latent_range`` their clamp.
        vector: V, values of a group's vector.
        derive: from a group's latents at its cells, to be pooled.
        derived: from there to the vector, at one site for the group.
        condition: from a vector to the features of a group.
        restore: from latents and features to samples.
        none: the vector that changes nothing, if the file says which; half-way to it is half the strength.
        degradations: from a vector to strengths in 1/255, at one site for the group; empty where the file
            has none.  For encoders: no decoder needs it.
        kinds: their numbers in the registry.
    """

    name: str
    number: int
    sha256: str
    base: tuple[int, str]
    latents: int
    latent_range: tuple[int, int]
    vector: int
    derive: Network
    derived: Network
    condition: Network
    restore: Network
    none: tuple[int, ...] | None = None
    degradations: Network = ()
    kinds: tuple[int, ...] = ()

    @property
    def weights(self) -> bytes:
        """First 4 bytes of the hash, as REST holds them."""
        return bytes.fromhex(self.sha256[:8])


def parse_restoration(data: bytes, number: int, sha256: str | None = None) -> RestorationModel:
    """Read and check a restoration model's file.

    Args:
        sha256: of the file, in hex, from a caller who has it.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    try:
        model = _read(tensors, description, number, sha256 or hashlib.sha256(data).hexdigest())
        _check(model)
    except MALFORMED as error:
        raise model_error(f"not described as it must be ({type(error).__name__}: {error})") from None
    return model


def _read(
    tensors: dict[str, Array], description: dict[str, Any], number: int, sha256: str
) -> RestorationModel:
    """The model as its file describes it."""
    if whole_number(description["profile"]) != 2:
        raise model_error(f"profile {description['profile']} is not known")
    base = description["base"]
    if not re.fullmatch("[0-9a-f]{64}", base["sha256"]):
        raise model_error("not a SHA-256 in 64 lower-case hexadecimal digits", "base.sha256")
    if not 0 <= whole_number(base["model"]) < 1 << 32:
        raise model_error("not the number of a model", "base.model")
    networks = networks_of(tensors, description, ["derive", "condition", "restore"])
    derive = networks["derive"]
    pools = [k for k, op in enumerate(derive) if isinstance(op, Pool)]
    if len(pools) != 1:
        raise model_error("wants one pool", "derive")
    name = description.get("name")
    size = whole_number(description["vector"])
    return RestorationModel(
        name if isinstance(name, str) else "",
        number,
        sha256,
        (base["model"], base["sha256"]),
        whole_number(description["latents"]),
        clamp_pair(description["ranges"]["latent"]),
        size,
        derive[: pools[0]],
        derive[pools[0] + 1 :],
        networks["condition"],
        networks["restore"],
        _none(description.get("none"), size),
        *_degradations(tensors, description, size),
    )


def _none(values: Any, size: int) -> tuple[int, ...] | None:
    """The vector that changes nothing; what is none, in a key that decoders ignore, is as if not there."""
    low, high = VECTOR_RANGE
    right = isinstance(values, list) and all(type(v) is int and low <= v <= high for v in values)
    return tuple(values) if right and len(values) == size else None


def _degradations(
    tensors: dict[str, Array], description: dict[str, Any], size: int
) -> tuple[Network, tuple[int, ...]]:
    """The network that names degradations, and their kinds; empty where there is none that could be run."""
    kinds = description.get("degradations")
    if not isinstance(kinds, list) or not all(type(kind) is int and 1 <= kind <= 255 for kind in kinds):
        return (), ()
    try:
        network = networks_of(tensors, description, ["degradations"])["degradations"]
        channels, _ = check_network("condition", network, size, -VECTOR_RANGE[0])
    except SdcError:
        return (), ()
    return (network, tuple(kinds)) if channels == len(kinds) == len(set(kinds)) else ((), ())


def _check(model: RestorationModel) -> None:
    """Check that the networks fit together (RMOD-04 to RMOD-12)."""
    if model.latents < 1 or not 1 <= model.vector <= LARGEST_VECTOR:
        raise model_error(f"a model has at least one latent, and a vector of 1 to {LARGEST_VECTOR} values")
    peak = max(map(abs, model.latent_range))
    pooled = check_network("derive", model.derive, model.latents, peak)
    low, high = VECTOR_RANGE
    last = model.derived[-1] if model.derived else None
    if not isinstance(last, Clamped) or last.clamp[0] < low or last.clamp[1] > high:
        raise model_error(f"does not end in an operator with a clamp within {low} to {high}", "derive")
    if check_network("derived", model.derived, *pooled)[0] != model.vector:
        raise model_error(f"does not end in {model.vector} channels", "derive")
    features = check_network("condition", model.condition, model.vector, -low)
    if check_network("restore", model.restore, model.latents, peak, condition=features)[0] != 3:
        raise model_error("the restoration does not end in three channels", "restore")
    check_pixels("restore", model.restore)
