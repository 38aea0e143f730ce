"""``sdc batch``: a data set encoded by many machines, as a pipeline of Ray Data."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from .._version import __version__
from ..errors import SdcError
from .arguments import Commands, count_argument
from .encode import check_useless, encoding_arguments
from .files import is_image_name
from .manifest import FILE_OPTIONS, key_of
from .messages import Args, as_error, folder_status, message_line, print_err
from .parts import PAGE, RECORDS, Plan, Summary, do_part, files_of, identity_in, output_name, part_of
from .progress import Progress

LARGEST_PART = 256
"""Images of a part, where parts are not shards."""

PARTS_EACH = 8
"""Parts for each core at least, so that all of them end at about the same time."""

NAMED = 20
"""Failures that are printed; the records have them all."""

Names = list[tuple[str, str]]
"""Names of images below the source, with their identities."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "batch",
        help="a data set to streams, on many machines",
        description="Encode all images of a folder or a store on the machines of a Ray cluster. Paths are "
        "those of fsspec, such as s3://bucket/folder. A second run does only what is left to do.",
    )
    command.add_argument("input", help="folder or URL of the images")
    command.add_argument("output", help="folder or URL for the streams")
    cluster = command.add_argument_group("cluster")
    cluster.add_argument(
        "--ray", metavar="ADDRESS", help="of the cluster (default: RAY_ADDRESS, or this machine)"
    )
    cluster.add_argument("--jobs", type=count_argument, metavar="N", help="cores that work (default: all)")
    cluster.add_argument(
        "--shards", type=count_argument, metavar="N", help="write tar files of WebDataset, of about N streams"
    )
    encoding_arguments(command)
    command.set_defaults(run=run, threads=1, objects_index=None)


def run(args: Args) -> int:
    """Encode a data set; returns the exit status."""
    check_useless(args)
    ray = _ray()
    source, root = files_of(args.input)
    target, out = files_of(args.output)
    names, statuses = _listed(args, source, root)
    bare = _for_everywhere(args)
    key, options = key_of(bare)
    places = source.unstrip_protocol(root), target.unstrip_protocol(out)
    _connect(ray, args.ray)
    try:
        cores = args.jobs or int(ray.cluster_resources().get("CPU", 1))
        about = f"{out}/{RECORDS}/about.json"
        count, pages = _parts(target, about, args, len(names), cores, {key: options})
        plan = Plan(*places, args.shards is not None, pages, secrets.token_hex(4), key, bare)
        parts: dict[int, Names] = {}
        for name, identity in names:
            parts.setdefault(part_of(name, count), []).append((name, identity))
        failed = _told(args, len(names), _done(ray, plan, parts, args.jobs))
        return folder_status([*statuses, *failed], some_done=len(failed) < len(names))
    except ray.exceptions.RayError as error:
        raise SdcError("E_IO", f"the cluster failed: {' '.join(str(error).split())[:300]}") from None
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise SdcError("E_USAGE", 'sdc batch needs Ray; pip install "sdc-codec[batch]"') from None
    return ray


def _for_everywhere(args: Args) -> Args:
    """Arguments for other processes, in which files have their whole paths."""
    values = {name: value for name, value in vars(args).items() if name != "run"}
    for name in FILE_OPTIONS:
        if isinstance(values.get(name), str) and os.path.exists(values[name]):
            values[name] = os.path.abspath(values[name])
    return Args(**values)


def _connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or start one on this machine.

    Raises:
        SdcError: ``E_IO``.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": None}
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SdcError("E_IO", f"could not connect to the cluster: {error}", address or "") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _listed(args: Args, source: Any, root: str) -> tuple[Names, list[int]]:
    """Images below a folder, and statuses of those that are refused, which are told at once.

    Raises:
        SdcError: ``E_INPUT`` where there are none; ``E_IO``.
    """
    try:
        found = source.find(root, detail=True)
    except FileNotFoundError:
        found = {}
    except OSError as error:
        raise SdcError("E_IO", f"could not list: {error.strerror or error}", args.input) from None
    names: Names = []
    statuses: list[int] = []
    outputs: dict[str, str] = {}
    for path, info in sorted(found.items()):
        name = path.removeprefix(root).lstrip("/")
        if not is_image_name(name) or any(part.startswith(".") for part in name.split("/")):
            continue
        other = outputs.setdefault(output_name(name, args.shards is not None), name)
        if other == name:
            names.append((name, identity_in(info)))
        else:
            twice = SdcError("E_USAGE", f"{other} has the same output")
            print_err(message_line(args.program, twice, name))
            statuses.append(twice.exit_status)
    if not names:
        raise SdcError("E_INPUT", "there is no image in this folder", args.input)
    return names, statuses


