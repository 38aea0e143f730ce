"""The commands ``sdc`` and ``sdc-info``.

Exit status, the same everywhere: 0 done, 1 invalid stream, 2 valid but unsupported, 3 done in part (what is
missing is named), 64 wrong arguments, 66 no input, 74 could not read or write; besides, 130 interrupted and
70 a fault of this program.
Of several files, the first of 70, 74, 66, 64, 1, 2, 3, 0 that one of them gave.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import re
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from . import __version__
from .codec import Decoded, decode, encode
from .container import CELL, ICCP, LEVELS, MAGIC, WITHDRAWN, Limits, Stream, build, parse
from .edit import validate, withdraw
from .errors import SdcError, spec_data
from .info import format_text, icc_error, info, printable
from .metadata import parse_objects
from .objects import Object, load_analysis, load_objects
from .presets import EQUAL, OF_OBJECTS, OF_REGIONS, PRESETS, Preset
from .refine import DEFAULT_EFFORT

Colour = tuple[int, int, int]
Args = argparse.Namespace


class _Out(str):
    """A line for standard output."""


Said = list[SdcError | str]
"""What a command has to say of a file: errors, notes, and lines for standard output."""
Work = Callable[[Args, str, str], Said]

DONE, PARTIAL, USAGE, FAULT, INTERRUPTED = 0, 3, 64, 70, 130
WORST_FIRST = (FAULT, 74, 66, 64, 1, 2, 3, 0)
PIPE = "-"
STREAM_SUFFIX = ".sdc"
BAR = 40
TOLD = 20
"""Labels of objects that an error names."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


# --- Errors -------------------------------------------------------------------------------------------


class _Fault(Exception):
    """An exception that nobody expected, told in one line."""


def _as_error(error: BaseException) -> SdcError | _Fault:
    if isinstance(error, SdcError):
        return error
    if isinstance(error, MemoryError):
        return SdcError("E_LIMIT", "there is not enough memory")
    if isinstance(error, OSError):
        return SdcError("E_IO", error.strerror or str(error), str(error.filename or ""))
    return _Fault(f"fault of this program: {type(error).__name__}: {error}")


def _line(program: str, error: object, name: str = "") -> str:
    """An error or a note as one line, with the file's name among the places."""
    if isinstance(error, SdcError):
        told = error.where == name or error.where.endswith(os.sep + name)
        where = error.where if told else ", ".join(part for part in (name, error.where) if part)
        text = f"{error.code}: {error.message}" + (f" ({where})" if where else "")
    else:
        text = f"{error}" + (f" ({name})" if name else "")
    return printable(f"{program}: {' '.join(text.split())}")


def _status(error: object) -> int:
    return error.exit_status if isinstance(error, SdcError) else FAULT if isinstance(error, _Fault) else DONE


def _worst(statuses: Iterable[int]) -> int:
    return min(statuses, key=WORST_FIRST.index, default=DONE)


def _say(text: str) -> None:
    """A line on standard error, or nothing where that is closed: it must not come among the output."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, file=sys.stderr)


def _print(text: str) -> None:
    """Text on standard output.

    Raises:
        SdcError: ``E_IO``.
    """
    _need_output()
    sys.stdout.write(text)
    sys.stdout.flush()


def _need_output() -> None:
    if sys.stdout is None:
        raise SdcError("E_IO", "standard output is closed")


# --- Files --------------------------------------------------------------------------------------------


def _open(path: str) -> BinaryIO:
    """A file or standard input, seekable.

    Raises:
        SdcError: ``E_INPUT`` or ``E_IO``.
    """
    if path == PIPE:
        if sys.stdin is None:
            raise SdcError("E_IO", "standard input is closed")
        return io.BytesIO(sys.stdin.buffer.read())
    try:
        file = open(path, "rb")
        if file.seekable():
            return file
        with file:
            return io.BytesIO(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a path with a NUL
        raise SdcError("E_INPUT", "no such file", path) from None
    except OSError as error:
        raise SdcError("E_IO", f"could not read: {error.strerror}", path) from None


def _read(path: str) -> bytes:
    with _open(path) as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    """Write a whole file or nothing: to a temporary file beside it, which then takes its name.

    Raises:
        SdcError: ``E_IO``.
    """
    try:
        if path == PIPE:
            _need_output()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a device or a named pipe
            return
        handle, temporary = tempfile.mkstemp(prefix=".sdc-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SdcError("E_IO", f"could not write: {error.strerror}", path) from None


def _mode(target: Path) -> int:
    """Permissions of a file that is replaced, or those that a new one gets."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _check_output(args: Args, source: str, target: str) -> None:
    """Refuse to replace a file that is read, and to print bytes on a terminal.

    Raises:
        SdcError: ``E_USAGE`` or ``E_IO``.
    """
    if target == PIPE:
        _need_output()
        if sys.stdout.isatty():
            raise SdcError("E_USAGE", "pictures and streams are not written to a terminal")
        return
    original = getattr(args, "original", None)
    for what, path in (
        ("input", source),
        ("original", original),
        ("file of objects", _objects_path(args, source)),
    ):
        if path not in (None, PIPE) and _is_same(str(path), target):
            raise SdcError("E_USAGE", f"the output is the {what}, which would be lost", target)


