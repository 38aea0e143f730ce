"""The measurements, one after the other; what is compared is measured side by side."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sdc import core

from .figures import Key, Times, spread
from .fresh import fresh_times
from .inputs import AVIF_SPEED, FOUR, ONE, Inputs
from .javascript import node_times
from .large import Large
from .process import Child, environment, others

AVIF, JPEG, MBT2018 = "AVIF", "JPEG", "mbt2018-mean"
AVIF_ENCODER = f"AVIF, speed {AVIF_SPEED}"
L1, UP_TO_L3 = "L1", "L1 to L3"
LEVELS = {L1: ["L1"], UP_TO_L3: ["L1", "L2", "L3"]}
EFFORTS = (0, 3)
BESIDE = "decode beside two others"
SLOW_RUNS = 4
"""Runs of what takes seconds, at most."""


@dataclass
class Survey:
    """All that is measured in one run.

    Attributes:
        children: a process for each path of the core, the best first, NumPy last.
        peers: a process for other codecs.
        inputs: by source.
        quality: at which what is measured at one quality is measured.
        count: runs of each thing.
        variables: environment of the best path.
        limits: multiply-adds a second that each path can do.
        stages: seconds of each stage in some runs, by path.
        loader: images a second of a data loader.
        fresh: seconds until each step of a fresh process.
        large: large images.
    """

    children: list[Child]
    peers: Child
    inputs: list[Inputs]
    quality: int
    count: int
    model: int
    variables: dict[str, str]
    times: Times = field(default_factory=Times)
    limits: dict[str, float] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    loader: dict[str, float] = field(default_factory=dict)
    fresh: dict[str, list[float]] = field(default_factory=dict)
    large: list[Large] = field(default_factory=list)

    @property
    def best(self) -> Child:
        """The best path of the core, or NumPy."""
        return self.children[0]

    def everything(self, folder: Path) -> None:
        """Measure all but large images."""
        for inputs in self.inputs:
            for quality, layout in inputs.streams:
                self.decoding(inputs, quality, layout)
            self.encoding(inputs)
        self.where_time_goes()
        self.beside_others()
        self.loading()
        self.starting()
        self.javascript(folder)

    def decoding(self, inputs: Inputs, quality: int, layout: str) -> None:
        """Decode on each path, on two threads, in part, and by peers at the same rate."""
        place = (inputs.name, quality, layout)
        paths = inputs.paths(quality, layout)
        for child in self.children:
            self._time("decode", child, child.name, place, "decode", [_of(p, threads=1) for p in paths])
        two = [_of(p, threads=2) for p in paths]
        self._time("decode", self.best, two_threads(self.best.name), place, "decode", two)
        if layout == FOUR:
            for name, levels in LEVELS.items():
                part = [_of(p, threads=1, levels=levels) for p in paths]
                self._time(f"decode {name}", self.best, self.best.name, place, "decode", part)
        if layout == ONE:
            for codec in inputs.codecs(quality):
                files = [_of(p) for p in inputs.peers[quality, codec]]
                self._time("decode", self.peers, codec, place, "pillow_decode", files)

    def encoding(self, inputs: Inputs) -> None:
        """Encode on each path at two efforts, on two threads, and by peers."""
        place = (inputs.name, self.quality, ONE)
        for effort in EFFORTS:
            what = f"encode, effort {effort}"
            given = {"quality": self.quality, "effort": effort, "model": self.model}
            for child in self.children:
                items = [_of(p, threads=1, **given) for p in inputs.arrays]
                self._time(what, child, child.name, place, "encode", items, slow=child.name == core.NUMPY)
            two = [_of(p, threads=2, **given) for p in inputs.arrays]
            self._time(what, self.best, two_threads(self.best.name), place, "encode", two)
        encoders: dict[str, tuple[str, str, dict[str, Any]]] = {
            AVIF: (AVIF_ENCODER, "avif_encode", {"speed": AVIF_SPEED}),
            JPEG: (JPEG, "jpeg_encode", {}),
        }
        for codec in inputs.codecs(self.quality):
            name, job, more = encoders[codec]
            settings = inputs.settings[self.quality, codec]
            items = [_of(p, quality=q, **more) for p, q in zip(inputs.arrays, settings, strict=True)]
            self._time("encode", self.peers, name, place, job, items)
        if inputs is self.inputs[0]:
            self._compressai([_of(p) for p in inputs.arrays], place)

    def _compressai(self, arrays: list[dict[str, Any]], place: tuple[str, int, str]) -> None:
        if find_spec("compressai") is None:
            print(f"{MBT2018} left out: CompressAI is not installed")
            return
        for what in ("decode", "encode"):
            self._time(what, self.peers, MBT2018, place, f"mbt2018_{what}", arrays, slow=True)

    def _time(
        self,
        what: str,
        child: Child,
        by: str,
        place: tuple[str, int, str],
        job: str,
        items: Sequence[dict[str, Any]],
        slow: bool = False,
    ) -> None:
        count = min(self.count, SLOW_RUNS) if slow else self.count
        self.times.note(Key(what, by, *place), child.times(job, items, count))

    def where_time_goes(self) -> None:
        """Stages of decoding on each path, and what the path could do at most."""
        files = self.inputs[0].paths(self.quality, ONE)
        for child in self.children:
            limit = child.ask("limit")
            if limit is not None:
                self.limits[child.name] = limit
            self.stages[child.name] = child.ask("stages", files=files, count=self.count, model=self.model)

    def beside_others(self) -> None:
        """Decode alone, then beside two processes that compute, on one thread and as many as there are."""
        place = (self.inputs[0].name, self.quality, ONE)
        paths = self.inputs[0].paths(self.quality, ONE)
        for count, what in ((0, "decode alone"), (2, BESIDE)):
            with others(count):
                for threads in (1, None):
                    by = f"{self.best.name}, {'1 thread' if threads else 'default threads'}"
                    items = [_of(p, threads=threads) for p in paths]
                    self._time(what, self.best, by, place, "decode", items)

    def loading(self) -> None:
        """A data loader on one core: SDC whole and in part, and peers."""
        inputs = self.inputs[-1]
        paths = inputs.paths(self.quality, FOUR)
        images = 8 * self.count
        asked = [("SDC, whole", self.best, "decode", [_of(p) for p in paths])]
        asked += [
            (f"SDC, {name}", self.best, "decode", [_of(p, levels=levels) for p in paths])
            for name, levels in reversed(LEVELS.items())
        ]
        asked += [
            (name, self.peers, "pillow_decode", [_of(p) for p in inputs.peers[self.quality, name]])
            for name in inputs.codecs(self.quality)
        ]
        for name, child, job, items in asked:
            runs = [
                child.ask("loader", job=job, items=items, count=images) for _ in range(min(self.count, 3))
            ]
            if None not in runs:
                self.loader[name] = statistics.median(runs)
                print(f"data loader on one core       {name:22s} {self.loader[name]:.1f} images a second")

    def starting(self) -> None:
        """Import and first decode of fresh processes."""
        self.fresh = fresh_times(self.inputs[0].paths(self.quality, ONE), self.variables, self.count)
        for step, seconds in self.fresh.items():
            print(f"fresh process: {step:52s} {spread(seconds)} ms", flush=True)

    def javascript(self, folder: Path) -> None:
        """The decoder in JavaScript, plain and with the core as WebAssembly."""
        place = (self.inputs[0].name, self.quality, ONE)
        paths = self.inputs[0].paths(self.quality, ONE)
        for wasm, name in ((True, WEBASSEMBLY), (False, JAVASCRIPT)):
            count = self.count if wasm else min(self.count, SLOW_RUNS)
            seconds = node_times(wasm, paths, count, self.model, folder)
            if seconds:
                self.times.note(Key("decode", name, *place), seconds)


WEBASSEMBLY, JAVASCRIPT = "WebAssembly in Node", "JavaScript in Node"


def two_threads(name: str) -> str:
    """A path on two threads."""
    return f"{name}, 2 threads"


def _of(path: str, **arguments: Any) -> dict[str, Any]:
    """Arguments of a job for one input."""
    return {"path": path, **arguments}


@contextmanager
def processes(folder: Path) -> Iterator[tuple[list[Child], Child, dict[str, str]]]:
    """The measuring processes: of each path that this machine has, of peers, and the best one's environment.

    Raises:
        SystemExit: a process computes on another path than it was told to.
    """
    with ExitStack() as stack:
        cache = str(folder / "bytecode")
        children = [Child(name, environment(name, cache)) for name in core.paths()]
        peers = Child("peers", environment("", cache))
        for child in (*children, peers):
            stack.callback(child.close)
        for child in children:
            if child.ask("engine") != child.name:
                raise SystemExit(f"speed: {child.ask('engine')} computes, not {child.name}")
        yield children, peers, environment(children[0].name, cache)
