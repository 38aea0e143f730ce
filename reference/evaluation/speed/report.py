"""The tables of a survey, as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
from PIL import features

from sdc import core

from ..tables import markdown
from .figures import Key
from .fresh import STEPS
from .inputs import FOUR, ONE, Inputs
from .large import SIDES
from .stages import STAGES, multiply_adds_of
from .survey import (
    AVIF,
    AVIF_ENCODER,
    BESIDE,
    EFFORTS,
    JAVASCRIPT,
    JPEG,
    L1,
    MBT2018,
    UP_TO_L3,
    WEBASSEMBLY,
    Survey,
    two_threads,
)

Row = Sequence[str]


def machine() -> str:
    """What measures, in words: processor, load, versions."""
    name = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.is_file():
        names = [
            line.partition(":")[2].strip() for line in told.read_text().splitlines() if "model name" in line
        ]
        name = names[0] if names else name
    load = f"load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else "load not known"
    versions = f"Python {platform.python_version()}, libavif {features.version('avif')}"
    return f"{os.cpu_count()} cores of {name}, {load}; {versions}; core {core.about()}"


BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def put_figures(file: Path, text: str) -> None:
    """Write figures into a file: between ``BEGIN`` and ``END`` of a page that has them, else as all of it."""
    page = file.read_text() if file.exists() else ""
    before, begins, rest = page.partition(BEGIN)
    _, ends, behind = rest.partition(END)
    whole = f"{before}{BEGIN}\n{text}\n{END}{behind}" if begins and ends else f"{text}\n"
    file.write_text(whole)


def tables_of(survey: Survey) -> Iterator[tuple[str, str]]:
    """Titles of tables, and the tables in Markdown."""
    yield "Against the targets", _table(["what", "target", "hoped for", "measured", ""], targets(survey))
    yield "Decoding", _decoding(survey)
    yield "Parts of images with four levels", _parts(survey)
    yield "Encoding", _encoding(survey)
    yield "Where the time goes", _stages(survey)
    yield "In Node, and beside two processes that compute", _elsewhere(survey)
    yield "A fresh process", _fresh(survey)
    if survey.loader:
        rows = [(name, f"{rate:.1f}") for name, rate in survey.loader.items()]
        yield "A data loader on one core", _table(["", "images a second"], rows)
    if survey.large:
        yield "Large images", _large(survey)


def _table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return markdown(pd.DataFrame(list(rows), columns=list(columns)))


# --- against the targets --------------------------------------------------------------------------


def _outcome(
    what: str, target: float, hoped: float | None, measured: float | None, form: str, at_least: bool = False
) -> Row:
    """A row of a figure against its target.

    Args:
        form: how numbers are written, as in ``{:.0f} ms``.
        at_least: whether more is better.
    """
    sign = "at least " if at_least else "at most "
    given = [sign + form.format(target), "" if hoped is None else form.format(hoped)]
    if measured is None:
        return what, *given, "not measured here", ""
    met = measured >= target if at_least else measured <= target
    return (
        what,
        *given,
        form.format(measured),
        "met" if met else f"missed by {abs(measured / target - 1):.0%}",
    )


def targets(survey: Survey) -> list[Row]:
    """Rows of all targets: what, target, hoped for, measured, by how much it is missed."""
    return [
        *_decoder_targets(survey),
        *_part_targets(survey),
        *_encoder_targets(survey),
        *_other_targets(survey),
    ]


def _decoder_targets(survey: Survey) -> Iterator[Row]:
    inputs = survey.inputs[0]
    what = f"decode {inputs.size}, quality {survey.quality}"
    median = _medians(survey, inputs, "decode", ONE)
    first = survey.best.name
    fast = median("avx512")
    yield _outcome(f"{what}, AVX-512, one thread", 30, 22, _ms(fast), "{:.1f} ms")
    yield _outcome("that, in times of AVIF", 6, 5, _ratio(fast, median(AVIF)), "{:.1f}")
    often = _ratio(median(MBT2018), fast)
    yield _outcome("that, faster than mbt2018-mean on torch", 15, 22, often, "{:.1f} times", True)
    for name, path, target in (("AVX2", "avx2", 45), ("SSE4.1", "sse4", 65), ("plain C", "portable", 90)):
        yield _outcome(f"{what}, {name}", target, None, _ms(median(path)), "{:.1f} ms")
    gain = _ratio(median(first), median(two_threads(first)))
    yield _outcome(f"two threads against one, {first}", 1.7, 1.9, gain, "{:.2f} times", True)
    wasm = _ms(median(WEBASSEMBLY))
    yield _outcome(f"{what}, WebAssembly in Node", 250, 150, wasm, "{:.0f} ms")


def _part_targets(survey: Survey) -> Iterator[Row]:
    """Parts of images against their share of the cells and 15 %, and 1 ms, image by image."""
    inputs = survey.inputs[-1]
    place = (survey.best.name, inputs.name, survey.quality, FOUR)
    whole = survey.times[Key("decode", *place)]
    streams = inputs.streams[survey.quality, FOUR]
    for k, name in enumerate((L1, UP_TO_L3)):
        part = survey.times[Key(f"decode {name}", *place)]
        shares = [streams[i % len(streams)].shares[k] for i in range(len(part))]
        allowed = [1.15 * share * t + 0.001 for share, t in zip(shares, whole, strict=True)]
        over = statistics.median(t / most for t, most in zip(part, allowed, strict=True)) - 1
        words = f"{name} alone of {inputs.name}, {statistics.mean(shares):.0%} of the cells"
        yield (
            words,
            f"at most {1000 * statistics.median(allowed):.1f} ms",
            "",
            f"{1000 * statistics.median(part):.1f} of {1000 * statistics.median(whole):.1f} ms",
            "met" if over <= 0 else f"missed by {over:.0%}",
        )


def _encoder_targets(survey: Survey) -> Iterator[Row]:
    inputs = survey.inputs[0]
    first = survey.best.name
    quick, search = (_medians(survey, inputs, f"encode, effort {effort}", ONE) for effort in EFFORTS)
    avif = _medians(survey, inputs, "encode", ONE)(AVIF_ENCODER)
    what = f"encode {inputs.size}, effort"
    yield _outcome(f"{what} 0, {first}, one thread", 60, 40, _ms(quick(first)), "{:.1f} ms")
    yield _outcome(f"that, in times of {AVIF_ENCODER}", 1, None, _ratio(quick(first), avif), "{:.2f}")
    gain = _ratio(search(core.NUMPY), search(first))
    yield _outcome(f"{what} 3, faster than NumPy", 5, 8, gain, "{:.1f} times", True)


def _other_targets(survey: Survey) -> Iterator[Row]:
    for step, what, target in (
        (STEPS[0], "`import sdc`", 150),
        (STEPS[2], "and all that decoding needs", 150),
        (STEPS[3], "first decode in a fresh process, from its first line on", 250),
    ):
        seconds = survey.fresh.get(step)
        yield _outcome(what, target, None, _ms(statistics.median(seconds)) if seconds else None, "{:.0f} ms")
    alone, beside = (_medians(survey, survey.inputs[0], w, ONE) for w in ("decode alone", BESIDE))
    for threads in ("1 thread", "default threads"):
        by = f"{survey.best.name}, {threads}"
        ratio = _ratio(beside(by), alone(by))
        yield _outcome(f"decode beside two others, {threads}, in times of alone", 3, None, ratio, "{:.1f}")
    most = max((one.peak for one in survey.large), default=None)
    yield _outcome("peak memory of 100 megapixels", 1, None, most, "{:.2f} GiB")
    for what in ("decode", "encode"):
        per = {one.side: one.per_megapixel for one in survey.large if one.what == what}
        ratio = _ratio(per.get(SIDES[-1]), per.get(SIDES[-2]))
        label = f"{what} 100 megapixels: time of each, in times of that at 25"
        yield _outcome(label, 1.1, 1, ratio, "{:.2f}")


def _medians(survey: Survey, inputs: Inputs, what: str, layout: str) -> Callable[[str], float | None]:
    """Median times at the survey's quality by who did it."""
    return lambda by: survey.times.median(Key(what, by, inputs.name, survey.quality, layout))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a / b