def _check_stream_output(target: str) -> None:
    """Refuse to give a stream the name of a picture, and to replace a file that is no stream.

    A shell makes ``sdc encode *.png`` into ``sdc encode 1.png 2.png``.

    Raises:
        SdcError: ``E_USAGE``, ``E_INPUT`` or ``E_IO``.
    """
    if target == PIPE:
        return
    if _is_picture(target):
        other = Path(target).with_suffix(STREAM_SUFFIX).name
        raise SdcError(
            "E_USAGE",
            f"a stream gets no picture's name: {other} will do; for several files give their folder",
            target,
        )
    if os.path.isfile(target) and os.path.getsize(target):
        with _open(target) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise SdcError(
                    "E_USAGE",
                    "the file there is no stream and would be lost: remove it or name another",
                    target,
                )


def _is_same(one: str, two: str) -> bool:
    """Whether two paths lead to the same file, which is there."""
    try:
        return os.path.samefile(one, two)
    except (OSError, ValueError):
        return False


# --- Many files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Job:
    """A file to work on: where it is, where its output goes (nowhere for some commands), what to call it."""

    source: str
    target: str = ""
    name: str = ""


@dataclass
class _Result:
    """What came of a file: exit status, and lines for standard output and standard error."""

    status: int = DONE
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


def _attempt(work: Work, args: Args, job: _Job) -> _Result:
    """Do one file."""
    try:
        if job.target:
            _check_output(args, job.source, job.target)
        said = work(args, job.source, job.target)
    except Exception as error:
        return _refused(args, _as_error(error), job.name)
    result = _Result(_worst(_status(s) for s in said))
    for s in said:
        if isinstance(s, _Out):
            result.out.append(s)
        else:
            result.err.append(_line(args.program, s if isinstance(s, SdcError) else f"note: {s}", job.name))
    return result


def _refused(args: Args, error: SdcError | _Fault, name: str) -> _Result:
    return _Result(_status(error), err=[_line(args.program, error, name)])


def _run_one(work: Work, args: Args) -> int:
    """Do one file."""
    if args.output != PIPE and os.path.isdir(args.output):
        raise SdcError("E_USAGE", "the output is a folder and the input is not", args.output)
    others = (getattr(args, "original", None), _objects_path(args, args.input))
    if args.input == PIPE and PIPE in others:
        raise SdcError("E_USAGE", "standard input can be read once only, and is named twice")
    return _show(_attempt(work, args, _Job(args.input, args.output)))


def _show(result: _Result) -> int:
    """Print what was said of a file; returns its exit status."""
    for line in result.out:
        _print(line + "\n")
    for line in result.err:
        _say(line)
    return result.status


