"""Samples for training: latents of degraded crops as decoders have them, and the clean crops.

The encoder is frozen, so latents are computed once, by the integers that encoders and decoders compute with,
and kept in files of a few hundred samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.networks.model import Encoder, Model
from sdc.networks.profile import QUALITIES
from sdc.networks.registry import load_encoder, load_model
from sdc.types import CELL, Array, Pixels

from ..training.data import random_cells, random_crop
from .degradations import KINDS, random_severities
from .varieties import varied

SIZE = 192
"""Side of a crop."""

MARGIN = 24
"""Pixels around it that degradations see; a multiple of 8, the sides of JPEG's blocks."""

LEAST_QUALITY = 4
"""Below it hardly anything is left that could be restored."""

OF_CROPS = (1, 4, 12)
"""Of so many crops, by chance, the darkest is taken where clean samples are to be dark."""

DARK_PART = 0.5
"""Part of the clean samples among others that are such dark ones: they are to stay dark."""

OFTEN = (*KINDS, "noise", "low-light")
"""Kinds of samples with one degradation; noise and low light come twice as often as the others."""

SHARD = 250
"""Samples in a file."""


def row_type(latents: int) -> np.dtype[np.void]:
    """Type of a sample in a file.

    ``clean`` and ``captured`` are ``uint8 [SIZE, SIZE, 3]``, before and after degradation, ``latents`` those
    of the captured crop, ``int16 [M, rows, cols]`` with 0 outside the group, ``cells`` which cells are of the
    group, ``severity`` that of each kind, 0 without.
    """
    side = SIZE // CELL
    return np.dtype(
        [
            ("clean", "u1", (SIZE, SIZE, 3)),
            ("captured", "u1", (SIZE, SIZE, 3)),
            ("latents", "<i2", (latents, side, side)),
            ("cells", "?", (side, side)),
            ("quality", "u1"),
            ("severity", "<f4", (len(KINDS),)),
        ]
    )


def latents_of(
    pixels: Pixels, cells: npt.NDArray[np.bool_], quality: int, model: Model, encoder: Encoder
) -> Array:
    """Latents that a decoder has of one group.

    Args:
        pixels: ``uint8 [H, W, 3]``, sides multiples of a cell's.
        cells: ``bool [H / 16, W / 16]``, those of the group.
        quality: of the group.
        model, encoder: that code it.

    Returns:
        ``int16 [rows, cols, M]``, 0 outside the group.
    """
    sites = sites_of(cells.astype(np.uint8), [quality], [0])
    coder = GroupCoder(sites, model)
    targets = analysis_transform(pixels, sites, encoder.networks)
    _, symbols = encode_group(targets, hyper_analysis(targets, coder, encoder.networks), coder)
    out = np.zeros((*cells.shape, model.latents), np.int16)
    out[cells] = symbols.latents
    return out


def dark_crop(images: Sequence[Tensor], size: int, rng: np.random.Generator) -> Tensor:
    """The darkest of some random crops, of one at times, ``uint8 [3, size, size]``."""
    several = range(int(rng.choice(OF_CROPS)))
    crops = [random_crop(images[int(rng.integers(len(images)))], size, rng) for _ in several]
    return min(crops, key=lambda crop: float(crop.float().mean()))


Sample = tuple[Pixels, Pixels, Array, npt.NDArray[np.bool_], int, npt.NDArray[np.float32]]
"""A sample in the order of :func:`row_type`."""


def make_sample(
    images: Sequence[Tensor], rng: np.random.Generator, model: Model, encoder: Encoder, clean: bool = False
) -> Sample:
    """A sample; ``clean`` is as for :func:`make_samples`."""
    severities = {} if clean else random_severities(rng, OFTEN)
    if clean or (not severities and rng.random() < DARK_PART):
        crop = dark_crop(images, SIZE + 2 * MARGIN, rng)
    else:
        crop = random_crop(images[int(rng.integers(len(images)))], SIZE + 2 * MARGIN, rng)
    wide: Pixels = np.ascontiguousarray(crop.permute(1, 2, 0).numpy())
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    captured = np.ascontiguousarray(varied(wide, severities, rng)[inner])
    cells = random_cells(SIZE // CELL, SIZE // CELL, rng)
    quality = int(rng.integers(LEAST_QUALITY, QUALITIES))
    latents = latents_of(captured, cells, quality, model, encoder).transpose(2, 0, 1)
    strengths = np.array([severities.get(kind, 0.0) for kind in KINDS], np.float32)
    return wide[inner], captured, latents, cells, quality, strengths


def make_samples(
    images: Sequence[Tensor], count: int, seed: int, base: int, folder: Path, clean: bool = False
) -> None:
    """Write the files of samples that are not there yet; each follows from its number and the seed alone.

    Args:
        images: ``uint8 [3, H, W]``, clean, no side below ``SIZE + 2 * MARGIN``.
        count: samples in all.
        seed: of all of them.
        base: number of the model whose latents they have.
        folder: of the files.
        clean: whether all are without degradation, many of them dark.
    """
    model, encoder = load_model(base), load_encoder(base)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-count // SHARD)):
        path = folder / f"{number:04}.npy"
        if path.exists():
            continue
        rng = np.random.default_rng([seed, number])
        rows = np.zeros(min(SHARD, count - number * SHARD), row_type(model.latents))
        for k in range(len(rows)):
            rows[k] = make_sample(images, rng, model, encoder, clean)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.save(file, rows)
        temporary.replace(path)


def open_samples(folder: Path) -> list[npt.NDArray[np.void]]:
    """The files of samples of a folder, mapped into memory, in order."""
    return [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
