"""The REST chunk: what restores the groups, and what was wrong with them (spec section "REST")."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import index
from typing import Any

from ..errors import SdcError, spec_data
from .chunks import REST, Chunk
from .fields import Payload, Traced, build_payload, parse_payload, read_payload, row_of
from .stream import Outline

EVERY_OTHER = 255
"""In place of a group: every group that has no row of its own (REST-05)."""

MAX_VALUES = int(row_of("VECTOR", "size")["max"])
KINDS: dict[str, int] = {
    row["name"]: row["kind"] for row in spec_data("registry.json")["degradations"]["entries"]
}
"""Registered kinds of degradation by name."""

_NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True)
class Degradation:
    """What is wrong with a group of cells, or with the whole image.

    Attributes:
        kind: its name in the registry, or its number.
        strength: 0 (looked for and not found) to 1.
        group: index of the group; ``None`` for every group that has none of its own.
    """

    kind: str | int
    strength: float
    group: int | None = None

    @property
    def number(self) -> int:
        """Its number in the registry.

        Raises:
            SdcError: ``E_USAGE`` for a name that is not registered, or what is no kind.
        """
        if isinstance(self.kind, str):
            if self.kind not in KINDS:
                raise SdcError("E_USAGE", f"{self.kind!r} is no kind of degradation: {', '.join(KINDS)}")
            return KINDS[self.kind]
        return _whole(self.kind, 1, 255, "a kind of degradation")


@dataclass(frozen=True)
class Restoration:
    """What a stream says about restoring it.

    Attributes:
        model: number of the restoration model.
        weights: first 4 bytes of the SHA-256 of its file; empty for those of the model that is here.
        vectors: values of -128 to 127 by index of a group, or ``None`` for every other group.
        degradations: what was found.
    """

    model: int
    weights: bytes = b""
    vectors: Mapping[int | None, Sequence[int]] = field(default_factory=dict)
    degradations: Sequence[Degradation] = ()

    def vector_of(self, group: int) -> Sequence[int] | None:
        """The vector of a group; ``None`` where it is to be derived (RSTR-04)."""
        return self.vectors.get(group, self.vectors.get(None))


def _whole(value: Any, low: int, high: int, what: str) -> int:
    """A whole number within bounds.

    Raises:
        SdcError: ``E_USAGE``.
    """
    try:
        number = index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise SdcError("E_USAGE", f"{what} is a whole number of {low} to {high}, not {value!r}")
    return number


def restoration_payload(restoration: Restoration, groups: int) -> bytes:
    """Payload of REST.

    Args:
        restoration: with the weights of its model.
        groups: number of groups of the stream.

    Raises:
        SdcError: ``E_USAGE`` for a group that the stream does not have, for values, kinds and strengths
            out of range, for vectors of several sizes, and for more rows than a stream can hold.
    """

    def group_byte(group: int | None) -> int:
        return EVERY_OTHER if group is None else _whole(group, 0, groups - 1, "a group of REST")

    vectors = {
        group_byte(group): bytes(_whole(v, -128, 127, "a value of a vector") & 255 for v in values)
        for group, values in restoration.vectors.items()
    }
    sizes = {len(values) for values in vectors.values()}
    if len(sizes) > 1 or not all(1 <= size <= MAX_VALUES for size in sizes):
        raise SdcError("E_USAGE", f"vectors have 1 to {MAX_VALUES} values, and all of them as many")
    found: dict[tuple[int, int], int] = {}
    for d in restoration.degradations:
        if not isinstance(d.strength, (int, float)) or not 0 <= d.strength <= 1:
            raise SdcError("E_USAGE", f"a strength of degradation is 0 to 1, not {d.strength!r}")
        found[group_byte(d.group), d.number] = round(255 * d.strength)
    if len(found) < len(restoration.degradations):
        raise SdcError("E_USAGE", "a kind of degradation is given twice for a group")
    if max(len(found), len(vectors)) > 255:
        raise SdcError("E_USAGE", "a stream holds at most 255 vectors and 255 degradations")
    return build_payload(
        "REST",
        {
            "model": _whole(restoration.model, 0, (1 << 32) - 1, "a model"),
            "weights": restoration.weights,
            "vector_count": len(vectors),
            "vectors": [{"group": g, "size": len(v), "values": v} for g, v in sorted(vectors.items())],
            "degradation_count": len(found),
            "degradations": [
                {"group": g, "kind": kind, "strength": strength}
                for (g, kind), strength in sorted(found.items())
            ],
        },
    )


@dataclass(frozen=True)
class ReadRestoration:
    """What was read of REST.

    Attributes:
        restoration: ``None`` without the chunk, and when an error ended the reading.
        fields: every field read, in file order, also those in front of an error.
        error: what ended the reading.
    """

    restoration: Restoration | None = None
    fields: tuple[Traced, ...] = ()
    error: SdcError | None = None

    def whole(self) -> Restoration | None:
        """What REST says, if it is there.

        Raises:
            SdcError: what ended the reading.
        """
        if self.error is not None:
            raise self.error
        return self.restoration


def read_restoration(stream: Outline) -> ReadRestoration:
    """Read REST as far as it is right."""
    chunk = stream.chunk(REST)
    if chunk is None:
        return ReadRestoration()
    payload = read_payload("REST", chunk.payload, chunk.payload_offset)
    try:
        values = payload.whole()
        _check(len(stream.groups), values, payload)
    except SdcError as error:
        return ReadRestoration(fields=payload.fields, error=error)
    restoration = Restoration(
        values.model,
        values.weights,
        {_group(row.group): tuple(v - (v & 128) * 2 for v in row["values"]) for row in values.vectors},
        tuple(
            Degradation(_NAMES.get(row.kind, row.kind), row.strength / 255, _group(row.group))
            for row in values.degradations
        ),
    )
    return ReadRestoration(restoration, payload.fields)


def _group(byte: int) -> int | None:
    return None if byte == EVERY_OTHER else byte


def _check(groups: int, values: Any, payload: Payload) -> None:
    """Check the rules that join fields.

    Raises:
        SdcError: ``E_REST``.
    """

    def refuse(path: str, what: str) -> SdcError:
        path = f"REST.{path}"
        return SdcError("E_REST", what, path, payload.offset(path))

    for name, key in (("vectors", ("group",)), ("degradations", ("group", "kind"))):
        rows = [tuple(row[part] for part in key) for row in values[name]]
        for k, row in enumerate(rows):
            if not row[0] < groups and row[0] != EVERY_OTHER:
                raise refuse(f"{name}[{k}].group", f"group {row[0]} does not exist")
            if k and row <= rows[k - 1]:
                raise refuse(f"{name}[{k}].{key[-1]}", f"{name} are not in rising order")
    for k, row in enumerate(values.vectors):
        if row.size != values.vectors[0].size:
            raise refuse(f"vectors[{k}].size", "a vector of another size than the first")


def check_sizes(stream: Outline, restoration: Restoration, size: int) -> None:
    """Check that vectors are as long as the restoration model wants them (RSTR-07).

    Raises:
        SdcError: ``E_REST``.
    """
    chunk = stream.chunk(REST)
    for values in restoration.vectors.values():
        if len(values) != size:
            offset = None if chunk is None else chunk.offset
            raise SdcError(
                "E_REST", f"vectors of {len(values)} values, where the model wants {size}", "REST", offset
            )


def kept_restoration(stream: Outline, chunk: Chunk, left: Collection[int]) -> bytes | None:
    """Payload of REST without the rows of groups that are withdrawn (EDIT-12).

    Args:
        left: the groups that are not.

    Returns:
        ``None`` when the chunk must go: no group is left, or it cannot be read.
    """
    if not left or read_restoration(stream).error is not None:
        return None
    values = parse_payload("REST", chunk.payload)
    rows = {
        name: [row for row in values[name] if row.group in left or row.group == EVERY_OTHER]
        for name in ("vectors", "degradations")
    }
    counts = {"vector_count": len(rows["vectors"]), "degradation_count": len(rows["degradations"])}
    return build_payload("REST", {"model": values.model, "weights": values.weights, **rows, **counts})
