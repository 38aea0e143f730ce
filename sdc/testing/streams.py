"""Streams for tests, ours and other people's: seeded, small, on the synthetic model.

Every stream here is valid.  Latents come from an integer generator, so that all scale indices,
clamps and escapes are reached, which photographs never do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..codec.encoder import assemble
from ..coding.passes import GroupCoder, encode_group, sites_of
from ..format.chunks import EXIF, ICCP, OBJS, Chunk
from ..format.deflated import deflated_payload
from ..format.grps import Group
from ..format.head import Head
from ..format.objs import objects_payload
from ..format.objs_rows import Bounds
from ..networks.registry import load_model
from ..objects.object import Object
from ..types import LEVELS, Array


@dataclass(frozen=True, eq=False)
class Drawn:
    """A random stream and what it was made of."""

    data: bytes
    head: Head
    groups: tuple[Group, ...]
    labels: Array


def random_labels(rng: np.random.Generator, rows: int, cols: int, count: int, holes: bool) -> Array:
    """A random group map, ``uint8 [rows, cols]``: rectangles over a background, every group present.

    Args:
        count: number of groups, at most the number of cells.
        holes: whether some cells belong to no group.
    """
    labels = np.full((rows, cols), count, np.uint8)
    for _ in range(int(rng.integers(0, 2 * count + 2))):
        y, x = int(rng.integers(rows)), int(rng.integers(cols))
        h, w = int(rng.integers(1, rows + 1)), int(rng.integers(1, cols + 1))
        labels[y : y + h, x : x + w] = rng.integers(0 if holes else 1, count + 1)
    places = rng.permutation(rows * cols)[:count]
    for k in range(count):  # also a group that was painted over keeps a cell
        if not (labels == k + 1).any():
            labels.reshape(-1)[places[k]] = k + 1
    counts = np.bincount(labels.reshape(-1), minlength=count + 1)
    if not counts[1:].all():
        labels = (np.arange(rows * cols) % count + 1).astype(np.uint8).reshape(rows, cols)
    return labels


def random_stream(
    seed: int,
    *,
    width: int | None = None,
    height: int | None = None,
    count: int | None = None,
    model: int = 0,
    amplitude: int | None = None,
    extras: bool | None = None,
) -> Drawn:
    """A random valid stream.

    Args:
        seed: of everything not given.
        width, height: in pixels; small and odd sizes by default.
        count: number of groups.
        model: number in the registry.
        amplitude: size of the latents, 0 (nothing but zeros) to 2047.
        extras: whether there are ICCP, OBJS, EXIF and unknown ancillary chunks; random by default.
    """
    rng = np.random.default_rng(seed)
    loaded = load_model(model)
    width = int(rng.integers(1, 100)) if width is None else width
    height = int(rng.integers(1, 100)) if height is None else height
    head = Head(width, height, model, loaded.weights)
    cells = head.rows * head.cols
    count = min(int(rng.integers(1, 6)), cells) if count is None else count
    holes = bool(rng.random() < 0.3) and cells > count
    labels = random_labels(rng, head.rows, head.cols, count, holes)
    levels = [LEVELS[k] for k in np.sort(rng.integers(0, 4, count))]
    groups = tuple(Group(k, levels[k], int(rng.integers(64))) for k in range(count))
    payloads = []
    for g in groups:
        coder = GroupCoder(sites_of(labels, [g.quality for g in groups], [g.index]), loaded)
        size = int(rng.choice([0, 3, 60, 700, 2047])) if amplitude is None else amplitude
        targets = rng.integers(-size, size + 1, (len(coder.sites), loaded.latents))
        targets[rng.random(targets.shape) < 0.4] = 0
        spread = int(rng.choice([0, 1, 5, 300, 32767]))
        hyper = rng.integers(-spread, spread + 1, (coder.blocks[0], loaded.hyper))
        hyper[:, loaded.hyper_index[g.quality] == 0] = 0
        payloads.append(encode_group(targets, hyper, coder)[0])
    before, after = [], []
    if rng.random() < 0.5 if extras is None else extras:
        before = [Chunk(ICCP, deflated_payload(ICCP, rng.bytes(128))), Chunk(0x8A, rng.bytes(3))]
        boxes = [
            Object(f"thing {k}", (0, 0, width, height), levels[k], 0.5, "drawn at random", k, None, k)
            for k in range(count)
        ]
        after = [Chunk(OBJS, objects_payload(boxes, Bounds(width, height, count))), Chunk(0xEA, rng.bytes(5))]
        after.append(Chunk(EXIF, deflated_payload(EXIF, b"II*\0" + rng.bytes(int(rng.integers(4, 90))))))
    return Drawn(assemble(head, groups, payloads, labels, before, after), head, groups, labels)
