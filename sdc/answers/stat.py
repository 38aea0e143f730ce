"""How many bytes each level of many streams takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..remote.file import ORDINARY, Access
from ..types import LEVELS, Level, Limits
from .streams import OnError, Streams, outlines, warn


@dataclass(frozen=True)
class Stat:
    """What a stream takes.

    Attributes:
        path: of the stream.
        width, height: of the image in pixels.
        size: bytes of the file.
        levels: bytes of the groups of each level that it has; withdrawn groups have none.
        header: bytes of magic number, header and group map.
        metadata: bytes of all chunks, and of what is damaged between them.
        prefix: bytes from the start of the file to the end of each level's last group.
        truncated: whether the file ends before its groups do.
    """

    path: str
    width: int
    height: int
    size: int
    levels: dict[Level, int]
    header: int
    metadata: int
    prefix: dict[Level, int]
    truncated: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **vars(self),
            "levels": {str(level): size for level, size in self.levels.items()},
            "prefix": {str(level): size for level, size in self.prefix.items()},
        }


def stat(
    source: Streams, *, limits: Limits = Limits(), access: Access = ORDINARY, on_error: OnError = warn
) -> Iterator[Stat]:
    """Bytes by level, without decoding pixels or group maps.

    Args:
        source: a folder, a stream's path or URL, or several.
        limits: what the caller agrees to hold in memory.
        access: what is allowed of URLs.
        on_error: told of streams that cannot be read; by default a warning.

    Yields:
        What each stream takes, in the order of the paths.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams.
    """
    for path, stream in outlines(source, limits, access, on_error):
        for error in stream.errors:
            on_error(path, error)
        groups = stream.groups
        by_level = {level: sum(g.size for g in groups if g.level == level) for level in stream.levels}
        preamble = sum(chunk.size for chunk in stream.before)
        header = groups[0].offset - preamble
        end = groups[-1].offset + groups[-1].size
        metadata = preamble + max(0, stream.size - end)
        yield Stat(
            path,
            stream.head.width,
            stream.head.height,
            stream.size,
            by_level,
            header,
            metadata,
            {level: stream.prefix(levels=level) for level in stream.levels},
            stream.size < end,
        )


def table_of(stats: Iterable[Stat]) -> str:
    """A table of many streams: bytes by level, their share, and what a prefix up to the level takes."""
    found = list(stats)
    total = sum(s.size for s in found) or 1
    rows = [("", "streams", "bytes", "a stream", "share", "prefix to it")]
    for level in LEVELS:
        own = [s for s in found if level in s.levels]
        size = sum(s.levels[level] for s in own)
        prefix = sum(s.prefix[level] for s in own)
        rows.append((str(level), *_cells(len(own), size, total), _mean(prefix, len(own))))
    for name, sizes in (
        ("header and map", [s.header for s in found]),
        ("metadata", [s.metadata for s in found]),
        ("all", [s.size for s in found]),
    ):
        rows.append((name, *_cells(len(sizes), sum(sizes), total), ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "".join(line.rstrip() + "\n" for line in lines)


def _cells(count: int, size: int, total: int) -> tuple[str, str, str, str]:
    return str(count), str(size), _mean(size, count), f"{100 * size / total:.1f} %"


def _mean(size: int, count: int) -> str:
    return str(round(size / count)) if count else "-"
