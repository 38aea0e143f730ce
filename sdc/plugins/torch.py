"""Streams for data loaders of torch: images, group maps, boxes, labels and masks as ``tv_tensors``.

:class:`SdcDataset` reads a folder, paths or URLs, of each stream only the levels that are asked for;
:class:`SdcShards` reads tar files of WebDataset from start to end.  Both open nothing before an item is asked
for, so they go to workers that are forked or spawned, and compute with one thread there.

What cannot be had of a stream is an error, a ``None``, or left out and counted, as ``errors`` says.
"""

from __future__ import annotations

import io
import os
import random
import tarfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from operator import index
from typing import Any, TypeVar, cast

import numpy as np

from ..answers.streams import Streams, stream_paths
from ..codec.decoder import GREY, Decoded
from ..codec.restoration import check_restore
from ..errors import SdcError
from ..file import SdcFile
from ..format.chunks import OBJS
from ..format.objs import parse_objects
from ..format.source import Readable
from ..objects.cells import to_pixels
from ..objects.classes import COCO_IDS
from ..objects.object import Object
from ..paths import PathLike, is_stream_name, open_file
from ..remote.file import ORDINARY, Access
from ..remote.url import is_url
from ..types import Colour, Level, LevelLike, Limits, levels_of

_NEEDS = 'sdc.plugins.torch needs torch and torchvision; pip install "sdc-codec[loader]" brings them'

try:
    import torch
    import torch.distributed
    from torch.utils.data import Dataset, IterableDataset, get_worker_info

    try:
        from torchvision import tv_tensors
    except RuntimeError:  # torch without CUDA beside a torchvision with it
        import_module("sdc.analysis.providers._torchvision")
        from torchvision import tv_tensors
except ImportError as error:
    raise ImportError(_NEEDS) from error

Target = dict[str, Any]
Sample = tuple[Any, Target]
"""An image, ``uint8 [3, H, W]``, and what is known of it; see :class:`Decode`."""

Opener = Callable[[str], Any]
"""Opens a path as a binary file, such as ``open`` of a file system of fsspec; workers that are spawned need
one that can be pickled."""

ERRORS = ("raise", "skip", "none")
"""What can become of a stream that cannot be had as it was asked for."""

SLOTS = 256
"""Counters of what was left out, one for each worker; more workers than these share some."""

