"""Models: tables and networks of decoder and encoder (spec section "Models and integer networks")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..types import Array
from .network import Network, check_network, networks_of, sees_latents, shuffle_factors
from .operators import Clamped, Shuffle
from .profile import QUALITIES, SCALES, TABLE_TYPES
from .tensors import MALFORMED, check_types, clamp_pair, model_error, read_tensors, whole_number


@dataclass(frozen=True, eq=False)
class Model:
    """A decoder's model.

    Attributes:
        latents: M, channels of a cell.
        hyper: K, channels of a hyper vector.
        passes: ``(parity, first channel, past last channel)`` in coding order.
        shifts: of ``index``, ``mean``, ``step`` and ``hyper``.
        latent_range, hyper_range: clamps of dequantised values.
        step, inverse, offset: ``int64 [64, M]``.
        hyper_step, hyper_index: ``int64 [64, K]``.
        reach: ``int64 [64]`` largest residual without an escape, per scale index.
        frequencies: per scale index, ``int64 [2 * reach + 2]``; empty for index 0.
        sha256: of the file, in hex.
    """

    name: str
    number: int
    sha256: str
    latents: int
    hyper: int
    passes: tuple[tuple[int, int, int], ...]
    shifts: dict[str, int]
    latent_range: tuple[int, int]
    hyper_range: tuple[int, int]
    networks: dict[str, Network]
    step: Array
    inverse: Array
    offset: Array
    hyper_step: Array
    hyper_index: Array
    reach: Array
    frequencies: tuple[Array, ...]

    @property
    def weights(self) -> bytes:
        """First 4 bytes of the hash, as HEAD holds them."""
        return bytes.fromhex(self.sha256[:8])


def _quality_tables(tensors: dict[str, Array], m: int, k: int) -> dict[str, Array]:
    """Tables by quality, checked for shape and range (MODL-04)."""
    largest = {
        "step": 16383,
        "inverse": 32767,
        "offset": 32767,
        "hyper_step": 16383,
        "hyper_index": SCALES - 1,
    }
    out = {}
    for name, high in largest.items():
        table = tensors[name].astype(np.int64)
        if table.shape != (QUALITIES, k if name.startswith("hyper") else m):
            raise model_error("the table has another shape", name)
        if table.max() > high or (name != "offset" and table.min() < 0):
            raise model_error("a table entry is out of range", name)
        out[name] = table
    return out


def _frequencies(tensors: dict[str, Array]) -> tuple[Array, ...]:
    """Frequencies by scale index, checked (MODL-02); that of index 0 is empty."""
    reaches, flat = tensors["reach"].tolist(), tensors["frequency"].astype(np.int64)
    if len(reaches) != SCALES or max(reaches[1:]) > 127 or sum(2 * r + 2 for r in reaches[1:]) != len(flat):
        raise model_error("symbol tables do not fit")
    out, at = [np.zeros(0, np.int64)], 0
    for t, r in enumerate(reaches[1:], 1):
        table = flat[at : at + 2 * r + 2]
        if table.min() < 1 or table.sum() != 1 << 15:
            raise model_error("frequencies must be at least 1 and sum to 2^15", f"scale index {t}")
        out.append(table)
        at += len(table)
    return tuple(out)


def _check_model(model: Model) -> None:
    """Check that passes and networks fit together (MODL-03, NETW-10 to NETW-15)."""
    m, networks = model.latents, model.networks
    for name, network in networks.items():
        if not network:
            raise model_error("the network has no operator", name)
    latent_peak = max(map(abs, model.latent_range))
    if m < 1 or model.hyper < 1:
        raise model_error("a model has at least one latent and one hyper channel")
    features = check_network("hyper", networks["hyper"], model.hyper, max(map(abs, model.hyper_range)))
    if shuffle_factors(networks["hyper"]) != [4] or any(op.radius for op in networks["hyper"]):
        raise model_error("the hyper network must have one shuffle, of 4, and no depthwise layer", "hyper")
    coded: dict[int, set[int]] = {0: set(), 1: set()}
    for i, (parity, a, b) in enumerate(model.passes):
        name = f"context.{i}"
        start = (m, latent_peak) if sees_latents(networks[name]) else (0, 0)
        out, _ = check_network(name, networks[name], *start, features)
        if parity not in coded or not 0 <= a < b <= m or coded[parity] & set(range(a, b)):
            raise model_error("a coding pass has no parity or channels of its own", f"passes[{i}]")
        if shuffle_factors(networks[name]) or out != 2 * (b - a):
            raise model_error("a coding pass does not fit its network", f"passes[{i}]")
        coded[parity] |= set(range(a, b))
    if coded[0] != set(range(m)) or coded[1] != coded[0]:
        raise model_error("the coding passes leave channels out")
    synthesis = networks["synthesis"]
    if check_network("synthesis", synthesis, m, latent_peak)[0] != 3:
        raise model_error("the synthesis does not end in three channels", "synthesis")
    factors = shuffle_factors(synthesis)
    if len(factors) != 2 or factors[0] * factors[1] != 16 or not isinstance(synthesis[-1], Shuffle):
        raise model_error("the synthesis must have two shuffles that make 16, one of them last", "synthesis")
    pixels = synthesis[-2]
    if not isinstance(pixels, Clamped) or pixels.clamp != (0, 255):
        raise model_error("the synthesis does not end in bytes", "synthesis")


def parse_model(data: bytes, number: int, sha256: str | None = None) -> Model:
    """Read and check a decoder's model file.

    Args:
        sha256: of the file, in hex, from a caller who has it.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    try:
        if whole_number(description["profile"]) != 1:
            raise model_error(f"profile {description['profile']} is not known")
        m, k = whole_number(description["latents"]), whole_number(description["hyper"])
        passes = tuple(
            (whole_number(p), whole_number(a), whole_number(b)) for p, a, b in description["passes"]
        )
        shifts = {n: whole_number(description["shifts"][n]) for n in ("index", "mean", "step", "hyper")}
        if min(shifts.values()) < 1 or max(shifts.values()) > 24:
            raise model_error("a shift outside 1 to 24")
        contexts = [f"context.{i}" for i in range(len(passes))]
        name = description.get("name")
        check_types(tensors, TABLE_TYPES)
        model = Model(
            name if isinstance(name, str) else "",
            number,
            sha256 or hashlib.sha256(data).hexdigest(),
            m,
            k,
            passes,
            shifts,
            clamp_pair(description["ranges"]["latent"]),
            clamp_pair(description["ranges"]["hyper"]),
            networks_of(tensors, description, ["hyper", "synthesis", *contexts]),
            **_quality_tables(tensors, m, k),
            reach=tensors["reach"].astype(np.int64),
            frequencies=_frequencies(tensors),
        )
        _check_model(model)
    except MALFORMED as error:
        raise model_error(f"not described as it must be ({type(error).__name__}: {error})") from None
    return model


ENCODER_NETWORKS = ["analysis", "hyper_cells", "hyper_blocks"]
LARGEST_ERROR_WEIGHT = 1000.0
LARGEST_FEATURE_WEIGHT = 100000.0


@dataclass(frozen=True, eq=False)
class Encoder:
    """What encodes for a model.

    Attributes:
        networks: ``analysis``, ``hyper_cells`` and ``hyper_blocks``.
        error_weights: how much distortion counts in the search at qualities 0 and 63, relative to its
            ordinary weight (:mod:`sdc.codec.search`); other than 1 for a model that was trained with others.
        feature_weights: weights, at qualities 0 and 63, of the distance of features that counts in the search
            beside squared error (:mod:`sdc.codec.features`);
            ``None`` where features do not count.
    """

    networks: dict[str, Network]
    error_weights: tuple[float, float] = (1.0, 1.0)
    feature_weights: tuple[float, float] | None = None
