"""What is to be measured: images, objects and codecs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .coders import Coder, coder_of
from .dataset import LabelledImage
from .external import load_external
from .sources import Source
from .variants import Variant

Row = dict[str, Any]
"""A measurement: image, source, codec, setting, version, bytes, bpp, psnr, psnr_objects, ms_ssim, answer.

``psnr_objects`` is over the cells of L1 to L3, and None where there is no source or no such cell.
The original is the codec ``original`` of 0 bytes; it is measured where there is an evaluator.
"""
ORIGINAL = "original"


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to know.

    Attributes:
        task, network: of the evaluator; both empty where images are coded alone.
        cache: folder of results.
        model: number of SDC's model.
        externals: JSON files of external codecs.
        sources: of objects.
        variants: what is measured, each with its settings.
        similarity: whether MS-SSIM is measured.
        questions: what is asked of images, of the task of that name.
    """

    task: str
    network: str
    cache: Path
    model: int
    externals: tuple[Path, ...]
    sources: tuple[Source, ...]
    variants: tuple[tuple[Variant, tuple[float, ...]], ...]
    similarity: bool = False
    questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """An image with the objects of a source, or, for what needs none, without."""

    image: LabelledImage
    source: Source | None


def jobs_of(plan: Plan, images: Sequence[LabelledImage]) -> list[Job]:
    """Every image by itself and with every source."""
    sources = (None, *plan.sources) if any(v.levels for v, _ in plan.variants) else (None,)
    return [Job(image, source) for image in images for source in sources]


def count_of(plan: Plan, job: Job) -> int:
    """How many measurements a job has."""
    original = bool(plan.task) and job.source is None
    return sum(len(s) for v, s in plan.variants if bool(v.levels) == bool(job.source)) + original


def coders_of(plan: Plan) -> dict[str, Coder]:
    """The coders that the variants name.

    Raises:
        ValueError: there is no such codec.
        ImportError: one is not installed.
    """
    externals = tuple(load_external(path) for path in plan.externals)
    return {v.coder: coder_of(v.coder, plan.model, externals) for v, _ in plan.variants}
