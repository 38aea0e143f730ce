"""Streams at URLs: by ranges from nginx, from servers that misbehave, and from stores of fsspec.

Without nginx its tests are skipped, unless the environment variable ``SDC_REQUIRE_NGINX`` is set.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdc
from sdc.cli import main as cli
from sdc.remote import addresses, http
from sdc.remote.file import AHEAD, FIRST, RemoteFile, Transfer
from sdc.remote.stores import STORES
from sdc.remote.url import is_url
from sdc.testing.streams import random_stream

STREAM = random_stream(3, width=800, height=600, count=4, amplitude=2047, extras=True).data
"""Its L1 ends behind the first request, and its objects stand behind all groups, far from there."""
L1_END = sdc.open(STREAM).prefix_size(levels="L1")
GROUPS_END = sdc.open(STREAM).prefix_size()
CONFIGURATION = """
daemon off; {user} pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  log_format ranges escape=none '$request_method|$uri|$status|$body_bytes_sent|$http_range|$http_if_range';
  access_log {folder}/access.log ranges;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files;
    location /whole/ {{ alias {folder}/files/; max_ranges 0; }}
    location /moved/ {{ rewrite ^/moved/(.*) /$1 redirect; }}
    location /loop/ {{ return 302 /loop/x.sdc; }}
    location /gone/ {{ return 410; }}
    location /secret/ {{ return 403; }}
  }}
  server {{
    listen 127.0.0.1:{secure} ssl; root {folder}/files;
    ssl_certificate {folder}/own.pem; ssl_certificate_key {folder}/own.key;
    location /plain/ {{ return 302 http://localhost:{port}/x.sdc; }}
  }}
}}
"""


class Nginx:
    """A real nginx on this machine, with its log."""

    def __init__(self, program: str, folder: Path):
        self.folder, self.files = folder, folder / "files"
        self.files.mkdir()
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            self.port, self.secure = one.getsockname()[1], two.getsockname()[1]
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "own.key", "-out", "own.pem"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
        user = "user root;" if os.geteuid() == 0 else ""  # which owns the folder
        (folder / "nginx.conf").write_text(
            CONFIGURATION.format(user=user, folder=folder, port=self.port, secure=self.secure)
        )
        words = [
            program,
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
        self.process = subprocess.Popen(words)
        for _ in range(100):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((folder / "error.log").read_text())

    def url(self, name: str = "x.sdc") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def log(self, count: int) -> list[list[str]]:
        """Its lines since the last call: method, place, status, bytes, range, If-Range."""
        path = self.folder / "access.log"
        for _ in range(100):
            lines = [line.split("|") for line in path.read_text().splitlines()]
            if len(lines) >= count:
                break
            time.sleep(0.02)  # a line is written when the answer has been sent
        path.write_text("")
        return lines


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        why = "needs nginx, such as Debian's nginx-light"
        if os.environ.get("SDC_REQUIRE_NGINX"):
            pytest.fail(why)
        pytest.skip(why)
    nginx = Nginx(program, tmp_path_factory.mktemp("nginx"))
    yield nginx
    nginx.process.terminate()
    assert nginx.process.wait(10) == 0


@pytest.fixture
def nginx(started: Nginx) -> Nginx:
    (started.files / "x.sdc").write_bytes(STREAM)
    (started.folder / "access.log").write_text("")
    return started


# --- nginx ------------------------------------------------------------------------------------------


def test_two_requests_for_l1_and_a_third_for_the_objects(nginx: Nginx) -> None:
    with sdc.open_url(nginx.url(), private=True) as remote, sdc.open(remote) as file:
        assert file.size == (800, 600) and file.levels[0] == "L1"
        assert file.transfer == (1, FIRST, len(STREAM))
        decoded = file.read(levels="L1")
        assert file.transfer == (2, L1_END, len(STREAM))
        first, second = nginx.log(2)
        assert first == ["GET", "/x.sdc", "206", str(FIRST), f"bytes=0-{FIRST - 1}", ""]
        assert second[:5] == ["GET", "/x.sdc", "206", str(L1_END - FIRST), f"bytes={FIRST}-{L1_END - 1}"]
        assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', second[5])
        want = sdc.decode(STREAM, levels="L1")
        assert np.array_equal(decoded.pixels, want.pixels)
        assert file.objects == sdc.open(STREAM).objects and file.exif == sdc.open(STREAM).exif
        ((*_, place, check),) = nginx.log(1)
        assert place == f"bytes={GROUPS_END}-{len(STREAM) - 1}" and check == second[5]
    assert file.transfer == Transfer(3, L1_END + len(STREAM) - GROUPS_END, len(STREAM))


def test_what_is_allowed_goes_with_the_url(nginx: Nginx) -> None:
    with sdc.open(nginx.url(), access=sdc.Access(private=True, first=100)) as file:
        assert file.size == (800, 600) and file.transfer is not None and file.transfer.requests == 2
        opened = file._opened
    assert opened is not None and opened.closed
    labels = [m.object.label for m in sdc.find(nginx.url(), access=sdc.Access(private=True))]
    assert labels == [o.label for o in sdc.open(STREAM).objects]


def test_objects_in_front_need_no_third(nginx: Nginx) -> None:
    things = [sdc.Object("cat", (0, 0, 20, 20), sdc.Level.L1)]
    data = sdc.encode(np.zeros((40, 40, 3), np.uint8), objects=things, metadata="first", effort=0)
    (nginx.files / "first.sdc").write_bytes(data)
    with sdc.open_url(nginx.url("first.sdc"), private=True) as remote, sdc.open(remote) as file:
        assert [o.label for o in file.objects] == ["cat"] and file.read(levels="L1").groups == (0,)
        assert file.transfer == Transfer(1, len(data), len(data))


def test_the_first_request_can_be_of_another_size(nginx: Nginx) -> None:
    with sdc.open_url(nginx.url(), private=True, first=30000) as remote, sdc.open(remote) as file:
        file.read(levels="L1")
        assert file.transfer == (1, 30000, len(STREAM))


def test_every_function_takes_a_url(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (sdc.open, sdc.decode, sdc.imread, sdc.extract, sdc.info, sdc.validate):
        with pytest.raises(sdc.IoError, match="private network") as caught:
            call(nginx.url())  # type: ignore[operator]
        said = str(caught.value)
        assert said.endswith(f"access=sdc.Access(private=True) ({nginx.url()})") and "--allow private" in said
        assert said.count("127.0.0.1") == 1
    with pytest.raises(sdc.IoError, match=r"network \(.*127.0.0.1.*\); .*\(http://localhost:"):
        sdc.open(nginx.url().replace("127.0.0.1", "localhost"))
    assert nginx.log(0) == []
    monkeypatch.setattr("sdc.remote.addresses.is_public", lambda _: True)
    url = nginx.url()
    assert np.array_equal(sdc.decode(url).pixels, sdc.decode(STREAM).pixels)
    assert np.array_equal(sdc.imread(url, levels="L1"), sdc.imread(STREAM, levels="L1"))
    assert sdc.extract(url, levels="L1") == sdc.extract(STREAM, levels="L1")
    assert sdc.info(url) == sdc.info(STREAM) and sdc.validate(url) == sdc.validate(STREAM)


def test_reading_on_and_on_takes_ever_larger_ranges(nginx: Nginx) -> None:
    data = bytes(range(256)) * 8000
    (nginx.files / "long").write_bytes(data)
    with sdc.open_url(nginx.url("long"), private=True) as remote:
        assert b"".join(iter(lambda: remote.read(100), b"")) == data
        assert remote.requests < 15 and remote.received == len(data)
        assert remote.seek(-3, io.SEEK_END) == len(data) - 3 and remote.read() == data[-3:]
        assert remote.seek(-2, io.SEEK_CUR) == remote.tell() and remote.read(1) == data[-2:-1]
        assert remote.read() == data[-1:] and remote.read() == b"" and remote.read(5) == b""


def test_connections_are_kept(nginx: Nginx) -> None:
    with sdc.open_url(nginx.url(), private=True) as remote:
        assert isinstance(remote, http.HttpFile)
        before = remote._connection
        remote.seek(30000)
        assert remote.read(10) == STREAM[30000:30010]
        assert remote._connection is before and before is not None and before.sock is not None


def test_a_server_that_ignores_ranges(nginx: Nginx) -> None:
    with (
        pytest.warns(UserWarning, match="ignores ranges"),
        sdc.open_url(nginx.url("whole/x.sdc"), private=True) as remote,
        sdc.open(remote) as file,
    ):
        decoded = file.read(levels="L1")
        assert file.transfer == (1, L1_END, len(STREAM))  # no more of it is read
        assert np.array_equal(decoded.pixels, sdc.decode(STREAM, levels="L1").pixels)
        assert file.objects == sdc.open(STREAM).objects
        assert file.transfer == (1, len(STREAM), len(STREAM))


def test_that_ranges_are_ignored_is_said_once(
    nginx: Nginx, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (nginx.files / "short.sdc").write_bytes(STREAM[:FIRST])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # all of it was asked for, and ranges were not ignored
        sdc.open_url(nginx.url("whole/short.sdc"), private=True).close()
        sdc.open_url(nginx.url(), private=True).close()
    shutil.copy(nginx.files / "x.sdc", nginx.files / "y.sdc")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for name in ("whole/x.sdc", "whole/y.sdc"):
            sdc.open_url(nginx.url(name), private=True).close()
    assert [str(one.message) for one in told] == [http.NO_RANGES]
    status, _, err = run(capsys, "decode", nginx.url("whole/x.sdc"), tmp_path / "a.png", "--allow=private")
    lines = err.splitlines()
    assert status == 0 and len(lines) == 2 and lines[0] == f"sdc: note: {http.NO_RANGES}"


def test_a_file_that_changes_in_between(nginx: Nginx) -> None:
    with sdc.open_url(nginx.url(), private=True) as remote, sdc.open(remote) as file:
        other = bytearray(STREAM)
        other[-5:] = b"other"
        new = nginx.files / "new"
        new.write_bytes(other)
        os.utime(new, (1, 1))
        new.rename(nginx.files / "x.sdc")
        with pytest.raises(sdc.IoError, match="changed while it was read"):
            file.read(levels="L1")
    assert [line[2] for line in nginx.log(2)] == ["206", "200"]


def test_redirects_only_where_allowed(nginx: Nginx) -> None:
    with pytest.raises(sdc.IoError, match=r"names another place \(302\)") as caught:
        sdc.open_url(nginx.url("moved/x.sdc"), private=True)
    said = str(caught.value)
    assert "--allow redirects; in Python access=sdc.Access(redirects=True)" in said
    assert said.count("127.0.0.1") == 1
    with sdc.open_url(nginx.url("moved/x.sdc"), private=True, redirects=True) as remote:
        assert remote.requests == 2 and remote.read(100) == STREAM[:100]
    nginx.log(3)
    with pytest.raises(sdc.IoError, match="more than 5 answers"):
        sdc.open_url(nginx.url("loop/x.sdc"), private=True, redirects=True)
    assert len(nginx.log(6)) == 6


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("absent.sdc", sdc.InputError, "no such file"),
        ("gone/x.sdc", sdc.InputError, "no such file"),
        ("secret/x.sdc", sdc.IoError, "403 Forbidden"),
        ("secret/x.sdc?key=hidden", sdc.IoError, "403 Forbidden"),
    ],
)
def test_answers_without_the_file(nginx: Nginx, name: str, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words) as told:
        sdc.open_url(nginx.url(name), private=True)
    assert name.partition("?")[0] in str(told.value) and "hidden" not in str(told.value)


def test_an_empty_file_and_one_that_is_no_stream(nginx: Nginx) -> None:
    for data in (b"", b"no stream"):
        (nginx.files / "no").write_bytes(data)
        with sdc.open_url(nginx.url("no"), private=True) as remote:
            assert remote.size == len(data)
            with pytest.raises(sdc.InvalidError, match="E_MAGIC"):
                sdc.open(remote)


def test_names_that_no_request_can_hold_are_quoted(nginx: Nginx) -> None:
    (nginx.files / "ä b#?.sdc").write_bytes(STREAM)
    for name in ("ä b%23%3F.sdc", "%C3%A4%20b%23%3f.sdc?x=y z#there"):
        with sdc.open_url(nginx.url(name), private=True) as remote:
            assert remote.size == len(STREAM)


def test_tls_with_a_certificate_that_is_trusted_alone(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"https://localhost:{nginx.secure}/x.sdc"
    with pytest.raises(sdc.IoError, match="no secure connection: CERTIFICATE_VERIFY_FAILED"):
        sdc.open_url(url, private=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(nginx.folder / "own.pem"))
    with sdc.open_url(url, private=True) as remote, sdc.open(remote) as file:
        assert np.array_equal(file.read(levels="L1").pixels, sdc.decode(STREAM, levels="L1").pixels)
        assert file.transfer == (2, L1_END, len(STREAM))
    with pytest.raises(sdc.IoError, match="CERTIFICATE_VERIFY_FAILED"):  # of another name
        sdc.open_url(url.replace("localhost", "127.0.0.1"), private=True)
    with pytest.raises(sdc.IoError, match="without TLS"):
        sdc.open_url(url.replace("x.sdc", "plain/x.sdc"), private=True, redirects=True)


# --- commands ---------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: object, main: Any = cli.main) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    return (status, *capsys.readouterr())


def test_the_commands_take_a_url(
    nginx: Nginx, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url, allow = nginx.url(), "--allow=private"
    status, out, err = run(capsys, "decode", url, "a.png", "--levels=1", allow)
    assert (status, err) == (0, f"sdc: note: 2 requests, {L1_END} of {len(STREAM)} bytes fetched\n")
    Path("x.sdc").write_bytes(STREAM)
    assert run(capsys, "decode", "x.sdc", "b.png", "--levels=1") == (0, "", "")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    status, out, err = run(capsys, "extract", url, "c.sdc", "--levels=1", allow)
    assert status == 0 and Path("c.sdc").read_bytes() == sdc.extract(STREAM, levels="L1")
    assert "3 requests" in err
    status, out, err = run(capsys, url, allow, main=cli.info_main)
    assert status == 0 and "800 x 600" in out and f"of {len(STREAM)} bytes fetched" in err
    assert run(capsys, "validate", url, allow)[1] == f"{url}: valid\n"
    assert run(capsys, "sheet", url, "s.png", allow)[0] == 0
    nginx.log(0)
    status, out, err = run(capsys, "stat", "--json", url, allow)
    assert status == 0 and f'"size": {len(STREAM)}' in out and len(nginx.log(2)) == 2
    assert run(capsys, "find", "--label=thing 0", url, allow)[:2] == (0, f"{url}\n")
    assert run(capsys, "find", url)[0] == run(capsys, "stat", url)[0] == run(capsys, "to-coco", url)[0] == 74
    for words in (["info", url], ["decode", url, "d.png"]):
        status, out, err = run(capsys, *words)
        assert (status, out) == (74, "") and "E_IO" in err and "private network" in err
        assert err.count("127.0.0.1") == 1 and "--allow private" in err
    assert run(capsys, "info", nginx.url("absent"), allow)[0] == 66
    assert run(capsys, "info", url, "--allow=all")[0] == 64
    assert run(capsys, "info", url, "--timeout=0")[0] == 64


# --- servers that misbehave -------------------------------------------------------------------------


class Server(BaseHTTPRequestHandler):
    """Answers as it is told to."""

    protocol_version = "HTTP/1.1"
    behave: Callable[[Server, int, int], None]

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert found is not None
        type(self).behave(self, int(found[1]), min(int(found[2]) + 1, len(STREAM)))

    def answer(self, start: int, end: int, tag: str = '"a"', **more: str) -> None:
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(STREAM)}")
        self.send_header("ETag", tag)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    """A server that says nothing of connections that are closed while it answers."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[Server, int, int], None]], str]]:
    running: list[ThreadingHTTPServer] = []

    def start(behave: Callable[[Server, int, int], None]) -> str:
        class Told(Server):
            pass

        Told.behave = behave  # type: ignore[method-assign, assignment]
        running.append(Quiet(("127.0.0.1", 0), Told))
        threading.Thread(target=running[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}/x.sdc"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


Start = Callable[[Callable[[Server, int, int], None]], str]


def test_a_connection_that_drops_is_taken_up_again(server: Start) -> None:
    asked: list[int] = []

    def behave(self: Server, start: int, end: int) -> None:
        asked.append(start)
        self.answer(start, end)
        self.wfile.write(STREAM[start : min(start + 15000, end)])
        self.close_connection = True

    with sdc.open_url(server(behave), private=True) as remote, sdc.open(remote) as file:
        assert np.array_equal(file.read(levels="L1").pixels, sdc.decode(STREAM, levels="L1").pixels)
        assert asked == [0, FIRST, FIRST + 15000]
        assert file.transfer is not None and file.transfer[1:] == (L1_END, len(STREAM))
        assert file.transfer.requests >= len(asked)  # one finds the kept connection closed


def test_one_that_drops_again_and_again_is_told(server: Start) -> None:
    def behave(self: Server, start: int, end: int) -> None:
        self.answer(start, end)
        self.wfile.write(STREAM[start : start + 10])
        self.close_connection = True

    with pytest.raises(sdc.IoError, match=r"lost.*3 times, at byte 30 of"):
        sdc.open_url(server(behave), private=True)


def test_a_server_that_says_nothing(server: Start) -> None:
    url = server(lambda self, start, end: time.sleep(3))
    began = time.monotonic()
    with pytest.raises(sdc.IoError, match=r"nothing came for 0.3 seconds"):
        sdc.open_url(url, private=True, timeout=0.3)
    assert time.monotonic() - began < 2


def test_a_server_that_is_too_slow(server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SLOWEST", 1 << 20)

    def drip(self: Server, start: int, end: int) -> None:
        self.answer(start, end)
        for at in range(start, end):
            self.wfile.write(STREAM[at : at + 1])
            self.wfile.flush()
            time.sleep(0.05)

    began = time.monotonic()
    with pytest.raises(sdc.IoError, match="seconds"):
        sdc.open_url(server(drip), private=True, timeout=0.4)
    assert time.monotonic() - began < 3


def test_an_answer_of_slow_headers_ends_too(server: Start) -> None:
    def drip(self: Server, start: int, end: int) -> None:
        self.wfile.write(b"HTTP/1.1 206 Partial\r\n")
        while True:
            self.wfile.write(b"X: y\r\n")
            self.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    with pytest.raises(sdc.IoError, match="seconds"):
        sdc.open_url(server(drip), private=True, timeout=0.4)
    assert time.monotonic() - began < 3


def whole(self: Server, tag: str) -> None:
    self.send_response(200)
    self.send_header("ETag", tag)
    self.send_header("Content-Length", str(len(STREAM)))
    self.end_headers()
    self.wfile.write(STREAM)


@pytest.mark.filterwarnings("ignore:a server ignores ranges")
@pytest.mark.parametrize(("tag", "same"), [('"a"', True), ('"b"', False)])
def test_one_that_ignores_ranges_only_later(server: Start, tag: str, same: bool) -> None:
    def behave(self: Server, start: int, end: int) -> None:
        if start:
            assert self.headers["If-Range"] == '"a"'
            whole(self, tag)
        else:
            self.answer(start, end)
            self.wfile.write(STREAM[start:end])

    with sdc.open_url(server(behave), private=True) as remote:
        remote.seek(30000)
        if same:
            assert remote.read(100) == STREAM[30000:30100]
        else:
            with pytest.raises(sdc.IoError, match="changed"):
                remote.read(100)


def test_a_version_that_changes_without_if_range_is_noticed(server: Start) -> None:
    def behave(self: Server, start: int, end: int) -> None:  # by its ETag alone
        self.answer(start, end, '"b"' if start else '"a"')
        self.wfile.write(STREAM[start:end])

    with sdc.open_url(server(behave), private=True) as remote:
        remote.seek(30000)
        with pytest.raises(sdc.IoError, match="changed"):
            remote.read(100)


def test_a_weak_tag_is_no_validator(server: Start) -> None:
    seen: list[str | None] = []

    def behave(self: Server, start: int, end: int) -> None:
        seen.append(self.headers["If-Range"])
        self.answer(start, end, 'W/"a"', Last_Modified="Sat, 28 Nov 2026 08:00:00 GMT")
        self.wfile.write(STREAM[start:end])

    with sdc.open_url(server(behave), private=True) as remote:
        remote.seek(30000)
        assert remote.read(100) == STREAM[30000:30100]
    assert seen == [None, "Sat, 28 Nov 2026 08:00:00 GMT"]


def chunked(self: Server, start: int, end: int) -> None:
    self.send_response(200)
    self.send_header("Transfer-Encoding", "chunked")
    self.end_headers()
    for at in range(0, len(STREAM), 5000):
        part = STREAM[at : at + 5000]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    self.wfile.write(b"0\r\n\r\n")


@pytest.mark.filterwarnings("ignore:a server ignores ranges")
def test_a_whole_file_of_unknown_length(server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with sdc.open_url(server(chunked), private=True) as remote:
        assert remote.size == len(STREAM) and remote.read() == STREAM
    monkeypatch.setattr(http, "MOST", 6000)
    with pytest.raises(sdc.UnsupportedError, match="E_LIMIT"):
        sdc.open_url(server(chunked), private=True)


def encoded(self: Server, start: int, end: int) -> None:
    self.answer(start, end, Content_Encoding="gzip")
    self.wfile.write(STREAM[start:end])


def displaced(self: Server, start: int, end: int) -> None:
    self.answer(start + 1, end + 1)
    self.wfile.write(STREAM[start:end])


def broken_whole(self: Server, start: int, end: int) -> None:
    self.send_response(200)
    self.send_header("Content-Length", str(len(STREAM)))
    self.end_headers()
    self.wfile.write(STREAM[:5000])
    self.close_connection = True


@pytest.mark.filterwarnings("ignore:a server ignores ranges")
@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (encoded, "compressed"),
        (displaced, "which bytes it sends"),
        (broken_whole, "lost at byte 5000|lost .IncompleteRead"),
        (lambda self, start, end: self.wfile.write(b"nonsense\r\n\r\n"), "lost .*nonsense"),
        (lambda self, start, end: self.send_error(500), "500 Internal Server Error"),
    ],
)
def test_answers_that_are_wrong(server: Start, behave: Any, words: str) -> None:
    with pytest.raises(sdc.IoError, match=words):
        sdc.open_url(server(behave), private=True).read()


def test_a_redirect_leads_to_no_private_address(server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    private = server(lambda self, start, end: pytest.fail("asked"))

    def behave(self: Server, start: int, end: int) -> None:
        self.send_response(302)
        self.send_header("Location", private)
        self.send_header("Content-Length", "0")
        self.end_headers()

    # 127.0.0.2 stands for a public address, at which the first server is found.
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.2")
    real = addresses._connected
    monkeypatch.setattr(
        addresses, "_connected", lambda *args: real(*args[:3], ("127.0.0.1", args[3][1]), args[4])
    )
    url = server(behave).replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(sdc.IoError, match=r"private network; .*\(http://127.0.0.1:"):
        sdc.open_url(url, redirects=True)


# --- addresses and URLs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert addresses.is_public(address) is public


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_other_ways_to_write_this_machine(host: str) -> None:
    with pytest.raises(sdc.IoError, match=r"private network|no host of this name"):
        sdc.open_url(f"http://{host}:9/x.sdc")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://", "not a URL of HTTP"),
        ("http://a:b@host/x", "user or a password"),
        ("http://host:port/x", "not a URL"),
        ("http://[::1/x", "not a URL"),
        ("ftp://host/x", "ftp:// is not read by URL"),
        ("simplecache::https://host/x", "not read by URL"),
        ("zip://x::s3://bucket/a.zip", "not read by URL"),
        ("s3://bucket/x::https://host/y", "not read by URL"),
        ("reference://x", "not read by URL"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    assert is_url(url)
    with pytest.raises(sdc.UsageError, match=words) as told:
        sdc.open(url)
    assert "a:b" not in str(told.value)


@pytest.mark.parametrize(
    "path", ["x.sdc", "/a/b.sdc", "C:\\x.sdc", "a::b.sdc", "http:x", Path("http://x"), b"http://x"]
)
def test_paths_that_are_no_url(path: Any) -> None:
    assert not is_url(path)


# --- fsspec -----------------------------------------------------------------------------------------


def test_a_store_of_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/x.sdc", STREAM)
    (tmp_path / "x.sdc").write_bytes(STREAM)
    for url in ("memory://bucket/x.sdc", f"file://{tmp_path}/x.sdc"):
        with sdc.open(url) as file:
            file.read(levels="L1")
            assert file.transfer == (3, L1_END, len(STREAM))  # the first one asks for the size
            assert file.objects == sdc.open(STREAM).objects
        assert np.array_equal(sdc.imread(url), sdc.imread(STREAM))
    with pytest.raises(sdc.InputError, match="no such file"):
        sdc.open("memory://bucket/absent.sdc")
    memory.pipe("/bucket/empty", b"")
    with pytest.raises(sdc.InvalidError, match="E_MAGIC"):
        sdc.open("memory://bucket/empty")
    memory.rm("/bucket", recursive=True)


def test_any_file_of_fsspec_can_be_given(nginx: Nginx) -> None:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    with fsspec.open(nginx.url()) as remote, sdc.open(remote) as file:
        assert np.array_equal(file.read(levels="L1").pixels, sdc.decode(STREAM, levels="L1").pixels)
        assert file.transfer is None


def test_what_fsspec_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(sdc.UsageError, match="s3fs"):
        sdc.open("s3://bucket/x.sdc")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(sdc.UsageError, match=r"sdc-codec\[url\]"):
        sdc.open("s3://bucket/x.sdc")
    assert "s3" in STORES and "http" not in STORES


def test_a_store_whose_library_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/broken.sdc", STREAM)

    def fails(*_: object, **__: object) -> bytes:
        raise RuntimeError("the store\nis closed")

    monkeypatch.setattr(type(memory), "cat_file", fails)
    with pytest.raises(sdc.IoError, match="could not read: the store is closed"):
        sdc.open("memory://broken.sdc")
    monkeypatch.setattr(type(memory), "cat_file", lambda *_, **__: b"short")
    with pytest.raises(sdc.IoError, match="5 came"):
        sdc.open("memory://broken.sdc")
    monkeypatch.undo()
    memory.rm("/broken.sdc")


def test_a_closed_one_gives_nothing() -> None:
    pytest.importorskip("fsspec").filesystem("memory").pipe("/closed.sdc", STREAM)
    remote = sdc.open_url("memory://closed.sdc")
    assert isinstance(remote, RemoteFile) and remote.readable() and remote.seekable()
    file = sdc.open(remote)
    remote.close()
    with pytest.raises(sdc.UsageError, match="closed"):
        file.read()
    with pytest.raises(ValueError, match="closed"):
        remote.read()
    assert AHEAD <= FIRST
