"""What a restoration model says is wrong with samples, beside what was done to them.

It is asked as an encoder asks it: by integers, from the latents of a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sdc.codec.restoration import FOUND, degradations_of, derived_vector
from sdc.coding.passes import sites_of
from sdc.networks.restoration import RestorationModel

from .degradations import KINDS

NONE, SEVERAL = "none", "several"


def told_of(row: np.void, model: RestorationModel) -> dict[int, float]:
    """The degradations that are named in a sample, by their numbers, with strengths of 0 to 1.

    Args:
        row: of :func:`.samples.row_type`.
        model: a restoration model of the base that coded the sample.
    """
    quality, cells = int(row["quality"]), row["cells"]
    latents = row["latents"].transpose(1, 2, 0)[cells]
    vector = derived_vector(latents, sites_of(cells.astype(np.uint8), [quality], [0]), model)
    return degradations_of(vector, quality, model)


def told_table(severities: Sequence[Sequence[float]], told: Sequence[Mapping[int, float]]) -> Iterator[str]:
    """Lines of Markdown: how often each kind is named where it is alone, and how wrong its strength is.

    Args:
        severities: of each sample, by kind in the order of ``KINDS``, 0 where there is none.
        told: what is named in each.
    """
    yield "| done | samples | named, % | strength wrong by | something else named, % |"
    yield "|---|---|---|---|---|"
    groups: dict[str, list[tuple[dict[int, float], Mapping[int, float]]]] = {}
    for severity, named in zip(severities, told, strict=True):
        done = {number: float(s) for number, s in zip(KINDS.values(), severity, strict=True) if s > 0}
        if any(strength < FOUND for strength in done.values()):
            continue
        names = [name for name, number in KINDS.items() if number in done]
        group = SEVERAL if len(names) > 1 else (names or [NONE])[0]
        groups.setdefault(group, []).append((done, named))
    for group in (NONE, *KINDS, SEVERAL):
        if pairs := groups.get(group):
            yield _line(group, pairs)


def _line(group: str, pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]]) -> str:
    right = [set(done) <= set(named) for done, named in pairs]
    wrong = [abs(named[kind] - s) for done, named in pairs for kind, s in done.items() if kind in named]
    other = np.mean([bool(set(named) - set(done)) for done, named in pairs])
    named = "" if group == NONE else f"{100 * np.mean(right):.0f}"
    error = f"{np.mean(wrong):.2f}" if wrong else ""
    return f"| {group} | {len(pairs)} | {named} | {error} | {100 * other:.0f} |"