NO_CATEGORY = -1
"""Label of an object whose name has no number."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Decode:
    """Decodes a stream to an image and its target, as detectors of torchvision take them.

    The target is a ``dict``.  ``M`` stands for objects: those of the levels that are asked for, the most
    important first.

    - ``group_map``: ``Mask``, ``int32 [H, W]``: 1 + the index of a pixel's group, 0 for none.
    - ``group_levels``: ``int64 [groups + 1]``: for each number of the map 1 to 3 for L1 to L3, 4 for other, 0
      for none.
    - ``covered``: ``Mask``, ``bool [H, W]``: which pixels were decoded; the others have the fill colour.
    - ``boxes``: ``BoundingBoxes``, ``float32 [M, 4]``, left, top, right, bottom in pixels.
    - ``labels``: ``int64 [M]``, by ``categories``.
    - ``scores``: ``float32 [M]``, 0 to 1.
    - ``levels``: ``int64 [M]``, numbers as in ``group_levels``.
    - ``masks``, where they are asked for: ``Mask``, ``uint8 [M, H, W]``, 0 or 1; the box of an object without
      a pixel mask.
    - ``masked``, with them: ``bool [M]``: which objects have a pixel mask.

    Args:
        levels: level or levels wanted, each in one of the ways of :class:`sdc.Level`; all by default.
        objects: whether objects are read; mostly they stand behind the groups, and take a read more.
        masks: whether their pixel masks are decoded, which takes longer.
        categories: names of the objects wanted, whatever the case, with the number of each, or in the order
            of their numbers from 0; others are left out.  By default all objects, with COCO's ids, and -1
            where COCO has no such name.
        transforms: called with image and target, such as one of ``torchvision.transforms.v2``; it returns
            what takes the place of both.
        empty: whether a stream that has none of the levels is an image in the fill colour, of which nothing
            is covered: an example without objects.  Else that is an error.
        restore, strength: whether the image is the restored one, and how much of it, as for
            :func:`sdc.decode`.
        fill: colour of what is not decoded.
        limits: what the caller agrees to hold in memory.

    Raises:
        SdcError: ``E_USAGE`` for what is no level, for categories with two numbers, and for what is no number
            of a model or no strength.
    """

    levels: LevelLike | Iterable[LevelLike] | None = None
    objects: bool = True
    masks: bool = False
    categories: Mapping[str, int] | Sequence[str] | None = None
    transforms: Callable[[Any, Target], Any] | None = None
    empty: bool = False
    restore: bool | int = False
    strength: float = 1.0
    fill: Colour = GREY
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        check_restore(self.restore, self.strength)
        named = levels_of(self.levels)
        object.__setattr__(self, "levels", None if named is None else tuple(named))
        if self.categories is not None:
            object.__setattr__(self, "categories", _numbers(self.categories))

    def __call__(self, source: Readable, **known: Any) -> Any:
        """The sample of a stream.

        Args:
            source: a path, a URL, the stream's bytes, or a binary file that can ``seek`` and ``read``.
            known: what else the target is to hold.

        Returns:
            Image and target, or what ``transforms`` makes of them.

        Raises:
            SdcError: the stream is invalid or unsupported; a group that was asked for is withdrawn, cut off
                or damaged, or the objects are; ``E_USAGE`` where the stream has none of the levels, and
                this is no empty image.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = io.BytesIO(source)  # of which only what is asked for is read
        with SdcFile(source, limits=self.limits) as file:
            decoded = file.read(
                self._wanted,
                restore=self.restore,
                strength=self.strength,
                captured=self.restore is False,
                fill=self.fill,
            )
            self._check_whole(decoded)
            target = known | _target_of(decoded)
            if self.objects:
                target |= self._described(file)
        image = tv_tensors.Image(torch.from_numpy(decoded.pixels).permute(2, 0, 1).contiguous())
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def find(self, file: SdcFile, *, masks: bool = False) -> list[Object]:
        """Objects of an open stream that are wanted, the most important first; no group is read.

        Raises:
            SdcError: the objects are cut off or damaged.
        """
        found = file.fetch_objects(masks=False)
        _check_objects(file)
        levels, numbers = self._wanted, self.categories
        chosen = [
            k
            for k, o in enumerate(found)
            if (levels is None or o.level in levels) and (numbers is None or _folded(o.label) in numbers)
        ]
        if masks and chosen:
            found = parse_objects(file.stream, masks=set(chosen), limits=self.limits)
        return [found[k] for k in chosen]

    def _check_whole(self, decoded: Decoded) -> None:
        """Refuse an image of which something is missing that was asked for, or all of it."""
        if decoded.missing:
            raise decoded.missing[0]
        if decoded.groups or (self.empty and self._wanted is not None):
            return
        hint = () if self._wanted is None else ("with empty=True it is an image without objects",)
        raise SdcError("E_USAGE", "; ".join((*decoded.notes, *hint)))

    @property
    def _wanted(self) -> tuple[Level, ...] | None:
        return cast("tuple[Level, ...] | None", self.levels)

    def _number(self, label: str) -> int:
        numbers = COCO_IDS if self.categories is None else cast("Mapping[str, int]", self.categories)
        return numbers.get(_folded(label), NO_CATEGORY)

    def _described(self, file: SdcFile) -> Target:
        """The part of the target that is about objects."""
        found, (width, height) = self.find(file, masks=self.masks), file.size
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in (o.box for o in found)], np.float32)
        target: Target = {
            "boxes": tv_tensors.BoundingBoxes(
                torch.from_numpy(boxes.reshape(-1, 4)), format="XYXY", canvas_size=(height, width)
            ),
            "labels": torch.tensor([self._number(o.label) for o in found], dtype=torch.int64),
            "scores": torch.tensor([o.score for o in found], dtype=torch.float32),
            "levels": torch.tensor([_code(o.level) for o in found], dtype=torch.int64),
        }
        if self.masks:
            masks = np.zeros((len(found), height, width), np.uint8)
            for mask, o in zip(masks, found, strict=True):
                x, y, w, h = o.box
                mask[y : y + h, x : x + w] = True if o.mask is None else o.mask
            target["masks"] = tv_tensors.Mask(torch.from_numpy(masks))
            target["masked"] = torch.tensor([o.mask is not None for o in found], dtype=torch.bool)
        return target


