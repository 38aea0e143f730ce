"""A store behind a narrow line: an HTTP server that knows ranges and sends so many bits a second."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PIECE = 1 << 14
"""Bytes that are sent at a time."""

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Line:
    """A line that all connections share.

    Args:
        rate: bits a second.

    Attributes:
        sent: bytes so far, without headers.
    """

    def __init__(self, rate: float):
        self.rate, self.sent = rate, 0
        self._lock, self._free = threading.Lock(), 0.0

    def send(self, size: int) -> None:
        """Wait until so many bytes are through."""
        with self._lock:
            self.sent += size
            self._free = max(self._free, time.perf_counter()) + 8 * size / self.rate
            free = self._free
        time.sleep(max(0.0, free - time.perf_counter()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, folder: Path, line: Line, *args: Any):
        self._folder, self._line = folder, line
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send a file of the folder, or a range of it."""
        path = (self._folder / self.path.lstrip("/")).resolve()
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(len(data), int(asked[2]) + 1) if asked and asked[2] else len(data)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        for at in range(start, end, PIECE):
            piece = data[at : min(at + PIECE, end)]
            self._line.send(len(piece))
            self.wfile.write(piece)


@contextmanager
def served(folder: Path, rate: float) -> Iterator[tuple[str, Line]]:
    """Serve the files of a folder to this machine; the URL of the folder, with a slash at its end."""
    line = Line(rate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder, line))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
