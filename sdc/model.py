"""Model files and the registry of models (spec sections "Integer networks" and "Registries").

A model file is a safetensors file whose metadata holds one JSON string under ``sdc``.
The reader below takes what it needs of that format: a length, a JSON header, raw tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
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
        header = json.loads(data[8 : 8 + size])
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
    except (KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError) as error:
        raise _bad(f"not a model file ({type(error).__name__}: {error})") from None
    return tensors, description


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


def networks_of(tensors: dict[str, Array], description: dict[str, Any]) -> dict[str, Network]:
    """Networks of a model file, with their tensors.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    out: dict[str, Network] = {}
    try:
        for name, rows in description["networks"].items():
            ops = []
            for row in rows:
                kind, part = row["op"], row.get("name", "")
                if kind in ("pointwise", "depthwise"):
                    shift = tensors.get(part + ".shift")
                    weight, bias = tensors[part + ".weight"], tensors[part + ".bias"]
                    if shift is not None:
                        _typed(
                            tensors, {part + ".weight": "<i2", part + ".bias": "<i4", part + ".shift": "u1"}
                        )
                    ops.append(Op(kind, tuple(row["clamp"]), weight, bias, shift))
                elif kind == "quality":
                    _typed(tensors, {part + ".table": "<i2"})
                    ops.append(Op(kind, tuple(row["clamp"]), table=tensors[part + ".table"]))
                elif kind in ("shuffle", "unshuffle"):
                    if int(row["factor"]) < 1:
                        raise _bad("a factor below 1", name)
                    ops.append(Op(kind, factor=int(row["factor"])))
                elif kind == "add":
                    ops.append(Op(kind, tuple(row["clamp"])))
                elif kind in ("push", "hyper"):
                    ops.append(Op(kind))
                else:
                    raise _bad(f"unknown operator {kind}", name)
            out[name] = tuple(ops)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(f"networks are not described as they must be ({type(error).__name__}: {error})") from None
    return out


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
        if not -32768 <= op.clamp[0] <= op.clamp[1] <= 32767:
            raise _bad(f"a clamp of {op.clamp}", where)
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


def parse_model(data: bytes, number: int) -> Model:
    """Read and check a decoder's model file.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    networks = networks_of(tensors, description)
    try:
        if description["profile"] != 1:
            raise _bad(f"profile {description['profile']} is not known")
        m, k = int(description["latents"]), int(description["hyper"])
        passes = tuple((int(p), int(a), int(b)) for p, a, b in description["passes"])
        _typed(tensors, TABLE_TYPES)
        reaches = tensors["reach"].astype(np.int64)
        flat, at, frequencies = tensors["frequency"].astype(np.int64), 0, [np.zeros(0, np.int64)]
        for r in reaches[1:].tolist():
            frequencies.append(flat[at : at + 2 * r + 2])
            at += 2 * r + 2
            if (
                len(frequencies[-1]) != 2 * r + 2
                or frequencies[-1].min() < 1
                or frequencies[-1].sum() != 1 << 15
            ):
                raise _bad(
                    "frequencies must be at least 1 and sum to 2^15", f"scale index {len(frequencies) - 1}"
                )
        if at != len(flat) or len(reaches) != SCALES or reaches[1:].max() > 127:
            raise _bad("symbol tables do not fit")
        ranges = {n: (int(a), int(b)) for n, (a, b) in description["ranges"].items()}
        if any(not -32768 <= a <= b <= 32767 for a, b in ranges.values()):
            raise _bad("a range beyond 16 bits", "ranges")
        wide = {
            n: tensors[n].astype(np.int64) for n in ("step", "inverse", "offset", "hyper_step", "hyper_index")
        }
        for n, t in wide.items():
            if t.shape != (QUALITIES, k if n.startswith("hyper") else m):
                raise _bad("the table has another shape", n)
        if (
            min(int(wide[n].min()) for n in ("step", "inverse", "hyper_step", "hyper_index")) < 0
            or max(int(wide["step"].max()), int(wide["hyper_step"].max())) > 16383
            or wide["hyper_index"].max() >= SCALES
        ):
            raise _bad("a table entry is out of range")
        model = Model(
            str(description.get("name", "")),
            number,
            hashlib.sha256(data).hexdigest(),
            m,
            k,
            passes,
            {n: int(description["shifts"][n]) for n in ("index", "mean", "step", "hyper")},
            ranges["latent"],
            ranges["hyper"],
            networks,
            **wide,
            reach=reaches,
            frequencies=tuple(frequencies),
        )
        peaks = {n: max(abs(a), abs(b)) for n, (a, b) in ranges.items()}
        if min(model.shifts.values()) < 1 or max(model.shifts.values()) > 24:
            raise _bad("a shift outside 1 to 24")
        coded: dict[int, set[int]] = {0: set(), 1: set()}
        features = check_network("hyper", networks["hyper"], k, peaks["hyper"])
        if _factors(networks["hyper"]) != [4] or any(op.kind == "depthwise" for op in networks["hyper"]):
            raise _bad("the hyper network must have one shuffle, of 4, and no depthwise layer", "hyper")
        for i, (parity, a, b) in enumerate(passes):
            network = networks[f"context.{i}"]
            begins = network[0].kind == "hyper"
            out, _ = check_network(
                f"context.{i}", network, 0 if begins else m, 0 if begins else peaks["latent"], features
            )
            if (
                parity not in coded
                or _factors(network)
                or out != 2 * (b - a)
                or not 0 <= a < b <= m
                or coded[parity] & set(range(a, b))
            ):
                raise _bad("a coding pass does not fit its network", f"passes[{i}]")
            coded[parity] |= set(range(a, b))
        if coded[0] != set(range(m)) or coded[1] != coded[0]:
            raise _bad("the coding passes leave channels out")
        if check_network("synthesis", networks["synthesis"], m, peaks["latent"])[0] != 3:
            raise _bad("the synthesis does not end in three channels")
        factors = _factors(networks["synthesis"])
        if len(factors) != 2 or factors[0] * factors[1] != 16:
            raise _bad("the synthesis must have two shuffles that make 16", "synthesis")
        if networks["synthesis"][-1].kind != "shuffle" or networks["synthesis"][-2].clamp != (0, 255):
            raise _bad("the synthesis does not end in bytes")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
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


@cache
def load_encoder(number: int) -> dict[str, Network]:
    """Networks of the encoder that belongs to a model: ``analysis``, ``hyper_cells``, ``hyper_blocks``.

    Raises:
        SdcError: ``E_MODEL``.
    """
    path = _find(f"sdc-model-{number}-encoder.safetensors")
    if path is None:
        raise SdcError("E_MODEL", f"model {number} has no encoder here")
    return networks_of(*read_tensors(path.read_bytes()))