def _run_all(work: Work, args: Args, takes: Callable[[str], bool], suffix: str) -> int:
    """Do one file, or all files of a folder into a folder of the same shape.

    Args:
        takes: which files of a folder are meant, by name.
        suffix: of the outputs.

    Raises:
        SdcError: ``E_USAGE`` or ``E_INPUT``.
    """
    if args.input == PIPE or not os.path.isdir(args.input):
        return _run_one(work, args)
    if args.output == PIPE or os.path.isfile(args.output):
        raise SdcError("E_USAGE", "the input is a folder and the output is not", args.output)
    if getattr(args, "objects_file", None) == PIPE:
        raise SdcError("E_USAGE", "objects of a folder of pictures are not read from standard input")
    jobs: dict[str, _Job] = {}
    statuses: list[int] = []
    found = list(_files_below(args.input, takes))
    if _is_same(args.input, args.output):
        for path, error in found:
            target = str(Path(path).with_suffix(suffix))
            if error is None and _is_picture(target) and os.path.exists(target):
                raise SdcError(
                    "E_USAGE", "the picture beside the stream would be lost: name another folder", target
                )
    inputs = {_identity(path) for path, error in found if error is None} - {None}
    for path, error in found:
        name = os.path.relpath(path, args.input)
        target = str(Path(args.output, name).with_suffix(suffix))
        if error is None and target in jobs:
            error = SdcError("E_USAGE", f"{jobs[target].name} has the same output")
        if error is None and _identity(target) in inputs:
            error = SdcError("E_USAGE", "the output is an input, which would be lost", target)
        if error is None:
            try:
                os.makedirs(Path(target).parent, exist_ok=True)
            except OSError as wrong:
                error = SdcError("E_IO", f"could not write: {wrong.strerror}", target)
        if error is None:
            jobs[target] = _Job(path, target, name)
        else:
            statuses.append(_show(_refused(args, error, name)))
    if not jobs and not statuses:
        raise SdcError("E_INPUT", "the folder has no file to work on", args.input)
    return _worst([*statuses, *_run_jobs(work, args, list(jobs.values()))])


def _identity(path: str) -> object:
    """What two paths to the same file have in common; ``None`` when there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _files_below(folder: str, takes: Callable[[str], bool]) -> Iterator[tuple[str, SdcError | None]]:
    """Files of a folder and its folders, sorted; those that cannot be read with the error.

    Names that begin with a dot are left out, and links to folders are not followed.
    """
    unread: list[OSError] = []
    for at, folders, names in os.walk(folder, onerror=unread.append):
        for error in unread:
            yield str(error.filename), SdcError("E_IO", f"could not read the folder: {error.strerror}")
        unread.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(at, name)
            if not name.startswith(".") and takes(name):
                yield path, _unreadable(path)
    for error in unread:
        yield str(error.filename), SdcError("E_IO", f"could not read the folder: {error.strerror}")


def _unreadable(path: str) -> SdcError | None:
    """Why what a folder lists is no file that can be read, as far as that shows without opening it."""
    try:
        if stat.S_ISREG(os.stat(path).st_mode):
            return None
        return SdcError("E_INPUT", "not a file")
    except FileNotFoundError:
        return SdcError("E_INPUT", "a link that leads nowhere")
    except OSError as error:
        return SdcError("E_IO", f"could not read: {error.strerror}")


def _run_jobs(work: Work, args: Args, jobs: Sequence[_Job]) -> list[int]:
    """Do files on several cores if there are, and print what is said of them, in their order."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(len(jobs), args.jobs or cores)
    done: dict[int, _Result] = {}
    shown = 0
    way = _in_processes if workers > 1 else _one_by_one
    with closing(way(work, args, jobs, workers)) as results:
        _draw_bar(0, len(jobs))
        for k, result in results:
            done[k] = result
            _clear_bar()
            while shown in done:
                _show(done[shown])
                shown += 1
            _draw_bar(len(done), len(jobs))
    return [result.status for result in done.values()]


def _one_by_one(
    work: Work, args: Args, jobs: Sequence[_Job], workers: int
) -> Generator[tuple[int, _Result], None, None]:
    for k, job in enumerate(jobs):
        yield k, _attempt(work, args, job)


