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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from . import __version__
from .codec import Decoded, decode, encode
from .container import CELL, ICCP, LEVELS, Limits, Stream, build, parse
from .edit import validate, withdraw
from .errors import SdcError, spec_data
from .info import format_text, icc_error, info, printable
from .metadata import parse_objects
from .objects import Object, load_objects

Colour = tuple[int, int, int]
Args = argparse.Namespace
Said = list[SdcError | str]
"""What a command has to say of a file: errors that leave it done in part, and notes."""
Work = Callable[[Args, str, str], Said]

DONE, PARTIAL, USAGE, FAULT, INTERRUPTED = 0, 3, 64, 70, 130
WORST_FIRST = (FAULT, 74, 66, 64, 1, 2, 3, 0)
PIPE = "-"
STREAM_SUFFIX = ".sdc"
BAR = 40
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
        where = ", ".join(part for part in (name, error.where) if part)
        text = f"{error.code}: {error.message}" + (f" ({where})" if where else "")
    else:
        text = f"{error}" + (f" ({name})" if name else "")
    return printable(f"{program}: {' '.join(text.split())}")


def _status(error: object) -> int:
    return error.exit_status if isinstance(error, SdcError) else FAULT if isinstance(error, _Fault) else DONE


def _worst(statuses: Iterable[int]) -> int:
    return min(statuses, key=WORST_FIRST.index, default=DONE)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


# --- Files --------------------------------------------------------------------------------------------


def _open(path: str) -> BinaryIO:
    """A file or standard input, seekable."""
    if path == PIPE:
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
    """Write a whole file or nothing: to a temporary file beside it, which then takes its name."""
    try:
        if path == PIPE:
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


def _check_output(source: str, target: str) -> None:
    """Refuse to replace the input, and to print bytes on a terminal."""
    if target == PIPE:
        if sys.stdout.isatty():
            raise SdcError("E_USAGE", "pictures and streams are not written to a terminal")
    elif os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise SdcError("E_USAGE", "the output is the input, which would be lost", target)


# --- Many files ---------------------------------------------------------------------------------------


def _attempt(work: Work, args: Args, source: str, target: str, name: str = "") -> tuple[int, list[str]]:
    """Do one file; exit status and lines for standard error."""
    try:
        _check_output(source, target)
        said = work(args, source, target)
    except Exception as error:
        known = _as_error(error)
        return _status(known), [_line(args.program, known, name)]
    lines = [_line(args.program, s if isinstance(s, SdcError) else f"note: {s}", name) for s in said]
    return _worst(_status(s) for s in said), lines


def _run_one(work: Work, args: Args) -> int:
    """Do one file."""
    if args.output != PIPE and os.path.isdir(args.output):
        raise SdcError("E_USAGE", "the output is a folder and the input is not", args.output)
    status, lines = _attempt(work, args, args.input, args.output)
    for line in lines:
        _say(line)
    return status


def _run_all(work: Work, args: Args, takes: Callable[[Path], bool], suffix: str) -> int:
    """Do one file, or all files of a folder into a folder of the same shape.

    Args:
        takes: which files of a folder are meant.
        suffix: of the outputs.
    """
    if args.input == PIPE or not os.path.isdir(args.input):
        return _run_one(work, args)
    if args.output == PIPE or os.path.isfile(args.output):
        raise SdcError("E_USAGE", "the input is a folder and the output is not", args.output)
    jobs: dict[str, tuple[str, str]] = {}
    statuses: list[int] = []
    for path in sorted(p for p in Path(args.input).rglob("*") if p.is_file() and takes(p)):
        relative = path.relative_to(args.input)
        if any(part.startswith(".") for part in relative.parts):
            continue
        target = Path(args.output, relative).with_suffix(suffix)
        if str(target) in jobs:
            error = SdcError("E_USAGE", f"{jobs[str(target)][1]} has the same output")
            statuses.append(error.exit_status)
            _say(_line(args.program, error, str(relative)))
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        jobs[str(target)] = (str(path), str(relative))
    if not jobs:
        raise SdcError("E_INPUT", "the folder has no file to work on", args.input)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(len(jobs), args.jobs or cores)
    done = _in_processes if workers > 1 else _one_by_one
    statuses += done(work, args, jobs, workers)
    return _worst(statuses)


def _one_by_one(work: Work, args: Args, jobs: dict[str, tuple[str, str]], workers: int) -> list[int]:
    statuses = []
    for target, (source, name) in jobs.items():
        status, lines = _attempt(work, args, source, target, name)
        statuses.append(status)
        _progress(len(statuses), len(jobs), lines)
    return statuses


