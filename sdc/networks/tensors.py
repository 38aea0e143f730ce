"""Safetensors files (spec section 10.1).

A model file is a safetensors file whose metadata holds one JSON string under ``sdc``.
The reader takes what it needs of that format: a length, a JSON header, raw tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import SdcError
from ..types import Array

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


def model_error(message: str, where: str = "") -> SdcError:
    """``E_MODEL_FILE``."""
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
        header, description, body = _parts(data)
        tensors: dict[str, Array] = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                continue  # nothing of ours has another type
            dtype = np.dtype(DTYPES[entry["dtype"]])
            start, end = (whole_number(at) for at in entry["data_offsets"])
            shape = tuple(whole_number(n) for n in entry["shape"])
            if not 0 <= start <= end <= len(body) or end - start != dtype.itemsize * int(
                np.prod(shape, dtype=np.int64)
            ):
                raise model_error("the tensor lies outside the file", name)
            tensors[name] = np.frombuffer(bytes(body[start:end]), dtype).reshape(shape)
    except MALFORMED as error:
        raise model_error(f"not a model file ({type(error).__name__}: {error})") from None
    return tensors, description


def strict_json(text: str) -> Any:
    """A text of JSON, in which ``NaN`` and ``Infinity`` are none."""
    return json.loads(text, parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _parts(data: bytes) -> tuple[dict[str, Any], dict[str, Any], memoryview]:
    """Entries of the tensors, description, and bytes of the tensors."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise model_error("the header is cut off")
    header = strict_json(data[8 : 8 + size].decode("utf-8"))
    return header, strict_json(header.pop("__metadata__")["sdc"]), memoryview(data)[8 + size :]


def profile_of(data: bytes) -> int:
    """The profile that a model file says it is of.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    try:
        return whole_number(_parts(data)[1]["profile"])
    except MALFORMED as error:
        raise model_error(f"not a model file ({type(error).__name__}: {error})") from None


def whole_number(value: Any) -> int:
    """A number of the description, which must be written as an integer."""
    if type(value) is not int:
        raise model_error(f"{value!r} is not an integer")
    return value


def clamp_pair(value: Any) -> tuple[int, int]:
    """The two ends of a clamp or range (MODL-04)."""
    low, high = (whole_number(v) for v in value)
    if not -32768 <= low <= high <= 32767:
        raise model_error(f"a clamp or range of {value}")
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


def check_types(tensors: Mapping[str, Array], types: Mapping[str, str]) -> None:
    """Check the types of tensors (MODL-01)."""
    for name, dtype in types.items():
        if tensors[name].dtype != np.dtype(dtype):
            raise model_error(f"the tensor has type {tensors[name].dtype}", name)
