"""Model files and the registry of models (spec section "Models and integer networks").

A model file is a safetensors file whose metadata holds one JSON string under ``sdc``.
The reader below takes what it needs of that format: a length, a JSON header, raw tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .container import Head
from .errors import SdcError, spec_data
from .network import Array, Network, Op

QUALITIES = 64
SCALES = 64
PRIVATE = 1 << 24
"""Models from this number on are private: the registry does not know their weights."""

BOUND = 1 << 24
MALFORMED = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What reading a description that is not as it must be can raise."""

DTYPES = {"U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4", "F16": "<f2", "F32": "<f4"}


def _bad(message: str, where: str = "") -> SdcError:
    return SdcError("E_MODEL_FILE", message, where)


def read_tensors(data: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a safetensors file.

    Args:
        data: the file's bytes.

    Returns:
        ``(tensors, description)``; the description is the JSON of the metadata key ``sdc``.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        if len(data) < 8 or size > len(data) - 8:
            raise _bad("the header is cut off")
        header = json.loads(data[8 : 8 + size].decode("utf-8"))
        description = json.loads(header.pop("__metadata__")["sdc"])
        body = data[8 + size :]
        tensors: dict[str, Array] = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                continue  # nothing of ours has another type
            dtype = np.dtype(DTYPES[entry["dtype"]])
            start, end = entry["data_offsets"]
            shape = tuple(entry["shape"])
            if not 0 <= start <= end <= len(body) or end - start != dtype.itemsize * int(
                np.prod(shape, dtype=np.int64)
            ):
                raise _bad("the tensor lies outside the file", name)
            tensors[name] = np.frombuffer(body[start:end], dtype).reshape(shape)
    except MALFORMED as error:
        raise _bad(f"not a model file ({type(error).__name__}: {error})") from None
    return tensors, description


def _int(value: Any) -> int:
    """A number of the description, which must be written as an integer."""
    if type(value) is not int:
        raise _bad(f"{value!r} is not an integer")
    return value


def _pair(value: Any) -> tuple[int, int]:
    """The two ends of a clamp or range (MODL-04)."""
    low, high = (_int(v) for v in value)
    if not -32768 <= low <= high <= 32767:
        raise _bad(f"a clamp or range of {value}")
    return low, high


def write_tensors(tensors: dict[str, Array], description: dict[str, Any]) -> bytes:
    """Bytes of a safetensors file; the same tensors always give the same bytes."""
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": {"sdc": json.dumps(description, separators=(",", ":"))}}
    body = b""
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name]).tobytes()
        header[name] = {
            "dtype": names[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def _typed(tensors: dict[str, Array], types: dict[str, str]) -> None:
    """Check the types of tensors (MODL-01)."""
    for name, dtype in types.items():
        if tensors[name].dtype != np.dtype(dtype):
            raise _bad(f"the tensor has type {tensors[name].dtype}", name)


TABLE_TYPES = {
    "step": "<i2",
    "inverse": "<i2",
    "offset": "<i2",
    "hyper_step": "<i2",
    "hyper_index": "u1",
    "reach": "u1",
    "frequency": "<i2",
}


def _operator(row: dict[str, Any], tensors: dict[str, Array]) -> Op:
    kind, part = row["op"], row.get("name", "")
    if kind in ("pointwise", "depthwise"):
        shift = tensors.get(part + ".shift")
        weight, bias = tensors[part + ".weight"], tensors[part + ".bias"]
        if shift is None:  # a float layer, which only encoders have
            low, high = (_int(v) for v in row["clamp"])
            return Op(kind, (low, high), weight, bias)
        _typed(tensors, {part + ".weight": "<i2", part + ".bias": "<i4", part + ".shift": "u1"})
        return Op(kind, _pair(row["clamp"]), weight, bias, shift)
    if kind == "quality":
        _typed(tensors, {part + ".table": "<i2"})
        return Op(kind, _pair(row["clamp"]), table=tensors[part + ".table"])
    if kind in ("shuffle", "unshuffle"):
        if not 1 <= _int(row["factor"]) <= 16:
            raise _bad(f"a factor of {row['factor']}")
        return Op(kind, factor=row["factor"])
    if kind == "add":
        return Op(kind, _pair(row["clamp"]))
    if kind in ("push", "hyper"):
        return Op(kind)
    raise _bad(f"unknown operator {kind}")


def networks_of(
    tensors: dict[str, Array], description: dict[str, Any], names: Iterable[str]
) -> dict[str, Network]:
    """Networks of a model file, with their tensors.

    Args:
        names: of the networks wanted; others are ignored (MODL-08).

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    try:
        return {
            name: tuple(_operator(row, tensors) for row in description["networks"][name]) for name in names
        }
    except MALFORMED as error:
        raise _bad(f"networks are not described as they must be ({type(error).__name__}: {error})") from None


def check_network(
    name: str, network: Network, channels: int, peak: int, hyper: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    """Check shapes and the 2**24 bound of an integer network (NETW-12).

    Args:
        channels, peak: of the input: how many, and their largest magnitude.
        hyper: the same of the hyper features.

    Returns:
        ``(channels, peak)`` of the output.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    stack: list[tuple[int, int]] = []
    factor = 1
    for k, op in enumerate(network):
        where = f"{name}[{k}]"
        if op.kind in ("pointwise", "depthwise"):
            assert op.weight is not None and op.bias is not None
            out = op.weight.shape[0]
            fan_in = channels if op.kind == "pointwise" else 9
            if (
                op.shift is None
                or op.weight.shape != (out, fan_in)
                or op.bias.shape != (out,)
                or op.shift.shape != (out,)
            ):
                raise _bad(f"shapes do not fit {channels} channels", where)
            if op.kind == "depthwise" and out != channels:
                raise _bad(f"{out} filters for {channels} channels", where)
            shift = op.shift.astype(np.int64)
            if shift.min() < 1 or shift.max() > 24:
                raise _bad("a shift outside 1 to 24", where)
            total = np.abs(op.weight.astype(np.int64)).sum(1) * peak
            total += np.abs(op.bias.astype(np.int64)) + (np.int64(1) << shift - 1)
            if int(total.max()) >= BOUND:
                raise _bad(f"channel {int(total.argmax())} can reach {int(total.max())}, beyond 2^24", where)
            channels = out
        elif op.kind == "quality":
            assert op.table is not None
            if op.table.shape != (QUALITIES, channels):
                raise _bad("the quality table does not fit", where)
        elif op.kind == "shuffle":
            if channels % op.factor**2:
                raise _bad("channels cannot be shuffled", where)
            channels //= op.factor**2
            factor *= op.factor
        elif op.kind == "unshuffle" and name == "analysis":
            channels *= op.factor**2
        elif op.kind == "hyper" and name.startswith("context") and factor == 1:
            channels, peak = channels + hyper[0], max(peak, hyper[1])
        elif op.kind == "push":
            stack.append((channels, factor))
        elif op.kind == "add":
            if not stack or stack.pop() != (channels, factor):
                raise _bad("nothing of that width to add", where)
        else:
            raise _bad(f"operator {op.kind} may not stand here", where)
        if op.kind in ("pointwise", "depthwise", "quality", "add"):
            peak = max(abs(op.clamp[0]), abs(op.clamp[1]))
    if stack:
        raise _bad("something remembered is never added", name)
    return channels, peak


def _factors(network: Network) -> list[int]:
    return [op.factor for op in network if op.kind == "shuffle"]


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
            raise _bad("the table has another shape", name)
        if table.max() > high or (name != "offset" and table.min() < 0):
            raise _bad("a table entry is out of range", name)
        out[name] = table
    return out


def _frequencies(tensors: dict[str, Array]) -> tuple[Array, ...]:
    """Frequencies by scale index, checked (MODL-02); that of index 0 is empty."""
    reaches, flat = tensors["reach"].tolist(), tensors["frequency"].astype(np.int64)
    if len(reaches) != SCALES or max(reaches[1:]) > 127 or sum(2 * r + 2 for r in reaches[1:]) != len(flat):
        raise _bad("symbol tables do not fit")
    out, at = [np.zeros(0, np.int64)], 0
    for t, r in enumerate(reaches[1:], 1):
        table = flat[at : at + 2 * r + 2]
        if table.min() < 1 or table.sum() != 1 << 15:
            raise _bad("frequencies must be at least 1 and sum to 2^15", f"scale index {t}")
        out.append(table)
        at += len(table)
    return tuple(out)


def _check_model(model: Model) -> None:
    """Check that passes and networks fit together (MODL-03, NETW-10 to NETW-14)."""
    m, networks = model.latents, model.networks
    latent_peak = max(map(abs, model.latent_range))
    if m < 1 or model.hyper < 1:
        raise _bad("a model has at least one latent and one hyper channel")
    features = check_network("hyper", networks["hyper"], model.hyper, max(map(abs, model.hyper_range)))
    if _factors(networks["hyper"]) != [4] or any(op.kind == "depthwise" for op in networks["hyper"]):
        raise _bad("the hyper network must have one shuffle, of 4, and no depthwise layer", "hyper")
    coded: dict[int, set[int]] = {0: set(), 1: set()}
    for i, (parity, a, b) in enumerate(model.passes):
        name = f"context.{i}"
        start = (0, 0) if networks[name][0].kind == "hyper" else (m, latent_peak)
        out, _ = check_network(name, networks[name], *start, features)
        if parity not in coded or not 0 <= a < b <= m or coded[parity] & set(range(a, b)):
            raise _bad("a coding pass has no parity or channels of its own", f"passes[{i}]")
        if _factors(networks[name]) or out != 2 * (b - a):
            raise _bad("a coding pass does not fit its network", f"passes[{i}]")
        coded[parity] |= set(range(a, b))
    if coded[0] != set(range(m)) or coded[1] != coded[0]:
        raise _bad("the coding passes leave channels out")
    synthesis = networks["synthesis"]
    if check_network("synthesis", synthesis, m, latent_peak)[0] != 3:
        raise _bad("the synthesis does not end in three channels", "synthesis")
    factors = _factors(synthesis)
    if len(factors) != 2 or factors[0] * factors[1] != 16 or synthesis[-1].kind != "shuffle":
        raise _bad("the synthesis must have two shuffles that make 16, one of them last", "synthesis")
    if synthesis[-2].clamp != (0, 255):
        raise _bad("the synthesis does not end in bytes", "synthesis")


def parse_model(data: bytes, number: int) -> Model:
    """Read and check a decoder's model file.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    try:
        if _int(description["profile"]) != 1:
            raise _bad(f"profile {description['profile']} is not known")
        m, k = _int(description["latents"]), _int(description["hyper"])
        passes = tuple((_int(p), _int(a), _int(b)) for p, a, b in description["passes"])
        shifts = {n: _int(description["shifts"][n]) for n in ("index", "mean", "step", "hyper")}
        if min(shifts.values()) < 1 or max(shifts.values()) > 24:
            raise _bad("a shift outside 1 to 24")
        contexts = [f"context.{i}" for i in range(len(passes))]
        _typed(tensors, TABLE_TYPES)
        model = Model(
            str(description.get("name", "")),
            number,
            hashlib.sha256(data).hexdigest(),
            m,
            k,
            passes,
            shifts,
            _pair(description["ranges"]["latent"]),
            _pair(description["ranges"]["hyper"]),
            networks_of(tensors, description, ["hyper", "synthesis", *contexts]),
            **_quality_tables(tensors, m, k),
            reach=tensors["reach"].astype(np.int64),
            frequencies=_frequencies(tensors),
        )
        _check_model(model)
    except MALFORMED as error:
        raise _bad(f"not described as it must be ({type(error).__name__}: {error})") from None
    return model


def models_folder() -> Path:
    """Folder of the model files that ship with this package."""
    return Path(str(files("sdc"))) / "models"


def _find(name: str) -> Path | None:
    """A model file, in the folder that ``SDC_MODELS`` names or in this package's own."""
    own = os.environ.get("SDC_MODELS")
    for folder in ([Path(own)] if own else []) + [models_folder()]:
        if (folder / name).is_file():
            return folder / name
    return None


@cache
def load_model(number: int) -> Model:
    """The decoder's model of a registry number.

    Raises:
        SdcError: ``E_MODEL`` for a number this decoder does not have, ``E_MODEL_FILE`` for other
            weights than the registry's.
    """
    registered = {row["model"]: row["sha256"] for row in spec_data("registry.json")["models"]["entries"]}
    path = _find(f"sdc-model-{number}.safetensors")
    if path is None or (number not in registered and number < PRIVATE):
        raise SdcError("E_MODEL", f"model {number} is not known", "HEAD.model")
    data = path.read_bytes()
    if number in registered and hashlib.sha256(data).hexdigest() != registered[number]:
        raise _bad(f"not the weights that the registry names for model {number}", path.name)
    return parse_model(data, number)


def model_for(head: Head) -> Model:
    """The model a stream names.

    Raises:
        SdcError: ``E_MODEL`` or ``E_MODEL_HASH``.
    """
    model = load_model(head.model)
    if model.weights != head.weights:
        raise SdcError(
            "E_MODEL_HASH",
            f"the stream wants weights {head.weights.hex()}, model {head.model} is {model.weights.hex()}",
            "HEAD.weights",
        )
    return model


ENCODER_NETWORKS = ["analysis", "hyper_cells", "hyper_blocks"]
LARGEST_ERROR_WEIGHT = 1000.0


@dataclass(frozen=True, eq=False)
class Encoder:
    """What encodes for a model.

    Attributes:
        networks: ``analysis``, ``hyper_cells`` and ``hyper_blocks``.
        error_weight: how much squared error counts in the search, relative to :func:`sdc.refine.weight_of`:
            more than 1 for a model that was trained for something else beside it, which the search does
            not see and must not give up.
    """

    networks: dict[str, Network]
    error_weight: float


@cache
def load_encoder(number: int) -> Encoder:
    """The encoder that belongs to a model.

    Raises:
        SdcError: ``E_MODEL``, or ``E_MODEL_FILE`` when the file is not as it must be.
    """
    path = _find(f"sdc-model-{number}-encoder.safetensors")
    if path is None:
        raise SdcError("E_MODEL", f"model {number} has no encoder here")
    tensors, description = read_tensors(path.read_bytes())
    networks = networks_of(tensors, description, ENCODER_NETWORKS)
    check_network("analysis", networks["analysis"], 192, 128)
    weight = description.get("error_weight", 1.0)
    if type(weight) not in (int, float) or not 0 < weight <= LARGEST_ERROR_WEIGHT:
        raise _bad(f"not a number above 0, up to {LARGEST_ERROR_WEIGHT:g}", "error_weight")
    return Encoder(networks, float(weight))