def _in_processes(work: Work, args: Args, jobs: dict[str, tuple[str, str]], workers: int) -> list[int]:
    """The same on several cores, with one thread of linear algebra on each."""
    args = Args(**{name: value for name, value in vars(args).items() if name != "run"})
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    statuses = []
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        # An interrupt concerns this process, which ends the others: they inherit that it is ignored.
        interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            futures = {
                pool.submit(_attempt, work, args, source, target, name): name
                for target, (source, name) in jobs.items()
            }
        finally:
            signal.signal(signal.SIGINT, interrupts)
        for future in as_completed(futures):
            try:
                status, lines = future.result()
            except Exception as error:  # the process died, from want of memory for instance
                status, lines = 74, [_line(args.program, SdcError("E_IO", str(error)), futures[future])]
            statuses.append(status)
            _progress(len(statuses), len(jobs), lines)
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return statuses


def _progress(done: int, total: int, lines: Iterable[str]) -> None:
    """Print what was said of a file, and a bar when standard error is a terminal."""
    terminal = sys.stderr.isatty()
    if terminal:
        sys.stderr.write("\r\x1b[K")
    for line in lines:
        _say(line)
    if terminal:
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


def _objects_of(args: Args, source: str, width: int, height: int) -> list[Object]:
    """Objects of a picture: none, from one file, or from the file of the same name in a folder."""
    path = args.objects
    if path == "none":
        return []
    if os.path.isdir(path):
        within = (
            Path(source).relative_to(args.input) if os.path.isdir(args.input) else Path(Path(source).name)
        )
        path = str(Path(path, within).with_suffix(".json"))
    return load_objects(_objects_file(path), width, height, None if source == PIPE else source)


def _encode(args: Args, source: str, target: str) -> Said:
    from .pictures import read_picture

    picture = read_picture(_read(source), background=args.background, max_pixels=args.max_pixels)
    height, width = picture.pixels.shape[:2]
    data = encode(
        picture.pixels,
        objects=_objects_of(args, source, width, height),
        quality=args.quality,
        group_by=args.group_by,
        icc=picture.icc,
        metadata=not args.no_metadata,
        model=args.model,
    )
    _write(target, data)
    return list(picture.notes)


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
        objects = _named_objects(stream, args.objects) if args.objects else []
        groups = _asked(stream, args) if not objects else {o.group for o in objects if o.group is not None}
        picture = decode(file, groups=groups, fill=fill, limits=limits)
    pixels, covered = picture.pixels, picture.covered
    if objects:
        pixels, covered = _cropped(picture, objects, fill)
    profile = stream.chunk(ICCP)
    icc = None if profile is None else profile.payload
    _write(target, write_picture(pixels, covered if args.fill is None else None, icc, suffix))
    damaged = [str(error) for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    return [*picture.missing, *damaged]


def _asked(stream: Stream, args: Args) -> list[int]:
    """Indices of the groups that the arguments name, or all that are not withdrawn."""
    chosen = stream.select(args.groups, args.levels)
    if args.levels is not None and not chosen:
        has = ", ".join(dict.fromkeys(g.level_name for g in stream.groups))
        wanted = " or ".join(LEVELS[k] for k in args.levels)
        raise SdcError("E_USAGE", f"the stream has no group of level {wanted}, only {has}")
    return chosen


def _named_objects(stream: Stream, names: Sequence[str]) -> list[Object]:
    """Objects by label or index.

    Raises:
        SdcError: ``E_USAGE`` when there is no such object.
    """
    objects = parse_objects(stream)
    chosen = []
    for name in names:
        found = [o for o in objects if o.label.casefold() == name.casefold()]
        if not found and name.isdecimal() and int(name) < len(objects):
            found = [objects[int(name)]]
        if not found:
            has = ", ".join(dict.fromkeys(o.label for o in objects)) or "none"
            raise SdcError("E_USAGE", f"the stream has no object {name}; it has {has}")
        chosen += found
    return chosen


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
    with _open(source) as file:
        stream = parse(file, limits=Limits(pixels=args.max_pixels))
    kept, missing = withdraw(stream, _asked(stream, args))
    _write(target, build(kept))
    return list(missing)


def _validate(args: Args) -> int:
    statuses = []
    exits = {"valid": DONE, **spec_data("errors.json")["exit_status"]}
    for path in args.files:
        name = path if len(args.files) > 1 else ""
        try:
            with _open(path) as file:
                found = validate(file, deep=not args.shallow, limits=Limits(pixels=args.max_pixels))
        except Exception as error:
            known = _as_error(error)
            _say(_line(args.program, known, name))
            statuses.append(_status(known))
            continue
        print(f"{printable(path)}: {found.state}", flush=True)
        for fault in found.errors:
            _say(_line(args.program, fault, name))
        statuses.append(int(exits[found.state]))
    return _worst(statuses)


def _info(args: Args) -> int:
    with _open(args.input) as file:
        report = info(file, trace=args.trace, limits=Limits(pixels=args.max_pixels))
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print(format_text({**report, "errors": []}), end="")
    sys.stdout.flush()
    for e in report["errors"]:
        _say(_line(args.program, SdcError(e["code"], e["message"], e["where"], e["offset"])))
    return int({"valid": DONE, **spec_data("errors.json")["exit_status"]}[report["file_state"]])


def _sheet(args: Args, source: str, target: str) -> Said:
    from .pictures import format_of, read_picture
    from .sheet import sheet

    suffix = ".png" if target == PIPE else Path(target).suffix
    name = format_of(suffix)
    data = _read(source)
    limits = Limits(pixels=args.max_pixels)
    errors = parse(data, limits=limits).errors
    original = None
    if args.original is not None:
        white = (255, 255, 255)
        original = read_picture(_read(args.original), background=white, max_pixels=args.max_pixels).pixels
    out = io.BytesIO()
    sheet(data, original, limits=limits).convert("RGB").save(out, name)
    _write(target, out.getvalue())
    return list(errors)


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


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


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
        "--jobs", type=_count, metavar="N", help="processes for a folder (default: one per core)"
    )


