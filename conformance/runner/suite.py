"""The vectors and what is asked about them: the manifest, its rule for prefixes and subsets, tiers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from .png import read_png

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

LADDER = ("T0", "T1", "T2", "T3")

KEYS = {
    "OBJS": "objects",
    "COLR": "colour",
    "ICCP": "icc",
    "EXIF": "exif",
    "XMPP": "xmp",
    "REST": "restoration",
}
"""Chunks that a decoder need not read, with the key of ``info`` that tells of each."""

TIERS_ALL = (*LADDER, "R", "A", "M", "X", "V", "C", "E")


@dataclass(frozen=True)
class Question:
    """One thing that a decoder is asked.

    Attributes:
        name: of the vector and the question, such as ``partial/two-groups.sdc:decode@57``.
        tier: of the question; single keys of its answer may be of a higher one.
        wanted: keys ``exit``, ``codes`` and ``answer``.
        cut: bytes of the file, all by default.
        groups: selection.
        negative: whether the negative of the picture is to be encoded.
    """

    name: str
    entry: dict[str, Any] = field(repr=False)
    op: str
    tier: str
    wanted: dict[str, Any] = field(repr=False)
    cut: int | None = None
    groups: tuple[int, ...] | None = None
    negative: bool = False

    def line(self, suite: Suite, identity: int) -> bytes:
        """The question as a line of ``serve``."""
        data = base64.b64encode(self.data(suite)).decode()
        question: dict[str, Any] = {"id": identity, "op": self.op, "data": data}
        if self.groups is not None:
            question["groups"] = list(self.groups)
        more = ("quality", "objects", "alpha", "restored")
        question |= {key: self.wanted[key] for key in more if key in self.wanted}
        return json.dumps(question).encode() + b"\n"

    def data(self, suite: Suite) -> bytes:
        """The file that the question is about."""
        if self.op != "encode" or not self.entry["file"].endswith(".png"):
            return suite.data(self.entry["file"])[: self.cut]
        width, height, pixels = self.picture(suite)
        return b"P6\n%d %d\n255\n" % (width, height) + pixels

    def picture(self, suite: Suite) -> tuple[int, int, bytes]:
        """What is to be encoded: width, height, and R, G, B of each pixel in raster order."""
        width, height, pixels = suite.picture(self.entry["file"])
        x, y, w, h = self.wanted.get("crop", (0, 0, width, height))
        rows = (pixels[3 * (width * row + x) :][: 3 * w] for row in range(y, y + h))
        part = b"".join(rows)
        return w, h, bytes(255 - value for value in part) if self.negative else part

    @property
    def by_command(self) -> bool:
        """Whether only a command can be asked, since the question is about its files."""
        return "trouble" in self.wanted


@dataclass
class Suite:
    """The vectors: manifest and files.

    Attributes:
        folder: where they lie.
        manifest: as in ``manifest.json``.
    """

    folder: Path
    manifest: dict[str, Any]
    _data: dict[str, bytes] = field(default_factory=dict, repr=False)
    _pictures: dict[str, tuple[int, int, bytes]] = field(default_factory=dict, repr=False)

    @staticmethod
    def load(folder: Path = VECTORS) -> Suite:
        """Read the manifest of a folder."""
        return Suite(folder, json.loads((folder / "manifest.json").read_text("utf-8")))

    def data(self, name: str) -> bytes:
        """Bytes of a file."""
        if name not in self._data:
            self._data[name] = (self.folder / name).read_bytes()
        return self._data[name]

    def picture(self, name: str) -> tuple[int, int, bytes]:
        """Width, height and pixels of a picture of the vectors."""
        if name not in self._pictures:
            self._pictures[name] = read_png(self.data(name))
        return self._pictures[name]

    def check(self) -> list[str]:
        """What is wrong with the files."""
        out = []
        rows = [(e["file"], e["sha256"]) for e in self.manifest["vectors"]]
        rows += [(row["file"], row["sha256"]) for row in self.manifest["models"].values() if "file" in row]
        rows += list(self.manifest["stages"].items())
        for name, sha256 in rows:
            try:
                if hashlib.sha256(self.data(name)).hexdigest() != sha256:
                    out.append(f"{name} is not the file that the manifest names")
            except OSError as error:
                out.append(f"{name}: {error.strerror}")
        return out

    def models(self, *folders: Path) -> tuple[dict[str, Path], list[str]]:
        """Model files of the manifest.

        The file of a model that does not lie among the vectors is part of the package ``sdc``, which stands
        beside this one where both are installed, and in a clone.

        Args:
            folders: where to look first.

        Returns:
            ``(files by name, numbers of the models of which no file has the right hash)``.
        """
        places = [*folders, self.folder / "models", self.folder.parents[1] / "sdc" / "models"]
        found, missing = {}, []
        for number, row in self.manifest["models"].items():
            name = f"sdc-model-{number}.safetensors"
            for path in (place / name for place in places):
                if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]:
                    found[name] = path.resolve()
                    break
            else:
                missing.append(number)
        return found, missing

    def questions(self, tiers: Sequence[str], without: Iterable[str] = ()) -> list[Question]:
        """All questions of some tiers.

        Args:
            tiers: those claimed.
            without: chunks that the decoder does not read, and models such as ``model-1`` that are not here.
        """
        out: list[Question] = []
        for entry in self.manifest["vectors"]:
            if not set(entry.get("needs", ())) & set(without):
                for question in _questions(entry):
                    if question.tier in tiers:
                        out.append(question)
        return out


def _questions(entry: dict[str, Any]) -> Iterator[Question]:
    """Questions of a vector."""
    name = entry["file"]
    for ask in entry.get("ask", ()):
        groups = tuple(ask["groups"]) if "groups" in ask else None
        label = f"{name}:{ask['op']}" + ("" if groups is None else f"[{','.join(map(str, groups))}]")
        label += f"-{ask['name']}" if "name" in ask else ""
        yield Question(label, entry, ask["op"], ask["tier"], ask, None, groups)
    rule = entry.get("rule")
    if rule is None:
        return
    for step in rule["prefixes"]:
        for n in range(step["from"], step["to"] + 1):
            yield Question(f"{name}:info@{n}", entry, "info", "T2", _prefix_info(step), n)
            yield Question(f"{name}:decode@{n}", entry, "decode", "T2", _prefix_decode(rule, step), n)
    count = len(rule["groups"])
    for size in range(count + 1):
        for chosen in combinations(range(count), size):
            label = f"{name}:decode[{','.join(map(str, chosen))}]"
            yield Question(label, entry, "decode", "T2", _subset(rule, chosen), None, chosen)


def _prefix_info(step: dict[str, Any]) -> dict[str, Any]:
    """What ``info`` must say about a prefix."""
    if "codes" in step:
        return {"exit": step["exit"], "codes": step["codes"]}
    groups = [{"state": state} for state in step["states"]]
    return {"exit": step["exit"], "answer": {"errors": step["errors"], "groups": groups, "map": step["map"]}}


def _prefix_decode(rule: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """What ``decode`` of all groups must say about a prefix."""
    if "codes" in step:
        return {"exit": step["exit"], "codes": step["codes"]}
    asked = [k for k in range(len(step["states"])) if k not in rule["withdrawn"]]
    good = [k for k in asked if step["states"][k] == "complete"]
    return _decoded(rule, asked, good, dict(enumerate(step["states"])), step["map"])


def _subset(rule: dict[str, Any], chosen: Sequence[int]) -> dict[str, Any]:
    """What ``decode`` of some groups must say about a whole file."""
    last = rule["prefixes"][-1]
    states = dict(enumerate(last["states"]))
    good = [k for k in chosen if states[k] == "complete"]
    return _decoded(rule, chosen, good, {k: states[k] for k in chosen}, last["map"])


def _decoded(
    rule: dict[str, Any], asked: Sequence[int], good: Sequence[int], states: dict[int, str], labels: str
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for k, hashes in enumerate(rule["groups"]):
        row: dict[str, Any] = {"decoded": k in good}
        if k in asked:
            row["state"] = states[k]
        rows.append({**row, **hashes} if k in good else row)
    pixels = rule["pixels"][",".join(map(str, good))]
    return {
        "exit": 0 if len(good) == len(asked) else 3,
        "answer": {"map": labels, "groups": rows, "pixels": pixels},
    }


def exits_of(wanted: dict[str, Any]) -> list[int]:
    """Exit statuses that are right: one, but where the specification leaves a choice."""
    exits = wanted["exit"]
    return list(exits) if isinstance(exits, list) else [exits]


def tiers_of(text: str) -> tuple[str, ...]:
    """Tiers that a claim such as ``T2,M`` holds.

    Raises:
        ValueError: for what is no tier.
    """
    out: set[str] = set()
    for name in text.split(","):
        if name in LADDER:
            out |= set(LADDER[: LADDER.index(name) + 1])
        elif name in TIERS_ALL:
            out.add(name)
        else:
            raise ValueError(f"{name} is no tier; there are {', '.join(TIERS_ALL)}")
    return tuple(t for t in TIERS_ALL if t in out)


def claimed(tiers: Sequence[str]) -> list[str]:
    """Tiers as they are named on the command line."""
    ladder = [t for t in tiers if t in LADDER]
    return [*ladder[-1:], *(t for t in tiers if t not in LADDER)]
