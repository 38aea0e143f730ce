"""Another engine or runner in place of the one that is always there does all the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sdc import Object, decode, encode, validate
from sdc.coding.engine import Engine, PythonEngine, use_engine
from sdc.coding.symbols import SymbolTables
from sdc.errors import SdcError
from sdc.format.objs import parse_objects
from sdc.format.parse import parse
from sdc.networks.run import use_runner


class Counting:
    """An engine that counts what it is asked, checks that it is given plain arrays, and lets Python do it."""

    def __init__(self) -> None:
        self.own, self.calls = PythonEngine(), Counter[str]()

    def reader(self, payload: bytes, tables: SymbolTables) -> Any:
        return self._coder("read", self.own.reader(payload, tables))

    def read_side_by_side(self, readers: Any, *args: Any) -> Any:
        self.calls["read_side_by_side"] += 1
        return self.own.read_side_by_side(readers, *args)

    def writer(self, tables: SymbolTables) -> Any:
        assert len(tables.reach) == len(tables.base) == 64
        assert len(tables.starts) == len(tables.frequencies) == tables.base[-1] + 2 * tables.reach[-1] + 2
        return self._coder("write", self.own.writer(tables))

    def _coder(self, name: str, coder: Any) -> Any:
        calls = self.calls

        class Coder:
            def _code(self, indices: np.ndarray, *residuals: np.ndarray) -> Any:
                assert indices.ndim == 1 and all(r.shape == indices.shape for r in residuals)
                calls[name] += 1
                return getattr(coder, name)(indices, *residuals)

            read = write = _code

            def finish(self) -> Any:
                calls[f"{name} to its end"] += 1
                return coder.finish()

        return Coder()

    def decode_map(self, data: bytes, rows: int, cols: int, count: int) -> Any:
        self.calls["decode_map"] += 1
        return self.own.decode_map(data, rows, cols, count)

    def encode_map(self, labels: np.ndarray, count: int) -> bytes:
        self.calls["encode_map"] += 1
        return self.own.encode_map(labels, count)

    def entropy_parameters(self, raw: np.ndarray, *args: Any) -> Any:
        self.calls["entropy_parameters"] += 1
        return self.own.entropy_parameters(raw, *args)

    def dequantise(self, residuals: np.ndarray, *args: Any) -> None:
        self.calls["dequantise"] += 1
        self.own.dequantise(residuals, *args)


@pytest.fixture
def counting() -> Iterator[Counting]:
    found: Engine = Counting()
    before = use_engine(found)
    yield found  # type: ignore[misc]
    assert use_engine(before) is found


PICTURE = np.random.default_rng(7).integers(0, 256, (60, 70, 3)).astype(np.uint8)
THING = Object("thing", (3, 4, 40, 40), "L1", mask=np.tri(40, dtype=bool))


def test_an_engine_does_all_the_entropy_coding(counting: Counting) -> None:
    data = encode(PICTURE, objects=[THING], pixel_masks=True, effort=1)
    groups, passes = 2, 5  # the hyper residuals are read before the passes
    assert counting.calls["encode_map"] == 2  # the group map and the mask of the thing
    assert counting.calls["write to its end"] == groups
    assert counting.calls["write"] == groups * passes
    counting.calls.clear()
    decoded = decode(data)
    side_by_side = passes - 1
    assert counting.calls == {
        "decode_map": 1,
        "read": groups * passes,
        "read to its end": groups,
        "read_side_by_side": passes,
        "entropy_parameters": side_by_side,
        "dequantise": side_by_side,
    }
    stream = parse(data)
    counting.calls.clear()
    parse_objects(stream)
    assert counting.calls["decode_map"] == 1
    use_engine(PythonEngine())
    assert np.array_equal(decode(data).pixels, decoded.pixels)
    assert encode(PICTURE, objects=[THING], pixel_masks=True, effort=1) == data
    use_engine(counting)


def test_errors_of_an_engine_are_those_of_the_stream(counting: Counting) -> None:
    class FailingReader(Counting):
        def reader(self, payload: bytes, tables: SymbolTables) -> Any:
            raise SdcError("E_RANS_STATE")

    class FailingMap(Counting):
        def decode_map(self, data: bytes, rows: int, cols: int, count: int) -> Any:
            raise SdcError("E_MASK_LABEL")

    data = encode(PICTURE, objects=[THING])
    try:
        use_engine(FailingMap())
        assert [e.code for e in validate(data).errors] == ["E_MASK_LABEL"]
        use_engine(FailingReader())
        with pytest.raises(SdcError, match="E_RANS_STATE"):
            decode(data)
    finally:
        use_engine(counting)


def test_a_runner_in_use_runs_the_networks_of_decoder_and_encoder() -> None:
    ran = Counter[int]()

    def runner(network: Any, *args: Any, **kwargs: Any) -> Any:
        ran[len(network)] += 1
        return before(network, *args, **kwargs)

    data = encode(PICTURE)
    before = use_runner(runner)
    try:
        assert encode(PICTURE) == data and ran
        ran.clear()
        decode(data)
        assert sum(ran.values()) >= 4  # hyper network, contexts, synthesis
    finally:
        assert use_runner(before) is runner