def _selection(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    which = command.add_mutually_exclusive_group()
    which.add_argument("--levels", type=_levels, metavar="1,2", help="levels: 1, 2, 3, other")
    which.add_argument("--groups", type=_numbers, metavar="0,2", help="groups by index")
    return which


def _info_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", help="stream, or - for standard input")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.add_argument("--trace", action="store_true", help="list every field with offset, value and id")
    _limit(command)


def _is_picture(path: Path) -> bool:
    from PIL import Image

    return Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN


def _is_stream(path: Path) -> bool:
    return path.suffix.lower() == STREAM_SUFFIX


def _sdc_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "sdc",
        description="A picture format in which the important things come first and can be decoded alone.",
        epilog="Exit status: 0 done, 1 invalid stream, 2 unsupported, 3 done in part, 64 wrong arguments, "
        "66 no input, 74 could not read or write.",
    )
    parser.add_argument("--version", action="version", version=f"sdc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("encode", help="picture to stream")
    _files(command, "picture, folder, or - for standard input", "stream, folder, or - for standard output")
    command.add_argument(
        "--objects",
        default="none",
        metavar="FILE",
        help="JSON file of objects, COCO instances.json, a folder of files named as the pictures, or none",
    )
    command.add_argument(
        "--quality",
        type=_quality,
        default=32,
        metavar="Q",
        help="0 to 63, or by level: L1=44,L2=32,other=16 (default %(default)s)",
    )
    command.add_argument(
        "--group-by", choices=("level", "object"), default="level", help="a group per level, or per object"
    )
    command.add_argument(
        "--no-metadata", action="store_true", help="do not describe the objects in the stream"
    )
    command.add_argument(
        "--model", type=int, default=1, metavar="N", help="number of the model (default %(default)s)"
    )
    command.add_argument(
        "--background", type=_colour, metavar="#rrggbb", help="colour behind transparent pixels"
    )
    _limit(command)
    _jobs(command)
    command.set_defaults(run=lambda args: _run_all(_encode, args, _is_picture, STREAM_SUFFIX))

    command = commands.add_parser("decode", help="stream to picture")
    _files(
        command, "stream, folder, or - for standard input", "picture, folder, or - for standard output (PNG)"
    )
    which = _selection(command)
    which.add_argument(
        "--objects", type=_names, metavar="NAME", help="objects by label or index: their cells alone, cut out"
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
    command.add_argument("files", nargs="+", metavar="FILE", help="streams, or - for standard input")
    command.add_argument(
        "--shallow", action="store_true", help="do not decode the groups' symbols; needs no model"
    )
    _limit(command)
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


def _main(make: Callable[[], argparse.ArgumentParser], argv: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = make()
    try:
        args = parser.parse_args(argv)
        args.program = parser.prog
        status = int(args.run(args))
        sys.stdout.flush()
        return status
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    except KeyboardInterrupt:
        _say(f"{parser.prog}: interrupted")
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
        known = _as_error(error)
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
