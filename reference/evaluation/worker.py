"""Coding one image, asking the evaluator and keeping what came out."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sdc.types import Pixels

from .areas import Bools
from .coders import Subject, files_of
from .evaluators import NOBODY, evaluator_of
from .images import read_image
from .metrics import SMALLEST, bits_per_pixel, ms_ssim, psnr
from .plan import ORIGINAL, Job, Plan, Row, coders_of
from .sources import objects_hash
from .store import Store
from .variants import PARTS, Variant


class Worker:
    """Measures jobs; a process has one."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.store = Store(plan.cache)
        self.evaluator = evaluator_of(plan.task, plan.network, plan.questions) if plan.task else NOBODY
        self.coders = coders_of(plan)

    def rows(self, job: Job) -> list[Row]:
        """The measurements of a job, from the cache as far as they are there."""
        with _saying(f"{job.image.name}{f', objects from {job.source.text}' if job.source else ''}"):
            clean = read_image(job.image.path)
            subject, marks = self._subject(job, self.evaluator.prepare(clean))
        out = []
        if job.source is None and self.plan.task:
            out.append(self._row(job, (ORIGINAL, 0.0, ""), [*marks, ORIGINAL, 0.0, ""], subject, clean, None))
        for variant, settings in self.plan.variants:
            if bool(variant.levels) == bool(job.source):
                version = self.coders[variant.coder].version
                for setting in map(float, settings):  # 10 and 10.0 are one setting of the store
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
        pixels = self.evaluator.prepare(read_image(job.image.path))
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
        objects = job.source.objects(pixels, job.image.name)
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
            return [content, objects, variant.name, coder.version, *how, *files_of(variant.preset)]
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
            made_from: all that it depends on but the evaluator.
            subject: what is coded.
            clean: the image of the data set.
            get: codes it; None for the original.
        """
        codec, setting, version = how
        names = {
            "image": job.image.name,
            "source": job.source.text if job.source else "",
            "codec": codec,
            "setting": setting,
            "version": version,
            "size": subject.pixels.shape[1::-1],
        }
        made_from = [*made_from, self.evaluator.version, self.plan.similarity]
        found = self.store.find(made_from)
        if found is None or self._lacks_similarity(found, subject, get is not None):
            with _saying(f"{job.image.name}, {codec}{f' at {setting:g}' if get else ''}"):
                data, shown = get() if get else (b"", subject.pixels)
                found = {
                    "bytes": len(data),
                    "bpp": bits_per_pixel(data, subject.pixels),
                    "psnr": psnr(shown, subject.pixels) if get else None,
                    "psnr_objects": None,
                    "ms_ssim": None,
                    "answer": self.evaluator.answer(shown, clean),
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
    except Exception as error:  # whatever a program, a network or somebody's evaluator may do
        raise RuntimeError(f"{words}: {type(error).__name__}: {error}") from error


def _psnr_in(area: Bools, a: Pixels, b: Pixels) -> float | None:
    """PSNR over an area, in dB; None for an empty one."""
    if not area.any():
        return None
    return float(psnr(a[area], b[area]))
