"""Operators of networks as classes of one kind, in decoders and beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdc.errors import SdcError
from sdc.networks.gradient import backward
from sdc.networks.network import check_network, networks_of, receptive_radius, segments
from sdc.networks.operators import (
    OPERATORS,
    Add,
    Depthwise,
    Flow,
    Hyper,
    Operator,
    Push,
    Shuffle,
    Unshuffle,
    Work,
)
from sdc.networks.profile import operators_of
from sdc.networks.run import Tape, run
from sdc.networks.sites import Sites

WIDE = (-30000, 30000)


def some_sites(count: int) -> Sites:
    cells = np.arange(count)
    return Sites(cells // 3, cells % 3, np.zeros(count, np.int64), np.full(count, 9))


class Mean(Operator):
    """A pooling, which no decoder has: the mean of a cell's sites."""

    kind = "mean"

    @classmethod
    def parse(cls, row: Any, tensors: Any) -> Mean:
        return cls()

    def check(self, flow: Flow, where: str) -> Flow:
        return flow

    def run(self, x: np.ndarray, work: Work) -> np.ndarray:
        return x.reshape(-1, work.factor**2, x.shape[1]).mean(1)

    def backward(self, gradient: np.ndarray, work: Any) -> np.ndarray:
        return np.repeat(gradient, 4, 0) / 4

    def factor_behind(self, factor: int) -> int:
        return 1


def test_an_operator_of_others_is_read_and_run_but_is_not_of_the_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [{"op": "shuffle", "factor": 2}, {"op": "mean"}]
    description = {"networks": {"pooled": rows}}
    with pytest.raises(SdcError, match="unknown operator mean"):
        networks_of({}, description, ["pooled"])
    monkeypatch.setitem(OPERATORS, "mean", Mean)
    network = networks_of({}, description, ["pooled"])["pooled"]
    assert [op.kind for op in network] == ["shuffle", "mean"] and receptive_radius(network) == 0
    x = np.arange(5 * 8, dtype=np.float32).reshape(5, 8)
    tape: Tape = []
    got = run(network, some_sites(5), x, tape=tape)
    assert np.array_equal(got, x.reshape(5, 4, 2).mean(1))
    slope = np.ones((5, 2), np.float32)
    assert (backward(network, some_sites(5), slope, tape) == 0.25).all()
    with pytest.raises(SdcError, match="operator mean may not stand here") as refused:
        check_network("synthesis", network, 8, 100)
    assert refused.value.code == "E_MODEL_FILE" and refused.value.where == "synthesis[1]"


@pytest.mark.parametrize(
    ("operator", "name", "fits"),
    [
        (Unshuffle(2), "analysis", True),
        (Unshuffle(2), "synthesis", False),
        (Unshuffle(2), "context.0", False),
        (Hyper(), "context.1", True),
        (Hyper(), "synthesis", False),
        (Hyper(), "analysis", False),
    ],
)
def test_where_operators_may_stand(operator: Operator, name: str, fits: bool) -> None:
    assert (operator.kind in operators_of(name)) == fits
    if fits:
        assert check_network(name, [operator], 4, 100, (3, 200)) == (
            (16, 100) if name == "analysis" else (7, 200)
        )
    else:
        with pytest.raises(SdcError, match="may not stand here"):
            check_network(name, [operator], 4, 100, (3, 200))


def test_hyper_features_stand_at_cells_only() -> None:
    with pytest.raises(SdcError, match="operator hyper may not stand here"):
        check_network("context.0", [Shuffle(2), Hyper()], 4, 100, (3, 200))


def test_what_is_remembered_is_added_at_its_own_size_and_in_the_end() -> None:
    for network in ([Add(WIDE)], [Push(), Shuffle(2), Add(WIDE)], [Push(), Unshuffle(2), Add(WIDE)]):
        with pytest.raises(SdcError, match="nothing of that width to add"):
            check_network("analysis", network, 4, 100)
    with pytest.raises(SdcError, match="never added"):
        check_network("analysis", [Push()], 4, 100)
    assert check_network("analysis", [Push(), Add((-7, 6))], 4, 100) == (4, 7)


def test_gradients_of_what_only_encoders_and_contexts_have() -> None:
    sites, rng = some_sites(6), np.random.default_rng(0)
    x, hyper = rng.integers(-9, 9, (24, 2)).astype(np.float32), rng.integers(-9, 9, (6, 3))
    network, tape = (Unshuffle(2), Push(), Add(WIDE), Hyper()), Tape()
    out = run(network, sites, x, factor=2, hyper=hyper, tape=tape)
    assert np.array_equal(out, np.concatenate([2 * x.reshape(6, 8), hyper], 1))
    slope = rng.normal(0, 1, out.shape).astype(np.float32)
    assert np.array_equal(backward(network, sites, slope, tape, 3), 2 * slope[:, :8].reshape(24, 2))


def test_radius_and_parts_follow_the_operators() -> None:
    taps = Depthwise(WIDE, np.zeros((4, 9)), np.zeros(4))
    network = [Push(), taps, taps, Shuffle(2), taps, taps, taps]
    assert [len(part) for part in segments(network)] == [1, 1, 2, 1, 1, 1]
    assert receptive_radius(network) == 4  # 2 cells and 3 half ones
    assert receptive_radius(network, 2) == 2  # 2 half cells and 3 quarters
    assert [op.multiply_adds for op in network[:2]] == [0, 36]