def _numbers(categories: Mapping[str, int] | Sequence[str]) -> dict[str, int]:
    """Numbers of categories by their names as they are compared.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if isinstance(categories, str):
        raise SdcError("E_USAGE", f"categories are several names, or a mapping, not {categories!r}")
    given = categories if isinstance(categories, Mapping) else {n: k for k, n in enumerate(categories)}
    numbers = {_folded(name): index(number) for name, number in given.items()}
    if len(numbers) < len(categories):
        raise SdcError("E_USAGE", "a category has two numbers")
    return numbers


def _folded(label: str) -> str:
    return label.strip().casefold()


def _code(level: Level | None) -> int:
    """The number of a level in targets; 0 for none."""
    return 0 if level is None else level.code + 1


def _check_objects(file: SdcFile) -> None:
    """Refuse a stream whose objects may be in what is cut off or damaged behind the groups."""
    stream = file.stream
    if stream.chunk(OBJS) is not None:
        return
    damaged = [error for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    if damaged:
        raise damaged[0]
    last = stream.groups[-1]
    if stream.size < last.offset + last.size:
        raise SdcError("E_CHUNK_DAMAGED", "the file ends before the objects", offset=stream.size)


def _target_of(decoded: Decoded) -> Target:
    """The part of the target that is about groups."""
    stream = decoded.stream
    height, width = decoded.covered.shape
    pixels = to_pixels(stream.labels)[:height, :width].astype(np.int32)
    levels = [0, *(_code(g.level) for g in stream.groups)]
    return {
        "group_map": tv_tensors.Mask(torch.from_numpy(pixels)),
        "group_levels": torch.tensor(levels, dtype=torch.int64),
        "covered": tv_tensors.Mask(torch.from_numpy(decoded.covered)),
    }


def _shared(count: int) -> torch.Tensor:
    """Whole numbers, 0 at first, that workers see and change."""
    numbers: Any = torch.zeros(count, dtype=torch.int64)
    return cast(torch.Tensor, numbers.share_memory_())


class _Failures:
    """What becomes of streams that cannot be had, and how many were left out, over all workers."""

    def __init__(self, errors: str):
        if errors not in ERRORS:
            raise SdcError("E_USAGE", f"errors is one of {', '.join(ERRORS)}, not {errors!r}")
        self.errors = errors
        self._counts = _shared(SLOTS)

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def attempt(self, path: str, read: Callable[[], Item]) -> Item | None:
        """What is read, or ``None`` where it cannot be, which is counted and told by a warning.

        Raises:
            SdcError: with the path, where errors are raised.
        """
        try:
            return read()
        except SdcError as error:
            self.failed(path, error)
        except (OSError, tarfile.TarError) as error:
            words = " ".join(str(getattr(error, "strerror", None) or error).split())
            self.failed(path, SdcError("E_IO", f"could not read: {words}"))
        return None

    def failed(self, path: str, error: SdcError) -> None:
        """Count what cannot be had, and tell of it, or raise the error with the path."""
        shown = path.partition("?")[0] if is_url(path) else path  # behind it may be what is secret
        if shown not in str(error):
            error = SdcError(error.code, f"{shown}: {error.message}", error.where, error.offset)
        if self.errors == "raise":
            raise error
        worker = get_worker_info()
        self._counts[0 if worker is None else 1 + worker.id % (SLOTS - 1)] += 1
        warnings.warn(str(error), stacklevel=2)


class SdcDataset(Dataset[Any]):
    """Streams by index, as a map-style data set of torch.

    An item is what :class:`Decode` makes of a stream; its target has ``image_id``, the index, and ``path``
    besides.  Only what is asked for is read of a file or a URL.

    Args:
        source: a folder, of which all files below it that end in ``.sdc`` are meant; a path or URL; or
            several of these.  Folders are listed now, and nothing is opened.
        levels: level or levels wanted; all by default.
        errors: what becomes of a stream of which something is missing or damaged that was asked for, or that
            has none of the levels (without ``empty``): ``raise``; ``none`` for ``None`` in its place;
            ``skip``, and its batch is smaller (without batches, ``None``).  With the last two a warning
            names it, and ``skipped`` counts it.
        access: what is allowed of URLs.
        opener: opens paths and URLs in another way; see :data:`Opener`.
        options: as for :class:`Decode`.

    Attributes:
        paths: of the streams, in the order of their indices.
        decode: makes samples.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams, or for none at all; ``E_IO`` for a folder that
            cannot be read, as ``errors`` says; ``E_USAGE``.  An item raises as :class:`Decode`, with the
            path; of what a worker raises, the data loader makes a ``RuntimeError`` with the same words.
    """

    def __init__(
        self,
        source: Streams,
        levels: LevelLike | Iterable[LevelLike] | None = None,
        *,
        errors: str = "raise",
        access: Access = ORDINARY,
        opener: Opener | None = None,
        **options: Any,
    ):
        self._failures = _Failures(errors)
        self.decode: Decode = Decode(levels, **options)
        self._opener = opener or partial(open_file, access=access)
        self.paths: list[str] = []
        for path, error in stream_paths(source):
            if error is None:
                self.paths.append(path)
            else:
                self._failures.failed(path, error)
        if not self.paths:
            raise SdcError("E_INPUT", "no stream is given")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int) -> Any:
        path, number = self.paths[k], range(len(self.paths))[k]
        return self._failures.attempt(path, lambda: self._read(path, number))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Items of a batch, as torch's data loader asks for them."""
        items = [self[k] for k in indices]
        return [one for one in items if one is not None] if self._failures.errors == "skip" else items

    def objects(self, k: int) -> list[Object] | None:
        """Objects of a stream that are wanted, without masks; no group is read.

        Returns:
            ``None`` where they cannot be read and ``errors`` is not ``raise``.

        Raises:
            SdcError: as for an item.
        """
        path = self.paths[k]
        return self._failures.attempt(path, lambda: self._find(path))

    @property
    def skipped(self) -> int:
        """Items so far that could not be had, in all workers; one that is asked for again counts again."""
        return self._failures.count

    def _read(self, path: str, number: int) -> Any:
        with self._opener(path) as file:
            return self.decode(file, image_id=number, path=path)

    def _find(self, path: str) -> list[Object]:
        with self._opener(path) as source, SdcFile(source, limits=self.decode.limits) as file:
            return self.decode.find(file)


