"""Restoration networks that are programs: command templates by task.

A JSON file describes one::

    {
      "name": "MAXIM",
      "image": ".ppm",
      "restore": {
        "noise": "node restore.mjs denoising {input} {output}",
        "rain": "node restore.mjs deraining {input} {output}"
      }
    }

``{input}`` and ``{output}`` are files of images; these are PNG, or what ``"image"`` says, as for
:mod:`.external`.
Commands run without a shell, where the measurement runs.
A task that has no command is left out for this network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdc.types import Pixels

from .external import check_template, read_description, read_written, run_command, write_image

FIELDS = {"name": str, "restore": dict}
PLACES = ("input", "output")


class RestorerError(RuntimeError):
    """A program failed, or wrote no image of the size that it was given."""


@dataclass(frozen=True)
class Restorer:
    """A restoration network that is a program.

    Attributes:
        name: of the network.
        commands: templates by task.
        suffix: of the files that it reads and writes.
    """

    name: str
    commands: Mapping[str, str]
    suffix: str = ".png"

    def restored(self, task: str, pixels: Pixels) -> Pixels:
        """What the program of a task makes of an image, ``uint8 [H, W, 3]``, of the same shape.

        Raises:
            KeyError: the task has no program.
            RestorerError: it failed, or wrote no image of this size.
        """
        with tempfile.TemporaryDirectory() as folder:
            source, out = (Path(folder) / f"{name}{self.suffix}" for name in ("in", "out"))
            try:
                write_image(pixels, source)
                run_command(self.commands[task], source, out)
                made = read_written(out)
            except (OSError, RuntimeError, ValueError) as error:
                raise RestorerError(f"{self.name}, {task}: {error}") from error
        if made.shape != pixels.shape:
            sizes = [f"{shape[1]}x{shape[0]}" for shape in (made.shape, pixels.shape)]
            raise RestorerError(f"{self.name}, {task}: it made {sizes[0]} of {sizes[1]}")
        return made


def load_restorer(path: Path, tasks: Collection[str]) -> Restorer:
    """A network from its JSON file.

    Args:
        path: the file.
        tasks: those that there are.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not as the module describes.
    """
    data = read_description(path, FIELDS)
    commands, suffix = data["restore"], data.get("image", ".png")
    if not data["name"]:
        raise ValueError(f"{path}: 'name' is empty")
    if not commands:
        raise ValueError(f"{path}: 'restore' has no task")
    if unknown := sorted(set(commands) - set(tasks)):
        raise ValueError(f"{path}: no task {', '.join(unknown)}: there are {', '.join(tasks)}")
    for task, template in commands.items():
        if not isinstance(template, str):
            raise ValueError(f"{path}: {task!r} must be given as str")
        lacking = set(PLACES) - check_template(path, task, template, PLACES)
        if lacking:
            raise ValueError(f"{path}: {task!r} must have {{{min(lacking)}}}")
    if not isinstance(suffix, str) or not suffix.startswith("."):
        raise ValueError(f"{path}: 'image' must be the ending of a file's name, such as .ppm")
    return Restorer(data["name"], commands, suffix)