# --- all figures ----------------------------------------------------------------------------------


def _decoding(survey: Survey) -> str:
    names = [child.name for child in survey.children]
    by = [*names, two_threads(survey.best.name), AVIF, JPEG]
    rows = [
        (
            f"{inputs.name}, {quality}, {layout}",
            f"{inputs.bpp(quality, layout):.2f}",
            *(survey.times.words(Key("decode", who, inputs.name, quality, layout)) for who in by),
        )
        for inputs in survey.inputs
        for quality, layout in inputs.streams
    ]
    return _table(["ms: median (least to most)", "bpp", *by], rows)


def _parts(survey: Survey) -> str:
    """Times of parts by the best path, with their shares of the cells."""
    by = survey.best.name
    rows: list[Row] = []
    for inputs in survey.inputs:
        for quality, layout in inputs.streams:
            if layout == FOUR:
                row = [
                    f"{inputs.name}, {quality}",
                    survey.times.words(Key("decode", by, inputs.name, quality, FOUR)),
                ]
                for k, name in enumerate((L1, UP_TO_L3)):
                    share = statistics.mean(stream.shares[k] for stream in inputs.streams[quality, FOUR])
                    words = survey.times.words(Key(f"decode {name}", by, inputs.name, quality, FOUR))
                    row += [f"{share:.0%}", words]
                rows.append(row)
    return _table([f"ms, {by}, one thread", "whole", "cells of L1", L1, "cells of L1 to L3", UP_TO_L3], rows)


