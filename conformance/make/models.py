"""Model files: the least there can be, and the same with one fault each."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sdc.networks.tensors import write_tensors
from sdc.testing.synthetic import Generator

from ..adapter import answer
from .book import Book


def tiny_model() -> tuple[dict[str, Any], dict[str, Any]]:
    """The least that Profile 1 allows: one channel, one hyper value, two passes."""
    g = Generator(11)
    tensors: dict[str, Any] = {}

    def affine(name: str, out: int, fan_in: int) -> None:
        tensors[name + ".weight"] = g.array((out, fan_in), -3, 3, "<i2")
        tensors[name + ".bias"] = g.array((out,), -9, 9, "<i4")
        tensors[name + ".shift"] = g.array((out,), 1, 3, "u1")

    for name, out, fan_in in [("h", 16, 1), ("c", 2, 1), ("s0", 16, 1), ("d", 1, 9), ("s1", 48, 1)]:
        affine(name, out, fan_in)
    tensors["q.table"] = g.array((64, 1), -5, 5, "<i2")
    for name in ("step", "inverse", "offset", "hyper_step"):
        tensors[name] = g.array((64, 1), 1, 99, "<i2")
    tensors["hyper_index"] = g.array((64, 1), 0, 63, "u1")
    tensors["reach"] = np.zeros(64, "u1")
    tensors["frequency"] = np.array([16384] * 126, "<i2")
    wide = [-999, 999]
    networks = {
        "hyper": [{"op": "pointwise", "name": "h", "clamp": wide}, {"op": "shuffle", "factor": 4}],
        "context.0": [{"op": "hyper"}, {"op": "pointwise", "name": "c", "clamp": wide}],
        "context.1": [{"op": "hyper"}, {"op": "pointwise", "name": "c", "clamp": wide}],
        "synthesis": [
            {"op": "pointwise", "name": "s0", "clamp": wide},
            {"op": "shuffle", "factor": 4},
            {"op": "quality", "name": "q", "clamp": wide},
            {"op": "push"},
            {"op": "depthwise", "name": "d", "clamp": wide},
            {"op": "add", "clamp": wide},
            {"op": "pointwise", "name": "s1", "clamp": [0, 255]},
            {"op": "shuffle", "factor": 4},
        ],
    }
    description: dict[str, Any] = {
        "profile": 1,
        "name": "tiny",
        "latents": 1,
        "hyper": 1,
        "passes": [[0, 0, 1], [1, 0, 1]],
        "shifts": {"index": 1, "mean": 1, "step": 1, "hyper": 1},
        "ranges": {"latent": [-99, 99], "hyper": [-99, 99]},
        "networks": networks,
    }
    return tensors, description


def _without(what: str, key: str, tensors: dict[str, Any], description: dict[str, Any]) -> None:
    del (tensors if what == "tensors" else description)[key]


def _shifted(key: str, shift: int, tensors: dict[str, Any], description: dict[str, Any]) -> None:
    description["shifts"][key] = shift


def add_model(book: Book, name: str, data: bytes, ids: str, why: str, good: bool, how: str) -> None:
    """Add a model file that a decoder must take or refuse."""
    found = answer("model", data)
    wanted: dict[str, Any] = {"op": "model", "tier": "M", "exit": 0 if good else 2}
    if not good:
        wanted["codes"] = ["E_MODEL_FILE"]
    assert found["exit"] == wanted["exit"], (name, found)
    book.add(
        f"model/{name}.safetensors",
        data,
        [wanted],
        why=why,
        how=how,
        accept=ids.split() if good else (),
        reject=() if good else ids.split(),
        seed=11,
    )


def models(book: Book) -> None:
    """Model files: the least there can be, and the same with one fault each."""

    def made(change: Callable[[dict[str, Any], dict[str, Any]], Any] | None = None) -> bytes:
        tensors, description = tiny_model()
        tensors = {k: v.copy() for k, v in tensors.items()}
        if change:
            change(tensors, description)
        return write_tensors(tensors, description)

    def add(name: str, data: bytes, ids: str, why: str, good: bool = False) -> None:
        add_model(book, name, data, ids, why, good, "the least model of Profile 1, changed")

    def header(
        data: bytes, change: Callable[[dict[str, Any]], Any], body: Callable[[bytes], bytes] = bytes
    ) -> bytes:
        size = int.from_bytes(data[:8], "little")
        entries = json.loads(data[8 : 8 + size])
        change(entries)
        text = json.dumps(entries, separators=(",", ":")).encode()
        return len(text).to_bytes(8, "little") + text + body(data[8 + size :])

    def bound(t: dict[str, Any], d: dict[str, Any], more: int) -> None:
        t["s0.weight"][0, 0], t["s0.shift"][0] = 99, 1
        t["s0.bias"][0] = (1 << 24) - 1 - 99 * 99 - 1 + more

    every = "MODL-01 MODL-02 MODL-03 MODL-04 MODL-05 MODL-07 NETW-10 NETW-11 NETW-12 NETW-13 NETW-14 NETW-15"
    good = made()
    add("tiny", good, every, "the least that Profile 1 allows", True)

    def shifted(entries: dict[str, Any]) -> None:
        for name, entry in entries.items():
            if name != "__metadata__":
                entry["data_offsets"] = [at + 1 for at in entry["data_offsets"]]

    add(
        "unaligned",
        header(good, shifted, lambda body: b"\0" + body),
        "MODL-07",
        "tensors that begin at odd bytes, and a byte that belongs to none",
        True,
    )
    add(
        "unknown-keys",
        header(
            made(
                lambda t, d: (
                    t.update({"other": np.zeros(3, "<i4")}),
                    d.update(other=[1, {}]),
                    d["networks"].update({"thumbnail": []}),
                )
            ),
            lambda e: e["__metadata__"].update(other="text"),
        ),
        "MODL-08",
        "tensors and keys that the specification does not name",
        True,
    )
    size = int.from_bytes(good[:8], "little")

    def either(name: str, data: bytes, ids: str, why: str) -> None:
        ask = [{"op": "model", "tier": "M", "exit": [0, 2], "codes": ["E_MODEL_FILE"]}]
        assert answer("model", data)["exit"] in (0, 2)
        book.add(
            f"model/{name}.safetensors",
            data,
            ask,
            why=why,
            how="the least model of Profile 1, changed",
            accept=ids.split(),
            reject=ids.split(),
            seed=11,
        )

    text = good[8 : 8 + size]
    entry = text[text.index(b'"step":') : text.index(b"}", text.index(b'"step":')) + 1]
    twice = text.replace(entry, entry + b"," + entry)
    either(
        "key-twice",
        len(twice).to_bytes(8, "little") + twice + good[8 + size :],
        "MODL-09",
        "a tensor that is described twice, alike",
    )
    cut = header(
        made(lambda t, d: t.update(other=np.zeros(3, "<i4"))), lambda e: e["other"].update(shape=[4])
    )
    either(
        "other-tensor-outside",
        cut,
        "MODL-12",
        "a tensor that nobody reads, with another shape than its bytes",
    )
    either(
        "metadata-not-strings",
        header(good, lambda e: e["__metadata__"].update(count=1)),
        "MODL-12",
        "a number in __metadata__",
    )
    for name, value in (("missing", None), ("a-number", 7), ("an-object", {"name": ["tiny"]})):

        def named(t: dict[str, Any], d: dict[str, Any], value: Any = value) -> None:
            del d["name"]
            d.update({} if value is None else {"name": value})

        add(f"name-{name}", made(named), "MODL-13", "a model without a name that is a string", True)
    for depth in (32, 33):

        def deep(t: dict[str, Any], d: dict[str, Any], depth: int = depth) -> None:
            d["other"] = json.loads("[" * (depth - 1) + "]" * (depth - 1))

        if depth == 32:
            add("nested-32", made(deep), "MODL-14 MODL-08", "a description that is nested 32 deep", True)
        else:
            either("nested-33", made(deep), "MODL-14", "a description that is nested 33 deep")
    long = text.replace(b'\\"profile\\":1', b'\\"other\\":' + b"1" * 33 + b',\\"profile\\":1')
    either(
        "number-of-33-digits",
        len(long).to_bytes(8, "little") + long + good[8 + size :],
        "MODL-14",
        "a number of 33 digits that nobody reads",
    )
    minus = text.replace(b"[0,255]", b"[-0,255]").replace(b"[1,0,1]", b"[1,-0,1]")
    assert len(minus) == len(text) + 2
    add(
        "minus-zero",
        len(minus).to_bytes(8, "little") + minus + good[8 + size :],
        "MODL-16 MODL-10",
        "zeros that are written with a sign",
        True,
    )
    endless = text.replace(b'\\"profile\\":1', b'\\"other\\":NaN,\\"profile\\":1')
    add(
        "not-a-number",
        len(endless).to_bytes(8, "little") + endless + good[8 + size :],
        "MODL-01",
        "NaN, which is no number of JSON",
    )
    real = text.replace(b'\\"profile\\":1', b'\\"profile\\":1.0')
    assert real != text
    either(
        "number-with-fraction",
        len(real).to_bytes(8, "little") + real + good[8 + size :],
        "MODL-10",
        "a number with a fraction of zero",
    )
    either(
        "newline-before",
        (size + 1).to_bytes(8, "little") + b"\n" + good[8:],
        "MODL-11",
        "a newline in front of the description",
    )
    add(
        "spaces",
        (size + 5).to_bytes(8, "little") + good[8 : 8 + size] + b"     " + good[8 + size :],
        "MODL-01",
        "spaces behind the description",
        True,
    )
    add(
        "peak-below-bound",
        made(lambda t, d: bound(t, d, 0)),
        "NETW-12",
        "a sum that can reach 2^24 - 1",
        True,
    )

    add("cut-length", good[:7], "MODL-01", "seven bytes")
    add("cut-header", good[:100], "MODL-01", "a description that is cut off")
    add("cut-data", good[:-1], "MODL-01 MODL-07", "the last tensor is cut off")
    add("not-json", good[:8] + b"(" + good[9:], "MODL-01", "a description that is not JSON")
    add("no-description", header(good, lambda e: e["__metadata__"].pop("sdc")), "MODL-01", "no description")
    add(
        "offsets-short",
        header(good, lambda e: e["step"]["data_offsets"].__setitem__(1, e["step"]["data_offsets"][1] - 2)),
        "MODL-01 MODL-07",
        "a tensor with fewer bytes than its elements",
    )
    add(
        "offsets-outside",
        header(good, lambda e: e["step"].update(data_offsets=[1 << 40, (1 << 40) + 128])),
        "MODL-01 MODL-07",
        "a tensor beyond the data",
    )
    for key in ("latents", "passes", "shifts", "ranges", "networks"):
        add(
            f"without-{key}",
            made(partial(_without, "description", key)),
            "MODL-01",
            "a key of the description is missing",
        )
    for key in ("step", "reach", "frequency", "h.bias", "q.table"):
        add(
            f"without-tensor-{key.replace('.', '-')}",
            made(partial(_without, "tensors", key)),
            "MODL-01",
            "a tensor is missing",
        )
    add(
        "type-of-step",
        made(lambda t, d: t.update(step=t["step"].astype("<i4"))),
        "MODL-01",
        "a tensor of another type",
    )
    add(
        "type-of-weight",
        made(lambda t, d: t.update({"h.weight": t["h.weight"].astype("<i4")})),
        "MODL-01",
        "a weight of another type",
    )
    add(
        "shape-of-step",
        made(lambda t, d: t.update(step=t["step"].reshape(32, 2))),
        "MODL-01",
        "a table of another shape",
    )
    add(
        "shape-of-quality",
        made(lambda t, d: t.update({"q.table": t["q.table"][:63]})),
        "MODL-01",
        "a quality table of 63 rows",
    )
    add(
        "network-missing",
        made(lambda t, d: d["networks"].pop("context.1")),
        "MODL-01",
        "a pass without a network",
    )

    def put(name: str, index: Any, value: int) -> Callable[[dict[str, Any], dict[str, Any]], None]:
        return lambda t, d: t[name].__setitem__(index, value)

    def frequencies(first: int, second: int) -> Callable[[dict[str, Any], dict[str, Any]], None]:
        def change(t: dict[str, Any], d: dict[str, Any]) -> None:
            t["frequency"][:2] = first, second

        return change

    add("frequency-0", made(frequencies(0, 32767)), "MODL-02", "a frequency of 0")
    add("frequency-sum", made(frequencies(16384, 16383)), "MODL-02", "frequencies that sum to 32767")
    add("frequency-negative", made(frequencies(-1, 32767)), "MODL-02", "a negative frequency")
    add(
        "frequency-too-many",
        made(lambda t, d: t.update(frequency=np.append(t["frequency"], t["frequency"][:2]))),
        "MODL-01 MODL-02",
        "more frequencies than tables",
    )
    for name, passes, why in [
        ("parity", [[0, 0, 1], [2, 0, 1]], "a parity of 2"),
        ("empty", [[0, 0, 1], [1, 0, 1], [1, 1, 1]], "a pass without channels"),
        ("beyond", [[0, 0, 1], [1, 0, 2]], "a pass beyond the channels"),
        ("twice", [[0, 0, 1], [1, 0, 1], [0, 0, 1]], "a channel that is coded twice"),
        ("missing", [[0, 0, 1]], "a parity that is never coded"),
    ]:

        def change(t: dict[str, Any], d: dict[str, Any], passes: Any = passes) -> None:
            d["passes"] = passes
            d["networks"]["context.2"] = d["networks"]["context.1"]

        add(f"passes-{name}", made(change), "MODL-03", why)
    for name, shift in (("0", 0), ("25", 25)):
        for key in ("index", "mean", "step", "hyper"):
            add(
                f"shift-{key}-{name}",
                made(partial(_shifted, key, shift)),
                "MODL-04",
                "a shift outside 1 to 24",
            )
    add(
        "range-turned",
        made(lambda t, d: d["ranges"].update(latent=[1, 0])),
        "MODL-04",
        "a range whose ends are swapped",
    )
    add(
        "range-too-wide",
        made(lambda t, d: d["ranges"].update(hyper=[-32769, 0])),
        "MODL-04",
        "a range beyond 16 bits",
    )
    add(
        "clamp-turned",
        made(lambda t, d: d["networks"]["hyper"][0].update(clamp=[5, 4])),
        "MODL-04",
        "a clamp whose ends are swapped",
    )
    add(
        "clamp-too-wide",
        made(lambda t, d: d["networks"]["hyper"][0].update(clamp=[0, 32768])),
        "MODL-04",
        "a clamp beyond 16 bits",
    )
    add("step-16384", made(put("step", (3, 0), 16384)), "MODL-04", "a step of 16384")
    add("step-negative", made(put("step", (3, 0), -1)), "MODL-04", "a negative step")
    add(
        "hyper-step-16384",
        made(put("hyper_step", (63, 0), 16384)),
        "MODL-04",
        "a step of a hyper value of 16384",
    )
    add("inverse-negative", made(put("inverse", (0, 0), -1)), "MODL-04", "a negative factor of a mean")
    add("hyper-index-64", made(put("hyper_index", (5, 0), 64)), "MODL-04", "a scale index of 64")

    def reach(t: dict[str, Any], d: dict[str, Any]) -> None:
        t["reach"][63] = 128
        t["frequency"] = np.append(t["frequency"][:124], [127] * 257 + [129]).astype("<i2")
        assert int(t["frequency"][124:].sum()) == 32768

    add("reach-128", made(reach), "MODL-04", "a reach of 128")
    add("no-channels", made(lambda t, d: d.update(latents=0)), "MODL-04", "no channel")
    add(
        "operator-unknown",
        made(lambda t, d: d["networks"]["synthesis"].insert(2, {"op": "relu"})),
        "MODL-05",
        "an unknown operator",
    )
    add("profile-3", made(lambda t, d: d.update(profile=3)), "MODL-05", "an unknown profile")
    add(
        "profile-1-as-2",
        made(lambda t, d: d.update(profile=2)),
        "MODL-05 RMOD-01",
        "a model that decodes and says that it restores",
    )
    add(
        "hyper-depthwise",
        made(lambda t, d: d["networks"]["hyper"].append({"op": "depthwise", "name": "d", "clamp": [0, 9]})),
        "NETW-10 NETW-14",
        "a depthwise operator in the network hyper",
    )

    def shuffled(t: dict[str, Any], d: dict[str, Any]) -> None:
        d["networks"]["hyper"][1:] = [{"op": "shuffle", "factor": 2}, {"op": "shuffle", "factor": 2}]

    def more_shuffles(t: dict[str, Any], d: dict[str, Any]) -> None:
        d["networks"]["hyper"].append({"op": "shuffle", "factor": 1})

    def shuffle_of_one(t: dict[str, Any], d: dict[str, Any]) -> None:
        for part in ("weight", "bias", "shift"):
            t[f"s1.{part}"] = np.repeat(t[f"s1.{part}"], 16, 0)
        push, add, last = (d["networks"]["synthesis"][k] for k in (3, 5, 6))
        once, all_pixels = ({"op": "shuffle", "factor": factor} for factor in (1, 16))
        d["networks"]["synthesis"] = [push, once, add, last, all_pixels]

    def no_operator(t: dict[str, Any], d: dict[str, Any]) -> None:
        for name in ("step", "inverse", "offset", "s0.weight"):
            t[name] = np.repeat(t[name], 2, 1)
        d.update(latents=2, passes=[[0, 0, 1], [0, 1, 2], [1, 0, 1], [1, 1, 2]])
        d["networks"].update({"context.2": d["networks"]["context.0"], "context.3": []})

    def no_channel(t: dict[str, Any], d: dict[str, Any]) -> None:
        for name, shape in (("z", (0, 1)), ("y", (2, 0))):
            t[f"{name}.weight"] = np.zeros(shape, "<i2")
            t[f"{name}.bias"] = np.zeros(shape[0], "<i4")
            t[f"{name}.shift"] = np.ones(shape[0], "u1")
        d["networks"]["context.0"][1:] = [{"op": "pointwise", "name": n, "clamp": [-9, 9]} for n in "zy"]

    add(
        "shuffle-of-one",
        made(shuffle_of_one),
        "NETW-14 NETW-05 NETW-13",
        "a push, a shuffle of 1, an add",
        True,
    )
    add(
        "hyper-shuffle-of-one",
        made(more_shuffles),
        "NETW-10 NETW-14",
        "a second shuffle in hyper, of factor 1",
    )
    add(
        "context-empty",
        made(no_operator),
        "NETW-15",
        "a context network without operators, whose channels fit",
    )
    add("pointwise-empty", made(no_channel), "MODL-01", "a pointwise operator without channels of output")
    add("hyper-shuffles", made(shuffled), "NETW-10 NETW-14", "two shuffles in the network hyper")
    add(
        "context-channels",
        made(
            lambda t, d: (
                d["networks"]["context.0"].append({"op": "pointwise", "name": "w", "clamp": [0, 9]})
                or t.update(
                    {
                        "w.weight": np.ones((3, 2), "<i2"),
                        "w.bias": np.zeros(3, "<i4"),
                        "w.shift": np.ones(3, "u1"),
                    }
                )
            )
        ),
        "NETW-11 NETW-14",
        "a context network with three channels of output",
    )
    add(
        "context-shuffle",
        made(lambda t, d: d["networks"]["context.0"].append({"op": "shuffle", "factor": 1})),
        "NETW-11 NETW-14",
        "a shuffle in a context network",
    )
    add("peak-at-bound", made(lambda t, d: bound(t, d, 1)), "NETW-12", "a sum that can reach 2^24")
    add("layer-shift-0", made(put("s0.shift", 3, 0)), "NETW-12", "a shift of 0")
    add("layer-shift-25", made(put("s0.shift", 3, 25)), "NETW-12", "a shift of 25")
    add(
        "synthesis-clamp",
        made(lambda t, d: d["networks"]["synthesis"][-2].update(clamp=[0, 254])),
        "NETW-13",
        "samples that end at 254",
    )
    add(
        "synthesis-clamp-negative",
        made(lambda t, d: d["networks"]["synthesis"][-2].update(clamp=[-1, 255])),
        "NETW-13",
        "samples that begin at -1",
    )
    add(
        "synthesis-goes-on",
        made(
            lambda t, d: (
                d["networks"]["synthesis"].append({"op": "quality", "name": "q3", "clamp": [0, 255]})
                or t.update({"q3.table": np.zeros((64, 3), "<i2")})
            )
        ),
        "NETW-13",
        "an operator behind the last shuffle",
    )
    add(
        "synthesis-shuffles",
        made(lambda t, d: d["networks"]["synthesis"].insert(1, {"op": "shuffle", "factor": 1})),
        "NETW-13",
        "three shuffles in the synthesis",
    )
    add(
        "channels-do-not-fit",
        made(lambda t, d: t.update({"s1.weight": np.ones((48, 2), "<i2")})),
        "NETW-14",
        "a weight for two channels where there is one",
    )
    add(
        "depthwise-channels",
        made(
            lambda t, d: t.update(
                {
                    "d.weight": np.ones((2, 9), "<i2"),
                    "d.bias": np.zeros(2, "<i4"),
                    "d.shift": np.ones(2, "u1"),
                }
            )
        ),
        "NETW-14",
        "a depthwise operator of two channels where there is one",
    )
    add(
        "add-without-push",
        made(lambda t, d: d["networks"]["synthesis"].pop(3)),
        "NETW-14",
        "an add without a push",
    )
    add(
        "push-left",
        made(lambda t, d: d["networks"]["synthesis"].insert(3, {"op": "push"})),
        "NETW-14",
        "a push that nothing takes",
    )
    add(
        "add-at-another-scale",
        made(lambda t, d: d["networks"]["synthesis"].insert(0, d["networks"]["synthesis"].pop(3))),
        "NETW-14",
        "an add at another scale than its push",
    )
    add(
        "hyper-in-synthesis",
        made(lambda t, d: d["networks"]["synthesis"].insert(1, {"op": "hyper"})),
        "NETW-14",
        "the operator hyper in the synthesis",
    )
    add(
        "shuffle-does-not-divide",
        made(lambda t, d: d["networks"]["synthesis"].__setitem__(1, {"op": "shuffle", "factor": 3})),
        "NETW-14 NETW-13",
        "sixteen channels shuffled by three",
    )
