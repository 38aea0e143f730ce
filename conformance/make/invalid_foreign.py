"""Vectors that an encoder and a decoder with the same planted bug would exchange."""

from __future__ import annotations

import numpy as np

from ..adapter import answer
from ..mutants.catalogue import find
from ..mutants.plant import planted
from .book import MAP_CODES, RANS_CODES, Book
from .second_model import NUMBER
from .streams import (
    Library,
    blobs,
    compose,
    ends,
    escaping,
    extreme,
    levels_of,
    small,
    within,
)

FOREIGN = {
    "map": """
    bit-start bit-sides-swapped bit-rate bit-floor bit-rounding map-far-north map-far-east
    map-contexts-shared map-pattern even-rounds-up words-big-endian
    """,
    "symbols": """
    raw-from-below table-one-off escape-length index-zero-is-coded symbol-offset escape-sign
    hyper-rounding hyper-clamp blocks-by-column place-in-block-transposed parity-swapped
    parity-from-group second-half-first context-sees-nothing index-clamp-62 index-rounding mean-rounding
    v-clamp latent-rounding latent-clamp pointwise-rounding pointwise-clamp depthwise-transposed
    edge-repeats quality-table-row quality-unclamped hyper-before
    """,
}
"""Planted bugs with which streams are coded, by the part that shows them."""


def invalid_foreign(book: Book) -> None:
    """Streams as an encoder and a decoder with the same bug would exchange them.

    Each breaks one sentence about numbers, so that the right decoder meets an end that cannot be.
    """
    for name, kind in ((name, kind) for kind, names in FOREIGN.items() for name in names.split()):
        mutant = find(name)
        words = f"coded as a decoder with the planted bug {name} decodes it"
        with planted(mutant):
            lib = Library.load()
        for seed in range(1000):
            if kind == "map":
                # The floor of a probability and its last rate are met in long runs only.
                rows, cols, count = ((4, 6, 5), (24, 60, 1))[name in ("bit-floor", "bit-rate")]
                labels = blobs(seed, rows, cols, count, True)
                if count == 1:
                    labels[:] = 1
                    labels[-1, seed % cols] = 0
                parts = compose(16 * cols, 16 * rows, levels_of(count, lambda k: 0), labels, lib=lib)
            else:
                kinds = (small, within, escaping, extreme, ends)
                side = 32 if seed % 3 else 80
                labels = np.ones((side // 16, side // 16), np.uint8)
                labels[0, 0] = 0
                if side == 80:
                    labels[0, 1:] = 0
                    labels[3, 3:] = 0
                coder = NUMBER if name == "v-unclamped" else 0
                parts = compose(
                    side, side, ((1, 1 + 5 * seed % 63),), labels, kinds[seed % 5](seed), lib=lib, coder=coder
                )
            data = parts.build()
            found = answer("decode", data)
            codes = MAP_CODES if kind == "map" else (*RANS_CODES, "E_ESCAPE")
            if found["exit"] == 1 and found["error"]["code"] in codes and len(data) < 4000:
                break
        else:
            raise AssertionError(f"no stream tells {name}")
        book.refuse(
            f"invalid/coded-with-{name}.sdc",
            data,
            " ".join(codes),
            " ".join(mutant.ids),
            fault=kind,
            why=words,
            how=words,
            seed=seed,
        )