def _parts(
    target: Any, path: str, args: Args, images: int, cores: int, keys: dict[str, Any]
) -> tuple[int, int]:
    """The number of parts and pages: those of the first run, or ones worked out, which later runs keep.

    Raises:
        SdcError: ``E_USAGE`` where the first run wrote files and this one is to write shards, or the reverse.
    """
    about: dict[str, Any] = {}
    try:
        about = json.loads(target.cat_file(path))
    except (FileNotFoundError, ValueError):
        size = args.shards or min(LARGEST_PART, max(1, images // (PARTS_EACH * cores)))
        about = {"sdc": __version__, "parts": max(1, round(images / size)), "shards": args.shards}
        about |= {"pages": -(-(args.shards or LARGEST_PART) // PAGE), "keys": {}}
    if (about["shards"] is None) != (args.shards is None):
        other = "files" if about["shards"] is None else "shards"
        raise SdcError("E_USAGE", f"this folder has {other} of another run; name another folder", args.output)
    if not keys.keys() <= about["keys"].keys():
        about["keys"] |= keys
        data = json.dumps(about, indent=1, default=repr) + "\n"
        try:
            target.makedirs(path.rpartition("/")[0], exist_ok=True)
            target.pipe_file(path, data.encode())
        except OSError as error:
            raise SdcError("E_IO", f"could not write: {error.strerror or error}", path) from None
    return int(about["parts"]), int(about["pages"])


def _work(row: dict[str, Any], plan: Plan) -> dict[str, str]:
    """A part done on some machine; what came of it as JSON, because lists fit no column."""
    names = [(name, identity) for name, identity in json.loads(row["names"])]
    try:
        return {"summary": json.dumps(asdict(do_part(plan, int(row["part"]), names))), "error": ""}
    except (SdcError, OSError) as wrong:
        error = as_error(wrong)
        told = error.as_dict() if isinstance(error, SdcError) else {}
        return {"summary": "", "error": json.dumps(told)}


def _done(ray: Any, plan: Plan, parts: dict[int, Names], jobs: int | None) -> Iterator[Summary]:
    """Do parts, each a task on one core, which Ray gives to another process where its own is lost.

    Raises:
        SdcError: as :func:`.parts.do_part`.
    """
    rows = [{"part": number, "names": json.dumps(names)} for number, names in sorted(parts.items())]
    found = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        _work,
        fn_args=(plan,),
        num_cpus=1,
        compute=ray.data.TaskPoolStrategy(size=jobs),
    )
    for row in found.iter_rows():
        if row["error"]:
            raise SdcError(**json.loads(row["error"]))
        yield Summary(**json.loads(row["summary"]))


def _told(args: Args, images: int, summaries: Iterator[Summary]) -> list[int]:
    """Say how far it is and what came of it; returns exit statuses of what failed."""
    progress = Progress(args.program, images)
    whole = Summary(0)
    statuses: list[int] = []
    for one in summaries:
        progress.add(len(one.failed), one.done + one.before + len(one.failed))
        progress.clear()
        for row in one.failed[: max(0, NAMED - len(statuses))]:
            for line in row["said"]:
                print_err(line)
        statuses += [row["status"] for row in one.failed]
        whole.done += one.done
        whole.before += one.before
        whole.noted += one.noted
        progress.draw()
    _say(args, whole, len(statuses))
    return statuses


def _say(args: Args, whole: Summary, failed: int) -> None:
    """The last line of a run, unless all there is to say is that all is done."""
    parts = [f"{whole.before} were done before"] if whole.before else []
    parts += [f"{whole.noted} have notes"] if whole.noted else []
    parts += [f"{failed} failed"] if failed else []
    if parts:
        where = f"; see {args.output}/{RECORDS}"
        print_err(message_line(args.program, f"note: {whole.done} images encoded, {', '.join(parts)}{where}"))