def _in_processes(
    work: Work, args: Args, jobs: Sequence[_Job], workers: int
) -> Generator[tuple[int, _Result], None, None]:
    """The same on several cores, with one thread of linear algebra on each, as they are done."""
    bare = Args(**{name: value for name, value in vars(args).items() if name != "run"})
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        # An interrupt concerns this process, which ends the others: they inherit that it is ignored.
        interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        futures: dict[Future[_Result], int] = {}
        try:
            for k, job in enumerate(jobs):
                if job.source != PIPE:  # which only this process has
                    futures[pool.submit(_attempt, work, bare, job)] = k
        finally:
            signal.signal(signal.SIGINT, interrupts)
        for k, job in enumerate(jobs):
            if job.source == PIPE:
                yield k, _attempt(work, args, job)
        for future in as_completed(futures):
            k = futures[future]
            try:
                result = future.result()
            except Exception as error:  # the process died, from want of memory for instance
                result = _refused(args, SdcError("E_IO", str(error)), jobs[k].name)
            yield k, result
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _bar_is_seen() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _clear_bar() -> None:
    if _bar_is_seen():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _draw_bar(done: int, total: int) -> None:
    """A bar of the files done, when standard error is a terminal."""
    if total and _bar_is_seen():
        bar = ("#" * (BAR * done // total)).ljust(BAR, ".")
        sys.stderr.write(f"[{bar}] {done}/{total}" + ("\n" if done == total else ""))
        sys.stderr.flush()


# --- Commands -----------------------------------------------------------------------------------------


@cache
def _objects_file(path: str) -> Any:
    """A file of objects, read once for all pictures of a folder."""
    try:
        return json.loads(_read(path))
    except RecursionError:
        raise SdcError("E_OBJECTS", "nested too deeply", path) from None
    except ValueError as error:
        raise SdcError("E_OBJECTS", f"not JSON: {error}", path) from None


def _objects_path(args: Args, source: str) -> str | None:
    """The file of objects of a picture: the one given, or that of the picture's name in the folder given."""
    path: str | None = getattr(args, "objects_file", None)
    if path is None or path == "none":
        return None
    if path != PIPE and os.path.isdir(path):
        folder = os.path.isdir(args.input)
        within = os.path.relpath(source, args.input) if folder else os.path.basename(source)
        return str(Path(path, within).with_suffix(".json"))
    return path


def _unheard(args: Args, about: dict[str, Any] | None, what: str) -> Said:
    """A note where no model has ranked by the words after ``--for``; what else they are not."""
    if not args.purpose.strip() or "for" in (about or {}):
        return []
    return [f"--for changes nothing: no model ranks by {_short(args.purpose)!r}{what}"]


def _encode(args: Args, source: str, target: str) -> Said:
    from .pictures import read_picture

    if args.metadata_first and args.no_metadata:
        raise SdcError("E_USAGE", "--metadata-first and --no-metadata exclude each other")
    _check_stream_output(target)
    picture = read_picture(_read(source), background=args.background, max_pixels=args.max_pixels)
    height, width = picture.pixels.shape[:2]
    notes: Said = list(picture.notes)
    described: Any = {"objects": []}
    if (path := _objects_path(args, source)) is not None:
        described = _objects_file(path)
    elif args.objects_file is None:
        from sdc_reference.analysis.command import analysed

        described, warnings = analysed(picture.pixels, args)
        notes += warnings
    task = args.purpose.strip().casefold()
    preset = PRESETS.get(task)
    about = load_analysis(described)
    found = (about or {}).get("grounding")
    if task in OF_OBJECTS and isinstance(found, dict) and found.get("provider") in OF_REGIONS:
        preset = Preset(model=PRESETS[task].model, effort=PRESETS[task].effort)
        used = "is not used" if preset == EQUAL else "gives the model and the effort alone"
        notes.append(
            f"the preset of {task} {used}: what stands out is no object; name a --detector or --objects"
        )
    if preset is None:
        ranked = None if args.objects_file is not None else about
        notes += _unheard(args, ranked, f", and it is no preset ({', '.join(PRESETS)})")
    data = encode(
        picture.pixels,
        objects=load_objects(described, width, height, None if source == PIPE else source),
        analysis=about,
        quality=args.quality,
        preset=preset or EQUAL,
        margin=args.margin,
        group_by=args.group_by,
        icc=picture.icc,
        metadata="first" if args.metadata_first else not args.no_metadata,
        pixel_masks=args.pixel_masks,
        model=args.model,
        effort=args.effort,
    )
    _write(target, data)
    return notes


def _analyze(args: Args, source: str, target: str) -> Said:
    from sdc_reference.analysis.command import analysed

    from .pictures import format_of, read_picture, write_picture
    from .sheet import objects_sheet

    if target != PIPE and (_is_picture(target) or _is_stream(target)):
        other = Path(target).with_suffix(".json").name
        raise SdcError("E_USAGE", f"objects get no name of a picture or stream: {other} will do", target)
    if args.picture is not None:
        format_of(Path(args.picture).suffix)
        if os.path.isdir(args.input):
            raise SdcError("E_USAGE", "a picture is drawn of one picture, not of a folder", "--picture")
        _check_output(args, source, args.picture)
        if args.picture == target or _is_same(args.picture, target):
            raise SdcError("E_USAGE", "the objects and their picture are the same file", args.picture)
    picture = read_picture(_read(source), background=(255, 255, 255), max_pixels=args.max_pixels)
    height, width = picture.pixels.shape[:2]
    described, warnings = analysed(picture.pixels, args)
    objects = load_objects(described, width, height)
    if args.picture is not None:
        drawn = objects_sheet(picture.pixels, objects, load_analysis(described))
        data = write_picture(np.asarray(drawn), None, None, Path(args.picture).suffix)[0]
        _write(args.picture, data)
    _write(target, (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode())
    return [*picture.notes, *warnings, *_unheard(args, load_analysis(described), "")]


def _decode(args: Args, source: str, target: str) -> Said:
    from .pictures import format_of, write_picture

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    limits = Limits(pixels=args.max_pixels)
    fill: Colour = args.fill or (0, 0, 0)
    with _open(source) as file:
        stream = parse(file, limits=limits)
    wrong = icc_error(stream)
    if wrong is not None:
        raise wrong
    objects = _named_objects(stream, args.objects, limits) if args.objects is not None else []
    chosen = stream.select(args.groups, args.levels)
    groups = chosen if not objects else {o.group for o in objects if o.group is not None}
    lacking = _lacking(stream, args)
    picture = decode(stream, groups=groups, fill=fill, limits=limits)
    damaged = [str(error) for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    if not picture.groups:
        # There is nothing to show; when every group is withdrawn, none was asked for either.
        missing = picture.missing
        if not missing and all(g.state == WITHDRAWN for g in stream.groups):
            missing = tuple(stream.missing(g.index) for g in stream.groups)
        return [*missing, *damaged, *(f"{note}: no picture is written" for note in lacking)]
    pixels, covered = picture.pixels, picture.covered
    if objects:
        pixels, covered = _cropped(picture, objects, fill)
    profile = stream.chunk(ICCP)
    icc = None if profile is None else profile.payload
    data, notes = write_picture(pixels, covered if args.fill is None else None, icc, suffix)
    _write(target, data)
    return [*picture.missing, *damaged, *lacking, *notes]


def _lacking(stream: Stream, args: Args) -> list[str]:
    """A note of the levels that were asked for and that the stream does not have."""
    has = list(dict.fromkeys(g.level_name for g in stream.groups))
    wanted = dict.fromkeys(LEVELS[k] for k in args.levels or [])
    lacking = " or ".join(name for name in wanted if name not in has)
    return [f"the stream has no group of level {lacking}, only {', '.join(has)}"] if lacking else []


def _named_objects(stream: Stream, text: str, limits: Limits) -> list[Object]:
    """Objects by label or index, with their pixel masks: one, or several between commas.

    Raises:
        SdcError: ``E_USAGE`` when there is no such object, and as :func:`sdc.metadata.parse_objects`.
    """
    objects = parse_objects(stream, masks=False, limits=limits)

    def called(name: str) -> list[int]:
        found = [k for k, o in enumerate(objects) if o.label.strip().casefold() == name.casefold()]
        # No stream has an object of more than four digits.
        if not found and name.isdecimal() and len(name) < 5 and int(name) < len(objects):
            found = [int(name)]
        return found

    chosen = called(text.strip())  # a label may hold commas
    for part in [] if chosen else text.split(","):
        name = part.strip()
        found = called(name)
        if not found:
            labels = list(dict.fromkeys(o.label for o in objects))
            more = f" and {len(labels) - TOLD} more" if len(labels) > TOLD else ""
            has = ", ".join(labels[:TOLD]) or "none"
            raise SdcError("E_USAGE", f"the stream has no object {_short(name)}; it has {has}{more}")
        chosen += found
    with_masks = parse_objects(stream, masks=set(chosen), limits=limits)
    return [with_masks[k] for k in chosen]


def _short(text: str) -> str:
    return text if len(text) <= 64 else text[:61] + "..."


def _cropped(
    picture: Decoded, objects: Sequence[Object], fill: Colour
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Pixels and coverage of the objects' cells alone, cut to the rectangle around them."""
    labels, head = picture.stream.labels, picture.stream.head
    cells = np.zeros(labels.shape, bool)
    for o in objects:
        x, y, w, h = o.box
        touched = np.zeros(labels.shape, bool)
        if o.mask is None:
            touched[y // CELL : (y + h - 1) // CELL + 1, x // CELL : (x + w - 1) // CELL + 1] = True
        else:
            rows, cols = np.nonzero(o.mask)
            touched[(rows + y) // CELL, (cols + x) // CELL] = True
        cells |= touched & (labels == (o.group or 0) + 1)
    if not cells.any():
        raise SdcError("E_USAGE", "the object has no cell in its group")
    rows, cols = cells.any(1).nonzero()[0], cells.any(0).nonzero()[0]
    area = (
        slice(int(rows[0]) * CELL, min(int(rows[-1] + 1) * CELL, head.height)),
        slice(int(cols[0]) * CELL, min(int(cols[-1] + 1) * CELL, head.width)),
    )
    own = np.repeat(np.repeat(cells, CELL, 0), CELL, 1)[area] & picture.covered[area]
    pixels = picture.pixels[area].copy()
    pixels[~own] = fill
    return pixels, own


def _extract(args: Args, source: str, target: str) -> Said:
    _check_stream_output(target)
    with _open(source) as file:
        stream = parse(file, limits=Limits(pixels=args.max_pixels))
    groups = stream.select(args.groups, args.levels)
    kept, missing = withdraw(stream, groups)
    _write(target, build(kept))
    without = "" if groups else ": every group is withdrawn"
    return [*missing, *(note + without for note in _lacking(stream, args))]


def _validate_one(args: Args, source: str, target: str) -> Said:
    with _open(source) as file:
        found = validate(file, deep=not args.shallow, limits=Limits(pixels=args.max_pixels))
    return [_Out(f"{printable(source)}: {found.state}"), *found.errors, *found.notes]


def _validate(args: Args) -> int:
    if args.files.count(PIPE) > 1:
        raise SdcError("E_USAGE", "standard input can be read once only, and is named twice")
    if len(args.files) == 1 and not os.path.isdir(args.files[0]):
        return _show(_attempt(_validate_one, args, _Job(args.files[0])))
    jobs: list[_Job] = []
    statuses: list[int] = []
    for given in args.files:
        if given == PIPE or not os.path.isdir(given):
            jobs.append(_Job(given, name=given))
            continue
        found = list(_files_below(given, _is_stream))
        if not found:
            found = [(given, SdcError("E_INPUT", "the folder has no file to work on"))]
        for path, error in found:
            if error is None:
                jobs.append(_Job(path, name=path))
            else:
                statuses.append(_show(_refused(args, error, path)))
    return _worst([*statuses, *_run_jobs(_validate_one, args, jobs)])


def _info(args: Args) -> int:
    with _open(args.input) as file:
        report = info(file, trace=args.trace, limits=Limits(pixels=args.max_pixels))
    _print(
        json.dumps(report, indent=2, allow_nan=False) + "\n"
        if args.json
        else format_text({**report, "errors": []})
    )
    for e in report["errors"]:
        _say(_line(args.program, SdcError(e["code"], e["message"], e["where"], e["offset"])))
    return int({"valid": DONE, **spec_data("errors.json")["exit_status"]}[report["file_state"]])


def _sheet(args: Args, source: str, target: str) -> Said:
    from .pictures import format_of, read_picture, write_picture
    from .sheet import sheet

    suffix = ".png" if target == PIPE else Path(target).suffix
    format_of(suffix)
    limits = Limits(pixels=args.max_pixels)
    with _open(source) as file:
        stream = parse(file, limits=limits)
    original = None
    if args.original is not None:
        white = (255, 255, 255)
        original = read_picture(_read(args.original), background=white, max_pixels=args.max_pixels).pixels
    drawn = sheet(stream, original, limits=limits)
    # What a format loses matters little here.
    _write(target, write_picture(np.asarray(drawn), None, drawn.info.get("icc_profile"), suffix)[0])
    return list(stream.errors)


# --- Arguments ----------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are an error like others, with exit status 64."""

    def error(self, message: str) -> NoReturn:
        raise SdcError("E_USAGE", message)


def _quality(text: str) -> int | dict[str, int]:
    """``32``, or ``L1=44,L2=32,other=16``."""
    try:
        if "=" not in text:
            return int(text)
        pairs = [part.split("=") for part in text.split(",")]
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError
        return {name: int(value) for name, value in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a quality is 0 to 63, or L1=44,L2=32,other=16, not {text}"
        ) from None


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"groups are numbers such as 0,2, not {text}") from None


def _levels(text: str) -> list[int]:
    codes = {"1": 0, "2": 1, "3": 2, **{name.lower(): k for k, name in enumerate(LEVELS)}}
    try:
        return [codes[part.strip().lower()] for part in text.split(",")]
    except KeyError:
        raise argparse.ArgumentTypeError(f"levels are 1, 2, 3 and other, such as 1,2, not {text}") from None


def _colour(text: str) -> Colour:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise argparse.ArgumentTypeError(f"a colour is #rrggbb, not {text}")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _fill(text: str) -> Colour | None:
    return None if text == "transparent" else _colour(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a count of 1 or more, not {text}")
    return int(text)


def _files(command: argparse.ArgumentParser, source: str, target: str) -> None:
    command.add_argument("input", help=source)
    command.add_argument("output", help=target)


def _limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-pixels",
        type=_count,
        default=Limits().pixels,
        metavar="N",
        help="refuse larger pictures (default %(default)s)",
    )


def _jobs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--jobs", type=_count, metavar="N", help="processes for several files (default: one per core)"
    )


def _selection(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    which = command.add_mutually_exclusive_group()
    which.add_argument("--levels", type=_levels, metavar="1,2", help="levels: 1, 2, 3, other")
    which.add_argument("--groups", type=_numbers, metavar="0,2", help="groups by index")
    return which


def _analysis_options(command: argparse.ArgumentParser) -> None:
    from sdc_reference.analysis.command import add_options

    add_options(command)


def _info_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", help="stream, or - for standard input")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--trace", action="store_true", help="list every field with offset, value and id")
    _limit(command)


def _is_picture(name: str) -> bool:
    from .pictures import is_picture

    return is_picture(name)


def _is_stream(name: str) -> bool:
    return name.lower().endswith(STREAM_SUFFIX)


def _sdc_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "sdc",
        description="A picture format in which the important things come first and can be decoded alone.",
        epilog="Exit status: 0 done, 1 invalid stream, 2 unsupported, 3 done in part, 64 wrong arguments, "
        "66 no input, 74 could not read or write.",
    )
    parser.add_argument("--version", action="version", version=f"sdc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    tasks = ", ".join(PRESETS)
    command = commands.add_parser(
        "encode",
        help="picture to stream",
        epilog=f"What --for names are words for a model that ranks; {tasks} also choose the margin, and how "
        "much lower the qualities of less important levels are than --quality, which is that of the most "
        "important level in the picture. A --quality by level and --margin go before these; levels that it "
        "does not name are as much lower than the most important one that it names.",
    )
    _files(command, "picture, folder, or - for standard input", "stream, folder, or - for standard output")
    command.add_argument(
        "--objects",
        dest="objects_file",
        metavar="FILE",
        help="JSON file of objects, COCO instances.json, a folder of files named as the pictures, or none "
        "for one group; without it the picture is analysed",
    )
    command.add_argument(
        "--quality",
        type=_quality,
        default=32,
        metavar="Q",
        help="0 to 63, or by level: L1=44,L2=32,other=16 (default %(default)s)",
    )
    command.add_argument(
        "--margin",
        type=int,
        metavar="CELLS",
        help="cells of 16 pixels coded with the objects they surround, 0 to 15 (default 0, or by --for)",
    )
    command.add_argument(
        "--effort",
        type=int,
        metavar="E",
        help="0 to 9: how long to search for fewer bits and smaller errors (default: that of the preset, or "
        f"{DEFAULT_EFFORT})",
    )
    command.add_argument(
        "--group-by", choices=("level", "object"), default="level", help="a group per level, or per object"
    )
    command.add_argument(
        "--metadata-first",
        action="store_true",
        help="describe the objects in front of the groups, where whoever fetches a prefix has them",
    )
    described = command.add_mutually_exclusive_group()
    described.add_argument(
        "--no-metadata", action="store_true", help="do not describe the objects in the stream"
    )
    described.add_argument(
        "--pixel-masks", action="store_true", help="describe the objects' outlines too, pixel by pixel"
    )
    command.add_argument(
        "--model", type=int, metavar="N", help="number of the model (default: that of the preset, or 1)"
    )
    command.add_argument(
        "--background", type=_colour, metavar="#rrggbb", help="colour behind transparent pixels"
    )
    _limit(command)
    _jobs(command)
    _analysis_options(command)
    command.set_defaults(run=lambda args: _run_all(_encode, args, _is_picture, STREAM_SUFFIX))

    command = commands.add_parser("analyze", help="find and rank the objects of a picture")
    command.add_argument("input", help="picture, folder, or - for standard input")
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="JSON file of objects, folder, or -"
    )
    command.add_argument("--picture", metavar="FILE", help="draw the objects with their levels and reasons")
    _limit(command)
    _jobs(command)
    _analysis_options(command)
    command.set_defaults(run=lambda args: _run_all(_analyze, args, _is_picture, ".json"))

    command = commands.add_parser("decode", help="stream to picture")
    _files(
        command, "stream, folder, or - for standard input", "picture, folder, or - for standard output (PNG)"
    )
    which = _selection(command)
    which.add_argument(
        "--objects", metavar="NAME,...", help="objects by label or index: their cells alone, cut out"
    )
    command.add_argument(
        "--fill",
        type=_fill,
        metavar="COLOUR",
        help="transparent (default) or #rrggbb, for what is not decoded",
    )
    _limit(command)
    _jobs(command)
    command.set_defaults(run=lambda args: _run_all(_decode, args, _is_stream, ".png"))

    command = commands.add_parser("extract", help="stream of some groups, without decoding pixels")
    _files(command, "stream, folder, or - for standard input", "stream, folder, or - for standard output")
    _selection(command)
    _limit(command)
    _jobs(command)
    command.set_defaults(run=lambda args: _run_all(_extract, args, _is_stream, STREAM_SUFFIX))

    command = commands.add_parser("validate", help="check streams against every rule")
    command.add_argument("files", nargs="+", metavar="FILE", help="streams, folders, or - for standard input")
    command.add_argument(
        "--shallow", action="store_true", help="do not decode the groups' symbols; needs no model"
    )
    _limit(command)
    _jobs(command)
    command.set_defaults(run=_validate)

    command = commands.add_parser("info", help="describe a stream, as sdc-info does")
    _info_arguments(command)
    command.set_defaults(run=_info)

    command = commands.add_parser("sheet", help="one picture that shows a stream level by level")
    _files(command, "stream, or - for standard input", "picture, or - for standard output (PNG)")
    command.add_argument("--original", metavar="PICTURE", help="what was encoded, to show beside")
    _limit(command)
    command.set_defaults(run=lambda args: _run_one(_sheet, args))
    return parser


def _info_parser() -> argparse.ArgumentParser:
    parser = _Parser("sdc-info", description="Describe an SDC stream, also one that is broken.")
    parser.add_argument("--version", action="version", version=f"sdc-info {__version__}")
    _info_arguments(parser)
    parser.set_defaults(run=_info)
    return parser


def _hold_descriptors() -> None:
    """Open those of descriptors 0 to 2 that are closed, or files and pipes of processes get these numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _main(make: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _hold_descriptors()
    _objects_file.cache_clear()
    parser = make()
    try:
        try:
            args = parser.parse_args(argv)
            args.program = parser.prog
            status = int(args.run(args))
        except SystemExit as end:  # --help and --version
            status = int(end.code or 0)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say(f"{parser.prog}: interrupted")
        return INTERRUPTED
    except Exception as error:
        known = _as_error(error)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        _say(_line(parser.prog, known))
        return _status(known)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc``; returns its exit status."""
    return _main(_sdc_parser, argv)


def info_main(argv: Sequence[str] | None = None) -> int:
    """The command ``sdc-info``; returns its exit status."""
    return _main(_info_parser, argv)


if __name__ == "__main__":
    sys.exit(main())
