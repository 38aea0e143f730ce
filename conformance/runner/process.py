"""A command under caps of time, memory and output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

LINE_MAX = 64 << 20

LIMITER = (
    "import os, resource, signal, sys\n"
    "size = int(sys.argv[1])\n"
    "kind = resource.RLIMIT_DATA if sys.platform.startswith('linux') else resource.RLIMIT_AS\n"
    "resource.setrlimit(kind, (size, size))\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    "if int(sys.argv[2]):\n"
    "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
    "try:\n"
    "    os.execvp(sys.argv[3], sys.argv[3:])\n"
    "except OSError as error:\n"
    "    sys.exit(f'{sys.argv[3]}: {error.strerror}')\n"
)
"""Takes the caps of memory and files and becomes the command.

``RLIMIT_DATA`` counts what is used, not what is reserved.  A write beyond the cap of files fails, without a
signal.
"""


class Broken(Exception):
    """A process died, was silent or printed what nobody can read."""


class Process:
    """A command under caps, in a process group of its own.

    Args:
        command: in words.
        models: folder of model files, which the command finds in ``SDC_MODELS``.
        memory: bytes that it may use.
        room: bytes that a file may have that it writes; 0 for any number.
    """

    def __init__(self, command: Sequence[str], models: Path, memory: int, room: int = 0):
        self.noise = tempfile.TemporaryFile()
        limited = [sys.executable, "-S", "-c", LIMITER, str(memory), str(room), *command]
        environment = {**os.environ, "SDC_MODELS": str(models)}
        self.process = subprocess.Popen(
            limited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
            env=environment,
            start_new_session=True,
        )
        self.rest = bytearray()

    def said(self) -> str:
        """The end of what the process wrote on standard error."""
        size = self.noise.seek(0, os.SEEK_END)
        self.noise.seek(max(0, size - 2000))
        return self.noise.read().decode("utf-8", "replace")

    def kill(self) -> None:
        """End the process and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def read(self, until: float, line: bool) -> bytes:
        """Read a line, or everything; afterwards the process may still run.

        Raises:
            Broken: time is up, the process ended within a line, or it printed too much.
        """
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            found = line and b"\n" in self.rest
            while not found:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Broken("no answer in time")
                part = os.read(handle, 1 << 20)
                if not part:
                    if line:
                        raise Broken(self.death())
                    out, self.rest = self.rest, bytearray()
                    return bytes(out)
                self.rest += part
                found = line and b"\n" in part
                if len(self.rest) > LINE_MAX:
                    raise Broken("more output than anybody can want")
        out, _, self.rest = self.rest.partition(b"\n")
        return bytes(out)

    def death(self) -> str:
        """How the process ended."""
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if status < 0:
            return f"died by {signal.Signals(-status).name}"
        return f"ended with status {status} in place of an answer"

    def write(self, data: bytes, until: float) -> None:
        """Write a line, whatever its length.

        Raises:
            Broken: the process takes no more.
        """
        assert self.process.stdin is not None
        handle = self.process.stdin.fileno()
        os.set_blocking(handle, False)
        view = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_WRITE)
            while view:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Broken("does not read its input")
                try:
                    view = view[os.write(handle, view[: 1 << 16]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise Broken(self.death()) from None
