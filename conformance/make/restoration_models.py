"""Files of restoration models: the least there can be, and the same with one fault each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sdc.networks.tensors import write_tensors
from sdc.testing.synthetic import Generator
from sdc.testing.synthetic_restoration import Layers

from .book import Book
from .models import add_model

Change = Callable[[dict[str, Any], dict[str, Any]], Any]

WIDE = [-999, 999]
EVERY = "RMOD-01 RMOD-02 RMOD-04 RMOD-08 RMOD-09 RMOD-10 RMOD-11 RMOD-12"


def tiny_restoration() -> tuple[dict[str, Any], dict[str, Any]]:
    """The least that Profile 2 allows and that has every operator: one channel, one value."""
    layers = Layers(Generator(12), 1)
    networks = {
        "derive": [{"op": "pool"}, layers.pointwise("p", 1, 1, 3, 9, 1, [-128, 127])],
        "condition": [],
        "restore": [
            layers.pointwise("r0", 16, 1, 3, 9, 1, WIDE),
            {"op": "shuffle", "factor": 4},
            layers.depthwise("d", 1, 3, 9, 1, WIDE),
            layers.pointwise("r1", 48, 1, 3, 9, 1, WIDE),
            {"op": "shuffle", "factor": 4},
            layers.modulate("m", 3, 6, [0, 255]),
        ],
    }
    layers.quality("q", 1, 9, WIDE)
    description = {
        "profile": 2,
        "name": "tiny",
        "base": {"model": 5, "sha256": "0123456789abcdef" * 4},
        "latents": 1,
        "vector": 1,
        "ranges": {"latent": [-99, 99]},
        "networks": networks,
    }
    return layers.tensors, description


def made(change: Change | None = None) -> bytes:
    """The file, with anything changed."""
    tensors, description = tiny_restoration()
    if change is not None:
        change(tensors, description)
    return write_tensors(tensors, description)


def restoration_models(book: Book) -> None:
    """Model files of Profile 2."""

    def add(name: str, change: Change | None, ids: str, why: str, good: bool = False) -> None:
        add_model(
            book, f"restoration-{name}", made(change), ids, why, good, "the least model of Profile 2, changed"
        )

    def net(name: str, at: int, *rows: Any) -> Change:
        """Puts operators into a network."""
        return lambda t, d: d["networks"][name].__setitem__(slice(at, at), rows)

    def into(path: str, value: Any) -> Change:
        """Replaces a value of the description."""
        *way, last = path.split(".")

        def change(t: dict[str, Any], d: dict[str, Any]) -> None:
            for key in way:
                d = d[int(key)] if isinstance(d, list) else d[key]
            d[int(last) if isinstance(d, list) else last] = value

        return change

    def tensor(name: str, value: Any) -> Change:
        """Replaces a tensor."""
        return lambda t, d: t.__setitem__(name, value(t[name]))

    def both(*changes: Change) -> Change:
        def change(t: dict[str, Any], d: dict[str, Any]) -> None:
            for one in changes:
                one(t, d)

        return change

    add("tiny", None, EVERY, "the least that Profile 2 allows", True)
    quality, push, add_op = (
        {"op": "quality", "name": "q", "clamp": WIDE},
        {"op": "push"},
        {"op": "add", "clamp": WIDE},
    )
    taps = {"op": "depthwise", "name": "d", "clamp": WIDE}
    add(
        "condition",
        net("condition", 0, push, quality, add_op),
        EVERY,
        "a network condition with operators",
        True,
    )
    add(
        "derive", net("derive", 0, push, quality, taps, add_op), EVERY, "operators in front of the pool", True
    )
    add(
        "unknown-keys",
        both(into("other", 1), into("networks.synthesis", [])),
        "RMOD-01 MODL-08",
        "keys that nobody knows",
        True,
    )
    add("vector-64", _vector(64), "RMOD-04", "the longest vector", True)
    for key in ("base", "latents", "vector", "ranges", "networks"):
        add(f"without-{key}", _without(key), "RMOD-01", "a key of the description is missing")
    for key in ("derive", "condition", "restore"):
        add(f"without-network-{key}", _without(f"networks.{key}"), "RMOD-01", "a network is missing")
    for key in ("p.weight", "m.shift", "m.gain.bias", "m.offset.shift"):
        add(f"without-{key.replace('.', '-')}", _dropped(key), "RMOD-01", "a tensor is missing")
    add("type-of-shift", tensor("m.shift", lambda v: v.astype("<i2")), "RMOD-01", "a tensor of another type")
    for name, value in (
        ("short", "ab" * 31),
        ("capitals", "AB" * 32),
        ("number", 7),
        ("newline", "ab" * 32 + "\n"),
    ):
        add(f"sha256-{name}", into("base.sha256", value), "RMOD-02", "no SHA-256 of 64 lower-case digits")
    for name, value in (("negative", -1), ("large", 1 << 32), ("text", "0")):
        add(f"base-{name}", into("base.model", value), "RMOD-02", "what is no number of a model")
    add("base-list", into("base", [5, "ab" * 32]), "RMOD-02", "a base that is no object")
    add("no-latents", into("latents", 0), "RMOD-04", "no channel")
    add("vector-0", into("vector", 0), "RMOD-04", "no value of a vector")
    add("vector-65", _vector(65), "RMOD-04", "a vector of 65 values")
    add("range-turned", into("ranges.latent", [1, 0]), "RMOD-04", "a range whose ends are swapped")
    for part in ("gain", "offset", "clamp"):
        add(f"{part}-turned", into(f"networks.restore.5.{part}", [9, 8]), "RMOD-04", "ends that are swapped")
        add(f"{part}-wide", into(f"networks.restore.5.{part}", [0, 32768]), "RMOD-04", "ends beyond 16 bits")
    pool = {"op": "pool"}
    add("no-pool", lambda t, d: d["networks"]["derive"].pop(0), "RMOD-08 RMOD-12", "no pool")
    add("two-pools", net("derive", 0, pool), "RMOD-08 RMOD-12", "two pools")
    add(
        "pool-last",
        lambda t, d: d["networks"]["derive"].reverse(),
        "RMOD-08 RMOD-12",
        "nothing behind the pool",
    )
    add(
        "derive-beyond",
        into("networks.derive.1.clamp", [-128, 128]),
        "RMOD-08 RMOD-12",
        "a vector beyond 127",
    )
    add(
        "derive-below", into("networks.derive.1.clamp", [-129, 127]), "RMOD-08 RMOD-12", "a vector below -128"
    )
    add(
        "derive-channels",
        into("vector", 2),
        "RMOD-08 RMOD-12",
        "another number of values than the vector has",
    )
    one = {"op": "shuffle", "factor": 1}
    add("derive-shuffle", net("derive", 0, one), "RMOD-08 RMOD-12", "a shuffle in front of the pool")
    add("derive-shuffle-behind", net("derive", 1, one), "RMOD-08 RMOD-12", "a shuffle behind the pool")
    add("derive-taps-behind", net("derive", 1, taps), "RMOD-08 RMOD-12", "taps behind the pool")
    add("derive-push-across", _across, "RMOD-12", "an add behind the pool for a push in front of it")
    add("condition-taps", net("condition", 0, taps), "RMOD-09 RMOD-12", "taps in the network condition")
    add(
        "condition-shuffle", net("condition", 0, one), "RMOD-09 RMOD-12", "a shuffle in the network condition"
    )
    add("condition-pool", net("condition", 0, pool), "RMOD-09 RMOD-12", "a pool in the network condition")
    again = {"op": "modulate", "name": "m", "gain": [0, 9], "offset": [0, 9], "clamp": WIDE}
    add(
        "condition-modulate",
        net("condition", 0, again),
        "RMOD-09 RMOD-12",
        "a modulate in the network condition",
    )
    add("restore-pool", net("restore", 0, pool), "RMOD-10 RMOD-12", "a pool in the network restore")
    add("restore-hyper", net("restore", 0, {"op": "hyper"}), "RMOD-12", "the operator hyper")
    add("restore-shuffles", net("restore", 0, one), "RMOD-10 RMOD-12", "three shuffles")
    add("restore-8-pixels", _eighth, "RMOD-10 RMOD-12", "shuffles that multiply to 8")
    add("restore-channels", _doubled, "RMOD-10 RMOD-12", "six channels")
    add(
        "restore-clamp",
        into("networks.restore.5.clamp", [0, 254]),
        "RMOD-10 RMOD-12",
        "samples that end at 254",
    )
    add("restore-taps-last", _taps_last, "RMOD-10 RMOD-12", "taps behind the second shuffle")
    add("restore-push", net("restore", 0, push), "RMOD-12", "a push that nothing takes")
    product = both(
        into("networks.restore.3.clamp", [-1024, 1023]), into("networks.restore.5.gain", [0, 16383])
    )
    add("product-below-bound", both(product, _shifts(10)), "RMOD-11", "a product that stays below 2^24", True)
    add("product-at-bound", both(product, _shifts(11)), "RMOD-11", "a product that can reach 2^24")
    for shift in (0, 25):
        add(f"shift-{shift}", _shifts(shift), "RMOD-11", "a shift outside 1 to 24")
        add(f"gain-shift-{shift}", _shifts(shift, "m.gain.shift"), "RMOD-11", "a shift outside 1 to 24")
    add("gain-sum-below-bound", _heavy(0), "RMOD-11", "a sum of a gain that stays below 2^24", True)
    add("gain-sum-at-bound", _heavy(1), "RMOD-11", "a sum of a gain that can reach 2^24")
    add(
        "modulate-channels",
        tensor("m.offset.weight", lambda v: v[:2]),
        "RMOD-01 RMOD-12",
        "offsets of two of three channels",
    )
    add(
        "modulate-features",
        tensor("m.gain.weight", lambda v: np.repeat(v, 2, 1)),
        "RMOD-01 RMOD-12",
        "gains of two features of one",
    )


def _vector(size: int) -> Change:
    """A vector of another size, in all its places."""

    def change(t: dict[str, Any], d: dict[str, Any]) -> None:
        d["vector"] = size
        for part in ("weight", "bias", "shift"):
            t[f"p.{part}"] = np.repeat(t[f"p.{part}"], size, 0)
        for layer in ("m.gain", "m.offset"):
            t[f"{layer}.weight"] = np.repeat(t[f"{layer}.weight"], size, 1)

    return change


def _without(path: str) -> Change:
    """Without a key of the description."""
    *way, last = path.split(".")

    def change(t: dict[str, Any], d: dict[str, Any]) -> None:
        for key in way:
            d = d[key]
        del d[last]

    return change


def _dropped(name: str) -> Change:
    """Without a tensor."""
    return lambda t, d: t.__delitem__(name)


def _shifts(value: int, name: str = "m.shift") -> Change:
    """With another shift of the second channel."""
    return lambda t, d: t[name].__setitem__(1, value)


def _across(t: dict[str, Any], d: dict[str, Any]) -> None:
    d["networks"]["derive"] = [
        {"op": "push"},
        {"op": "pool"},
        {"op": "add", "clamp": [-128, 127]},
    ]


def _eighth(t: dict[str, Any], d: dict[str, Any]) -> None:
    d["networks"]["restore"][1]["factor"] = 2
    for part in ("weight", "bias", "shift"):
        t[f"r0.{part}"] = t[f"r0.{part}"][:4]


def _rows(t: dict[str, Any], names: Sequence[str], count: int) -> None:
    for name in names:
        for part in ("weight", "bias", "shift"):
            t[f"{name}.{part}"] = np.resize(t[f"{name}.{part}"], (count, *t[f"{name}.{part}"].shape[1:]))


def _doubled(t: dict[str, Any], d: dict[str, Any]) -> None:
    _rows(t, ["r1"], 96)
    _rows(t, ["m.gain", "m.offset"], 6)
    t["m.shift"] = np.resize(t["m.shift"], 6)


def _taps_last(t: dict[str, Any], d: dict[str, Any]) -> None:
    _rows(t, ["d"], 3)
    rows = d["networks"]["restore"]
    rows.insert(4, rows.pop(2))


def _heavy(more: int) -> Change:
    """With a sum of a gain that can reach 2^24 - 1, and more, by the largest value of a vector."""

    def change(t: dict[str, Any], d: dict[str, Any]) -> None:
        shift = int(t["m.gain.shift"][1])
        t["m.gain.weight"][1], t["m.gain.bias"][1] = (
            -30000,
            (1 << 24) - 1 - 30000 * 128 - (1 << shift - 1) + more,
        )

    return change
