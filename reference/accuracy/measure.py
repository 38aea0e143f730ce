"""Coding, judging and keeping what came out, picture by picture, in several processes."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..bench.common import THREADS, bits_per_pixel, ms_ssim, psnr, read
from .areas import Bools, Pixels
from .coders import PARTS, Coder, Subject, Variant, coder_of
from .data import Picture
from .external import load_external
from .judges import judge_of
from .sources import Source, objects_hash
from .store import Store

Row = dict[str, Any]
"""A measurement: picture, source, codec, setting, version, bytes, bpp, psnr, psnr_objects, ms_ssim, answer.

``psnr_objects`` is over the cells of L1 to L3, and None where there is no source or no such cell.
The original is the codec ``original`` of 0 bytes.
"""
ORIGINAL = "original"
SMALLEST = 161
"""Pictures of a shorter side have no MS-SSIM."""


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to know.

    Attributes:
        task, network: of the judge.
        cache: folder of results.
        model: number of SDC's model.
        externals: JSON files of external codecs.
        sources: of objects.
        variants: what is measured, each with its settings.
        similarity: whether MS-SSIM is measured.
        questions: what is asked of pictures, of the task of that name.
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
    """A picture with the objects of a source, or, for what needs none, without."""

    picture: Picture
    source: Source | None


def jobs_of(plan: Plan, pictures: Sequence[Picture]) -> list[Job]:
    """Every picture by itself and with every source."""
    sources = (None, *plan.sources) if any(v.levels for v, _ in plan.variants) else (None,)
    return [Job(picture, source) for picture in pictures for source in sources]


def count_of(plan: Plan, job: Job) -> int:
    """How many measurements a job has."""
    return sum(len(s) for v, s in plan.variants if bool(v.levels) == bool(job.source)) + (not job.source)


def coders_of(plan: Plan) -> dict[str, Coder]:
    """The coders that the variants name.

    Raises:
        ValueError: there is no such codec.
        ImportError: one is not installed.
    """
    externals = tuple(load_external(path) for path in plan.externals)
    return {v.coder: coder_of(v.coder, plan.model, externals) for v, _ in plan.variants}


class Worker:
    """Measures jobs; a process has one."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.store = Store(plan.cache)
        self.judge = judge_of(plan.task, plan.network, plan.questions)
        self.coders = coders_of(plan)

    def rows(self, job: Job) -> list[Row]:
        """The measurements of a job, from the cache as far as they are there."""
        with _saying(f"{job.picture.name}{f', objects from {job.source.text}' if job.source else ''}"):
            clean = read(job.picture.path)
            subject, marks = self._subject(job, self.judge.prepare(clean))
        out = []
        if job.source is None:
            out.append(self._row(job, (ORIGINAL, 0.0, ""), [*marks, ORIGINAL, 0.0, ""], subject, clean, None))
        for variant, settings in self.plan.variants:
            if bool(variant.levels) == bool(job.source):
                version = self.coders[variant.coder].version
                for setting in settings:
                    get = functools.partial(self._coded, variant, subject, setting, marks)
                    made_from = [*marks, variant.text, setting, version]
                    if variant.levels:
                        seen = [variant.levels, variant.fill, subject.hash(PARTS["1-3"], subject.margin)]
                        made_from = [*self._made_from(variant, subject, marks), *seen, setting]
                    how = (variant.text, setting, version)
                    out.append(self._row(job, how, made_from, subject, clean, get))
        return out

    def shown(self, job: Job, codec: str | None, setting: float) -> Pixels:
        """What a receiver sees of a measurement; the original where no codec is named."""
        pixels = self.judge.prepare(read(job.picture.path))
        if codec is None:
            return pixels
        variant = next(v for v, _ in self.plan.variants if v.text == codec)
        subject, marks = self._subject(job, pixels)
        return self._coded(variant, subject, setting, marks)[1]

    def _subject(self, job: Job, pixels: Pixels) -> tuple[Subject, list[str]]:
        """What is coded, and the hashes of it."""
        height, width = pixels.shape[:2]
        content = hashlib.sha256(f"{width}x{height}".encode() + pixels.tobytes()).hexdigest()
        if job.source is None:
            return Subject(pixels), [content, ""]
        objects = job.source.objects(pixels, job.picture.name)
        return Subject(pixels, objects, job.source.margin), [content, objects_hash(objects, width, height)]

    def _made_from(self, variant: Variant, subject: Subject, marks: list[str]) -> list[Any]:
        """What a file is made from but the setting."""
        content, objects = marks
        coder = self.coders[variant.coder]
        margin = subject.margin_of(variant) if variant.levels else 0
        if variant.name == "sdc":
            # Its file is the same whatever levels of it are sent, and however the rest is filled.
            effort = variant.preset.effort or 0
            how = [str(replace(variant.preset, margin=margin, model=None, effort=effort)), variant.metadata]
            return [content, objects, variant.name, coder.version, *how]
        # Of the objects, other codecs are told the cells alone.
        area = [subject.hash(variant.levels, margin), variant.fill] if variant.levels else ["", ""]
        return [content, *area, variant.name, coder.version]

    def _coded(
        self, variant: Variant, subject: Subject, setting: float, marks: list[str]
    ) -> tuple[bytes, Pixels]:
        """The bytes that are sent and what is seen of them."""
        coder = self.coders[variant.coder]
        made_from = [*self._made_from(variant, subject, marks), setting]
        data = self.store.file(made_from, lambda: coder.encode(variant, subject, setting))
        sent = coder.sent(variant, data)
        return sent, coder.decode(variant, sent)

    def _row(
        self,
        job: Job,
        how: tuple[str, float, str],
        made_from: list[Any],
        subject: Subject,
        clean: Pixels,
        get: Callable[[], tuple[bytes, Pixels]] | None,
    ) -> Row:
        """One measurement, from the cache or anew.

        Args:
            how: codec, setting and version.
            made_from: all that it depends on but the judge.
            subject: what is coded.
            clean: the picture of the data set.
            get: codes it; None for the original.
        """
        codec, setting, version = how
        names = {
            "picture": job.picture.name,
            "source": job.source.text if job.source else "",
            "codec": codec,
            "setting": setting,
            "version": version,
            "size": subject.pixels.shape[1::-1],
        }
        made_from = [*made_from, self.judge.version, self.plan.similarity]
        found = self.store.find(made_from)
        if found is None or self._lacks_similarity(found, subject, get is not None):
            with _saying(f"{job.picture.name}, {codec}{f' at {setting:g}' if get else ''}"):
                data, shown = get() if get else (b"", subject.pixels)
                found = {
                    "bytes": len(data),
                    "bpp": bits_per_pixel(data, subject.pixels),
                    "psnr": psnr(shown, subject.pixels) if get else None,
                    "psnr_objects": None,
                    "ms_ssim": None,
                    "answer": self.judge.answer(shown, clean),
                }
                if get and job.source:
                    found["psnr_objects"] = _psnr_in(
                        subject.area(PARTS["1-3"], subject.margin), shown, subject.pixels
                    )
                if get and self.plan.similarity:
                    found["ms_ssim"] = ms_ssim(shown, subject.pixels)
            self.store.keep(made_from, found)
        return {**names, **found}

    def _lacks_similarity(self, found: Row, subject: Subject, coded: bool) -> bool:
        """Whether a row was kept by a run that could not measure the MS-SSIM that is asked for."""
        if min(subject.pixels.shape[:2]) < SMALLEST:
            return False
        if self.plan.task == "restoration" and None in found["answer"]:
            return True
        return coded and self.plan.similarity and found["ms_ssim"] is None


@contextmanager
def _saying(words: str) -> Iterator[None]:
    """Whatever goes wrong is told with what it happened to, in a form that comes home from any process."""
    try:
        yield
    except Exception as error:  # whatever a program, a network or somebody's judge may do
        raise RuntimeError(f"{words}: {type(error).__name__}: {error}") from error


def _psnr_in(area: Bools, a: Pixels, b: Pixels) -> float | None:
    """PSNR over an area, in dB; None for an empty one."""
    if not area.any():
        return None
    return float(psnr(a[area], b[area]))


_worker: Worker | None = None


def _begin(plan: Plan) -> None:
    global _worker
    _worker = Worker(plan)


def _work(job: Job) -> list[Row]:
    assert _worker is not None
    return _worker.rows(job)


def measured(plan: Plan, jobs: Sequence[Job], processes: int) -> Iterator[list[Row]]:
    """Measurements of jobs, in the order in which they are done."""
    if processes == 1:
        worker = Worker(plan)
        yield from map(worker.rows, jobs)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (plan,)) as pool:
        futures = [pool.submit(_work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
