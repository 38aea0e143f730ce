"""Where the time of decoding goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sdc.codec.decoder import decode
from sdc.coding.engine import Engine, engine, use_engine
from sdc.networks.model import Model
from sdc.networks.registry import load_model
from sdc.networks.run import run
from sdc.types import Array

from ..commands.work import decoder_work

SYMBOLS, PARAMETERS, REST = "symbols", "parameters and latents", "pixels, copying, the rest"
STAGES = (SYMBOLS, PARAMETERS, "hyper", "contexts", "synthesis", REST)
"""In the order of decoding.  There is no conversion of colours: the synthesis gives RGB."""

_OF_CALLS = {
    "reader": SYMBOLS,
    "read_side_by_side": SYMBOLS,
    "decode_map": SYMBOLS,
    "entropy_parameters": PARAMETERS,
    "dequantise": PARAMETERS,
}


class _Watch:
    """Seconds by stage, of an engine and of networks."""

    def __init__(self, model: Model):
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._names = {id(network): name.partition(".")[0] for name, network in model.networks.items()}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent[stage] += time.perf_counter() - start

    def runner(self, network: Any, *args: Any, **kwargs: Any) -> Array:
        """A :class:`sdc.networks.run.Runner` whose time is noted."""
        name = self._names[id(network)]
        with self.of("contexts" if name == "context" else name):
            return run(network, *args, **kwargs)


class _Timed:
    """An engine whose time is noted."""

    def __init__(self, own: Engine, watch: _Watch):
        self._own, self._watch = own, watch

    def __getattr__(self, name: str) -> Any:
        function, stage = getattr(self._own, name), _OF_CALLS[name]

        def timed(*args: Any) -> Any:
            with self._watch.of(stage):
                return function(*args)

        return timed


def stages_of(files: Sequence[str], count: int, model: int) -> list[dict[str, float]]:
    """Seconds of each stage of decoding streams on one thread, one after the other, in ``count`` runs."""
    watch = _Watch(load_model(model))
    own = use_engine(cast(Engine, _Timed(engine(), watch)))
    found: list[dict[str, float]] = []
    try:
        for k in range(-1, count):  # the first run warms up
            data = Path(files[k % len(files)]).read_bytes()
            watch.spent.clear()
            start = time.perf_counter()
            decode(data, runner=watch.runner, threads=1)
            whole = time.perf_counter() - start
            if k >= 0:
                found.append(dict(watch.spent) | {REST: whole - sum(watch.spent.values())})
    finally:
        use_engine(own)
    return found


def multiply_adds_of(model: int) -> Mapping[str, float]:
    """Multiply-adds for each pixel of the stages that have such."""
    return decoder_work(load_model(model))
