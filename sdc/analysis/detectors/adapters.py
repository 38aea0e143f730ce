"""The layouts that are known, and the choice among them for a network.

Another package adds an adapter by an entry point in the group ``sdc.detectors``: a class with ``name``,
``about`` and ``readings(network)``, as those here have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ...errors import SdcError
from ..registry import entry_points
from .boxes import Reading
from .network import Network, one_line
from .parts import Detr, Parts, Rows, Scored
from .tables import EndToEnd, RtDetrTable, Yolo5, Yolo8, YoloX

LEAST = 0.25
"""Score of the boxes that are read of the image that is tried."""


NEAR = 1
"""Points between two readings that are too few to choose one of them."""


class Adapter(Protocol):
    """A family of layouts.

    Attributes:
        name: in one word.
        about: networks and shapes, in one line.
    """

    name: str
    about: str

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs; none where they are others' ones."""


OWN: tuple[Adapter, ...] = (
    Yolo8(), Yolo5(), EndToEnd(), YoloX(), RtDetrTable(), Detr(), Parts(), Scored(), Rows()
)  # fmt: skip
"""Adapters of this package."""


def adapters() -> list[Adapter]:
    """All adapters, those of other packages first.

    Raises:
        SdcError: ``E_USAGE`` where one of another package cannot be had.
    """
    others = []
    for entry in entry_points(group="sdc.detectors"):
        try:
            others.append(entry.load()())
        except Exception as error:  # another package's
            message = f"{entry.name} cannot be had: {one_line(error)}"
            raise SdcError("E_USAGE", message, "sdc.detectors") from None
    return [*others, *OWN]


def chosen(network: Network, path: str) -> tuple[Adapter, Reading]:
    """The adapter that goes with a network, and how it reads its outputs.

    Of the readings whose values fit, the one counts for which clearly most speaks.

    Raises:
        SdcError: ``E_USAGE`` where there is none, or two alike; with the shapes that were seen.
    """
    outputs = [output.value for output in network.outputs]
    fitting: list[tuple[Adapter, Reading]] = []
    reasons = []
    for adapter in adapters():
        for reading in adapter.readings(network):
            try:
                with np.errstate(all="ignore"):  # of numbers that are none
                    reading.read(outputs, LEAST)
            except (ValueError, IndexError) as error:
                reasons.append((reading.points, f"{adapter.name} ({reading.what}) would have {error}"))
            else:
                fitting.append((adapter, reading))
    shown = f"input [{network.rows}, {network.cols}], outputs {'; '.join(map(str, network.outputs))}"
    if not fitting:
        why = f"; {max(reasons)[1]}" if reasons else ""
        message = f"no known layout of a detector{why}; {shown}; sdc analyze --detectors lists those known"
        raise SdcError("E_USAGE", message, path)
    most = max(reading.points for _, reading in fitting)
    best = [(adapter, reading) for adapter, reading in fitting if reading.points >= most - NEAR]
    if len(best) > 1:
        ways = " and ".join(f"{adapter.name} ({reading.what})" for adapter, reading in best)
        message = f"the layout is that of {ways} alike; names in the metadata decide; {shown}"
        raise SdcError("E_USAGE", message, path)
    return best[0]
