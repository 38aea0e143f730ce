"""Latents to restored samples (spec section "Restoration"): a second result beside the decoded image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor
from numbers import Real
from operator import index

import numpy as np

from ..errors import SdcError
from ..format.rest import Restoration, check_sizes
from ..format.stream import Outline
from ..networks.model import Model
from ..networks.network import Network
from ..networks.operators import Modulate, Operator, Pool, Work
from ..networks.registry import RESTORERS, restoration_for
from ..networks.restoration import RestorationModel
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..types import Array, Pixels
from .transforms import synthesis_transform

FOUND = 0.15
"""Least strength of a degradation that counts as found."""


@dataclass(frozen=True)
class Restorer:
    """What restores the groups of a stream.

    Attributes:
        model: by which it is done.
        said: what the stream says about this model; ``None`` where every vector is derived.
        strength: part of the way from the vector that changes nothing to that of a group.
    """

    model: RestorationModel
    said: Restoration | None
    strength: float = 1.0

    def restore(
        self,
        latents: Array,
        sites: Sites,
        canvas: Pixels,
        *,
        arithmetic: str = "float32",
        runner: Runner = run,
    ) -> dict[int, tuple[int, ...]]:
        """Put the restored samples of groups into a canvas.

        Args:
            latents: ``int [cells, M]``.
            sites: the cells of one or more groups.
            canvas: ``uint8 [rows * 16, cols * 16, 3]``, written in place.

        Returns:
            The vector of each group.
        """
        vectors = {}
        for k in np.unique(sites.labels).tolist():
            own = np.flatnonzero(sites.labels == k)
            vector = None if self.said is None else self.said.vector_of(k)
            if self.strength != 1:
                if vector is None:
                    vector = derived_vector(latents[own], sites.take(own), self.model, arithmetic, runner)
                vector = weakened(vector, self.model, self.strength)
            vectors[k] = restore_group(
                latents[own],
                sites.take(own),
                self.model,
                vector,
                canvas,
                arithmetic=arithmetic,
                runner=runner,
            )
        return vectors


def weakened(vector: Sequence[int], model: RestorationModel, strength: float) -> tuple[int, ...]:
    """A vector part of the way from the one that changes nothing, each value rounded, halves up.

    Args:
        vector: V values of -128 to 127.
        model: whose vector it is, which says what changes nothing.
        strength: 0 to 1.
    """
    none = model.none or (0,) * model.vector
    return tuple(floor(n + strength * (v - n) + 0.5) for n, v in zip(none, vector, strict=True))


def check_restore(restore: bool | int, strength: float = 1.0) -> None:
    """Refuse what neither is a truth value nor can be the number of a model, and what is no strength.

    Raises:
        SdcError: ``E_USAGE``.
    """
    try:
        right = isinstance(restore, bool) or 0 <= index(restore) < 1 << 32
    except TypeError:
        right = False
    if not right:
        raise SdcError("E_USAGE", f"restore is True, False or the number of a model, not {restore!r}")
    if isinstance(strength, bool) or not isinstance(strength, Real) or not 0 <= float(strength) <= 1:
        raise SdcError("E_USAGE", f"a strength of restoration is 0 to 1, not {strength!r}")


def restorer_for(
    stream: Outline, said: Restoration | None, restore: bool | int, base: Model, strength: float = 1.0
) -> Restorer:
    """What restores a stream: the model that the caller names, or else that of REST (RSTR-05, RSTR-06).

    Args:
        said: what REST says; ``None`` without the chunk.
        restore: ``True`` for what REST names, or else for the one of :data:`sdc.networks.registry.RESTORERS`;
            or the number of a restoration model.
        base: the model that decodes the stream.
        strength: 0 to 1.

    Raises:
        SdcError: ``E_MODEL``, ``E_MODEL_HASH`` or ``E_MODEL_FILE``; ``E_REST`` for vectors of another
            size than the model wants; ``E_USAGE`` for a strength below 1 with a model that cannot do less.
    """
    restorer = _restorer_for(stream, said, restore, base)
    if strength != 1 and restorer.model.none is None:
        raise SdcError("E_USAGE", f"model {restorer.model.number} restores with a strength of 1 alone")
    return replace(restorer, strength=float(strength))


def _restorer_for(stream: Outline, said: Restoration | None, restore: bool | int, base: Model) -> Restorer:
    if said is not None and (restore is True or restore == said.model):
        model = restoration_for(said.model, said.weights, base)
        check_sizes(stream, said, model.vector)
        return Restorer(model, said)
    if restore is True:
        if base.number not in RESTORERS:
            words = f"the stream names no restoration model, and none is known for model {base.number}"
            raise SdcError("E_MODEL", f"{words}: its number is needed", "REST")
        restore = RESTORERS[base.number]
    return Restorer(restoration_for(restore, None, base), None)


def restore_group(
    latents: Array,
    sites: Sites,
    model: RestorationModel,
    vector: Sequence[int] | None,
    canvas: Pixels,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> tuple[int, ...]:
    """Put the restored samples of a group into a canvas.

    Args:
        latents: ``int [cells, M]`` of the group.
        sites: its cells, in raster order.
        vector: V values of -128 to 127 for it; ``None`` to derive them from its latents.
        canvas: ``uint8 [rows * 16, cols * 16, 3]``, written in place.

    Returns:
        The vector that was used.
    """
    if vector is None:
        vector = derived_vector(latents, sites, model, arithmetic, runner)
    network = conditioned(model, vector, int(sites.qualities[0]), arithmetic, runner)
    synthesis_transform(latents, sites, network, canvas, arithmetic=arithmetic, runner=runner)
    return tuple(vector)


def derived_vector(
    latents: Array, sites: Sites, model: RestorationModel, arithmetic: str = "float32", runner: Runner = run
) -> tuple[int, ...]:
    """The vector of a group from its own latents (RSTR-04).

    Args:
        latents: ``int [cells, M]`` of the group.
    """
    cells = runner(model.derive, sites, latents, arithmetic=arithmetic)
    site = _group_site(int(sites.qualities[0]))
    pooled = Pool().run(cells, Work(sites, slice(0, len(sites)), 1, None, arithmetic))
    values = runner(model.derived, site, pooled, arithmetic=arithmetic)[0]
    return tuple(int(v) for v in values)


def degradations_of(
    vector: Sequence[int],
    quality: int,
    model: RestorationModel,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> dict[int, float]:
    """What a vector says is wrong with a group: strengths of 0 to 1 by kind, those that are found.

    Args:
        vector: V values of -128 to 127.
        quality: of the group.
        model: whose vector it is; it may tell nothing.
    """
    if not model.degradations:
        return {}
    given = np.array([vector], np.int64)
    found = runner(model.degradations, _group_site(quality), given, arithmetic=arithmetic)[0]
    strengths = {kind: float(v) / 255 for kind, v in zip(model.kinds, found, strict=True)}
    return {kind: strength for kind, strength in strengths.items() if strength >= FOUND}


def conditioned(
    model: RestorationModel,
    vector: Sequence[int],
    quality: int,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> Network:
    """The network ``restore`` with the gains and offsets that a vector gives (RSTR-03).

    Args:
        vector: V values of -128 to 127.
        quality: of the group.
    """
    site = _group_site(quality)
    given = np.array([vector], np.int64)
    features = runner(model.condition, site, given, arithmetic=arithmetic)

    def known(op: Operator) -> Operator:
        if not isinstance(op, Modulate):
            return op
        gains, offsets = (
            runner((layer,), site, features, arithmetic=arithmetic)[0] for layer in (op.gain, op.offset)
        )
        return op.of_group(gains, offsets)

    return tuple(known(op) for op in model.restore)


def _group_site(quality: int) -> Sites:
    """One site for a whole group."""
    zero = np.zeros(1, np.int64)
    return Sites(zero, zero, zero, np.full(1, quality))
