"""What every operator of an integer network can do (spec section 10.3).

An operator is read from a model file, checked, run, and run backward.  Whatever works on networks asks
its operators; nothing asks what kind they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...types import Array
from ..sites import Sites


@dataclass(frozen=True)
class Flow:
    """What a network's values are known to be while it is checked.

    Attributes:
        channels: of each site.
        peak: largest magnitude of a value.
        factor: sites per side of a cell.
        hyper: ``(channels, peak)`` of the hyper features.
        condition: the same of the features of a group's condition.
        pushed: ``(channels, factor)`` of what ``push`` remembered and no ``add`` took yet.
    """

    channels: int
    peak: int
    hyper: tuple[int, int] = (0, 0)
    condition: tuple[int, int] = (0, 0)
    factor: int = 1
    pushed: tuple[tuple[int, int], ...] = ()


@dataclass
class Work:
    """What an operator may need beside its input while a network runs on some cells.

    Attributes:
        sites: all cells of the run.
        cells: those worked on, as indices into ``sites``.
        factor: sites per side of a cell, at the operator's input.
        hyper: ``[len(sites), F]`` hyper features, if the network has any.
        arithmetic: ``float32``, ``float64`` or ``int64``.
        pushed: what ``push`` remembered, the last one last.
    """

    sites: Sites
    cells: slice | Array
    factor: int
    hyper: Array | None
    arithmetic: str
    pushed: list[Array] = field(default_factory=list)


@dataclass
class BackwardWork:
    """What an operator may need beside the gradient at its output.

    Attributes:
        sites: all cells of the run.
        hyper: channels of the hyper features, whose gradient is not wanted.
        sums: gradients at sums (``add``) whose other term was not reached yet.
    """

    sites: Sites
    hyper: int
    sums: list[Array] = field(default_factory=list)


class Operator(ABC):
    """One operator of a network, with its tensors as the model file holds them.

    Attributes:
        kind: its name in a model file.
        radius: sites to each side that it reads beside a site itself.  One with a radius begins a part of a
            network (:func:`sdc.networks.network.segments`): it is given all sites, with a row of zeros
            behind them, and the gradient of all.
    """

    kind: ClassVar[str]
    radius: ClassVar[int] = 0

    @classmethod
    @abstractmethod
    def parse(cls, row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Operator:
        """Read an operator from its row of a model file (spec section 10.3).

        Raises:
            SdcError: ``E_MODEL_FILE``.
            KeyError, TypeError: something is not there or is something else.
        """

    @abstractmethod
    def check(self, flow: Flow, where: str) -> Flow:
        """What flows behind the operator, if what flows in fits.

        Args:
            flow: in front of it.
            where: its place, for messages.

        Raises:
            SdcError: ``E_MODEL_FILE``.
        """

    @abstractmethod
    def run(self, x: Array, work: Work) -> Array:
        """Values behind the operator, ``[sites, channels]``; ``x`` stays as it is."""

    @abstractmethod
    def backward(self, gradient: Array, work: BackwardWork) -> Array:
        """Gradient at the input from that at the output, ``float32 [sites, channels]``.

        Rounding counts as the identity; the clamp of a :class:`Clamped` operator was seen to before.
        """

    def factor_behind(self, factor: int) -> int:
        """Sites per side of a cell behind the operator, from those in front of it."""
        return factor

    @property
    def multiply_adds(self) -> int:
        """For each site at the input."""
        return 0


class Clamped(Operator):
    """An operator whose output is held between two bounds.

    Attributes:
        clamp: the bounds, both of which a value may reach.
    """

    clamp: tuple[int, int]

    @property
    def peak(self) -> int:
        """Largest magnitude of an output."""
        return max(map(abs, self.clamp))

    def passes(self, values: Array) -> Array | None:
        """Where the clamp let outputs through, ``bool`` of their shape; ``None`` for everywhere."""
        free = (values > self.clamp[0]) & (values < self.clamp[1])
        return None if free.all() else free