class SdcShards(IterableDataset[Any]):
    """Streams in tar files of WebDataset, as an iterable data set of torch.

    Each file of a shard whose name ends in ``.sdc`` is an item, as :class:`Decode` makes it; its target has
    ``path``, that of the shard and the name in it.  Other files are passed over; the handler in
    :mod:`sdc.plugins.webdataset` is for those who need them.
    Shards are split over ranks and the workers of each, so every stream comes once.  A rank or worker without
    a shard has nothing to do, and ranks may have unequal numbers of items.

    A shard is read from its start to its end, whatever the levels: these save computing here, not reading.

    Args:
        shards: paths or URLs of tar files, perhaps compressed.
        levels: level or levels wanted; all by default.
        shuffle: 0 for the order of the shards; else the shards are shuffled, and streams in a buffer of so
            many.
        seed: of the shuffling, the same in all ranks.
        rank: of this process; and ``world``, their number.  Without, those of ``torch.distributed`` where it
            is initialised, or else of the environment variables ``RANK`` and ``WORLD_SIZE``.
        errors, access, opener, options: as for :class:`SdcDataset`; with ``skip`` the item is left out.  What
            is behind a fault of the tar file itself is left out with ``none``, too, and counts as one item.

    Raises:
        SdcError: ``E_USAGE``, also for fewer shards than ranks; else as :class:`SdcDataset`, in iterating.
    """

    def __init__(
        self,
        shards: PathLike | Iterable[PathLike],
        levels: LevelLike | Iterable[LevelLike] | None = None,
        *,
        shuffle: int = 0,
        seed: int = 0,
        rank: int | None = None,
        world: int | None = None,
        errors: str = "raise",
        access: Access = ORDINARY,
        opener: Opener | None = None,
        **options: Any,
    ):
        super().__init__()
        self._failures = _Failures(errors)
        self.decode: Decode = Decode(levels, **options)
        several = [shards] if isinstance(shards, (str, os.PathLike)) else shards
        self.shards: list[str] = [os.fspath(shard) for shard in several]
        if (rank is None) != (world is None):
            raise SdcError("E_USAGE", "rank and world are given together, or neither")
        self.rank: int
        self.world: int
        self.rank, self.world = _rank() if rank is None or world is None else (rank, world)
        if not 0 <= self.rank < self.world:
            raise SdcError("E_USAGE", f"rank {self.rank} of {self.world}: ranks count from 0")
        if len(self.shards) < self.world:
            raise SdcError("E_USAGE", f"{self.world} ranks need as many shards, not {len(self.shards)}")
        self.shuffle: int = shuffle
        self.seed: int = seed
        self._opener = opener or partial(open_file, access=access)
        self._epoch = _shared(1)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle in another way in the next epoch; workers that stay alive hear of it, too."""
        self._epoch.fill_(epoch)

    @property
    def skipped(self) -> int:
        """Items so far that could not be had, in all workers, and shards that could not be read on."""
        return self._failures.count

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        chance = random.Random(f"{self.seed} {int(self._epoch[0])}")
        shards = chance.sample(self.shards, len(self.shards)) if self.shuffle else self.shards
        own = shards[self.rank :: self.world][number::workers]
        streams = (one for shard in own for one in self._streams(shard))
        for path, data in _shuffled(streams, self.shuffle, chance):
            sample = self._failures.attempt(path, partial(self.decode, data, path=path))
            if sample is not None or self._failures.errors != "skip":
                yield sample

    def _streams(self, shard: str) -> Iterator[tuple[str, bytes]]:
        """The streams of a shard, with their paths; what keeps it from being read on is a failure."""
        streams = _members(shard, self._opener, self.decode.limits)
        while (found := self._failures.attempt(shard, lambda: next(streams, _END))) is not None:
            if found is _END:
                return
            yield found


_END = ("", b"")


def _members(shard: str, opener: Opener, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """The streams of a tar file, with their paths.

    Raises:
        SdcError: ``E_INPUT`` where it holds none; ``E_LIMIT``; ``E_IO``.
        OSError, tarfile.TarError: it cannot be read, or not to its end.
    """
    count = 0
    tar: Any
    with opener(shard) as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # which would grow with every file
            if member.isfile() and is_stream_name(member.name):
                if member.size > limits.chunk_bytes:
                    raise SdcError("E_LIMIT", f"{member.name} has {member.size} bytes")
                part = tar.extractfile(member)
                count += 1
                yield f"{shard}/{member.name}", part.read()
    if not count:
        raise SdcError("E_INPUT", "the shard holds no stream")


_HEADER_ERROR, _READ_ERROR = tarfile.HeaderError, tarfile.ReadError
_END_OF_FILE: type[tarfile.TarError] = vars(tarfile)["EOFHeaderError"]
"""Of the mark at the end of a whole tar file, which is no error."""


class _Member(tarfile.TarInfo):
    """A header of a tar file; a wrong one ends the reading with an error, which ``tarfile`` itself hides."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        """The next header."""
        try:
            return super().fromtarfile(tarfile)
        except _END_OF_FILE:
            raise
        except _HEADER_ERROR as error:
            raise _READ_ERROR(f"the tar file is cut off or damaged: {error}") from None


def _shuffled(items: Iterator[Item], size: int, chance: random.Random) -> Iterator[Item]:
    """Items in another order, out of a buffer of so many; 0 for the order that they have."""
    held: list[Item] = []
    for item in items:
        held.append(item)
        if len(held) > size:
            place = chance.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            yield held.pop()
    chance.shuffle(held)
    yield from held


def _rank() -> tuple[int, int]:
    """Rank of this process, and the number of ranks."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def collate(items: Sequence[Any]) -> tuple[list[Any], list[Target]]:
    """A batch as detectors of torchvision take it: images, and their targets; ``None`` is left out."""
    whole = [one for one in items if one is not None]
    return [image for image, _ in whole], [target for _, target in whole]