def _elsewhere(survey: Survey) -> str:
    best, inputs = survey.best.name, survey.inputs[0]
    measured = [("decode", name) for name in (WEBASSEMBLY, JAVASCRIPT)]
    measured += [
        (what, f"{best}, {threads}")
        for threads in ("1 thread", "default threads")
        for what in ("decode alone", BESIDE)
    ]
    keys = [Key(what, by, inputs.name, survey.quality, ONE) for what, by in measured]
    rows = [(f"{key.what}, {key.by}", survey.times.words(key)) for key in keys if survey.times.get(key)]
    return _table([f"ms, {inputs.name}, {survey.quality}, {ONE}", "median (least to most)"], rows)


def _encoding(survey: Survey) -> str:
    names = [child.name for child in survey.children]
    by = [*names, two_threads(survey.best.name), AVIF_ENCODER, JPEG, MBT2018]
    rows = [
        (
            f"{inputs.name}, {survey.quality}{what.removeprefix('encode')}",
            *(survey.times.words(Key(what, who, inputs.name, survey.quality, ONE)) for who in by),
        )
        for inputs in survey.inputs
        for what in (*(f"encode, effort {effort}" for effort in EFFORTS), "encode")
    ]
    return _table(["ms: median (least to most)", *by], rows)


def _stages(survey: Survey) -> str:
    """Milliseconds by stage, and where there are products, how many a second and what share of the limit."""
    work = multiply_adds_of(survey.model)
    width, height = map(int, survey.inputs[0].size.split("x"))

    def words(name: str, stage: str) -> str:
        ms = 1000 * statistics.median(run.get(stage, 0.0) for run in survey.stages[name])
        if stage not in work:
            return f"{ms:.2f}"
        rate = work[stage] * width * height / ms / 1e6
        share = f", {rate * 1e9 / survey.limits[name]:.0%}" if name in survey.limits else ""
        return f"{ms:.2f} ({rate:.0f} GMAC/s{share})"

    names = list(survey.stages)
    rows: list[Row] = [(stage, *(words(name, stage) for name in names)) for stage in STAGES]
    sums = [1000 * statistics.median(sum(run.values()) for run in survey.stages[name]) for name in names]
    rows.append(("all", *(f"{ms:.2f}" for ms in sums)))
    limits = [f"{survey.limits[n] / 1e9:.0f} GMAC/s" if n in survey.limits else "" for n in names]
    rows.append(("the processor's limit", *limits))
    return _table(["ms, one thread", *names], rows)


def _fresh(survey: Survey) -> str:
    rows = [
        (step, f"{1000 * statistics.median(s):.0f} ({1000 * min(s):.0f} to {1000 * max(s):.0f})")
        for step, s in survey.fresh.items()
    ]
    return _table(["ms from the first line of a program on", "median (least to most)"], rows)


def _large(survey: Survey) -> str:
    rows = [
        (
            one.what,
            f"{one.side**2 / 1e6:.0f}",
            f"{one.seconds:.2f}",
            f"{1000 * one.per_megapixel:.1f}",
            f"{one.peak:.2f}",
        )
        for one in survey.large
    ]
    return _table(["", "megapixels", "s", "ms a megapixel", "peak memory in GiB"], rows)
