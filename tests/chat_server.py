"""A chat endpoint that answers what a test tells it, and objects to ask it about."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdc.analysis import Analysis, Options, Scene, analyze, pipeline, registry
from sdc.analysis.providers import endpoint
from sdc.objects.object import Object

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A chat endpoint that answers what a test tells it, in turn, the last answer again and again."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.models = ["tiny"]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                send(self, json.dumps({"data": [{"id": name} for name in outer.models]}))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append(json.loads(body))
                outer.keys.append(self.headers.get("Authorization"))
                answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                try:
                    answer(self) if callable(answer) else send(self, completion(answer))
                except OSError:
                    pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


def send(
    handler: BaseHTTPRequestHandler, text: str, status: int = 200, claim: int | None = None, **headers: str
) -> None:
    data = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data) if claim is None else claim))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def completion(text: Any) -> str:
    text = text if isinstance(text, str) else json.dumps(text)
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def fails(status: int, **headers: str) -> Answer:
    return lambda handler: send(handler, "the key is secret-key", status, **headers)


def says(status: int, **error: Any) -> Answer:
    """An error as OpenAI's servers tell it."""
    return lambda handler: send(handler, json.dumps({"error": error}), status)


def reply(content: Any = None, finish: str = "stop", **message: Any) -> Answer:
    """A chat completion, whatever it holds."""
    choice = {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return lambda handler: send(handler, json.dumps({"choices": [choice]}))


CAPTIONS = {"short": "A disc.", "detailed": "A red disc on grass."}


def levels(*rows: tuple[Any, Any]) -> dict[str, Any]:
    return {"objects": [{"id": k, "level": level, "reason": f"because {k}"} for k, level in rows]}


THINGS = [Object("sky", (0, 0, 192, 32)), Object("disc", (70, 40, 72, 48)), Object("grass", (0, 96, 192, 32))]
GOOD = levels((0, "L3"), (1, "L1"), (2, "L2"))


class Things:
    """Finds always the same."""

    model = "fixed 1"

    def __init__(self, options: Options):
        self.options = options

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        return THINGS

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        return [replace(o, mask=np.ones(o.box[3:1:-1], bool)) for o in objects]


def picture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A red disc on green."""
    drawn = Image.new("RGB", (192, 128), (60, 120, 70))
    ImageDraw.Draw(drawn).ellipse((70, 40, 141, 87), (210, 60, 40))
    return np.asarray(drawn)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pipeline.provider_of.cache_clear()
    monkeypatch.setattr(endpoint, "WAIT", 0.001)
    monkeypatch.setattr(endpoint, "LONGEST_WAIT", 0.01)
    things = SimpleNamespace(name="things", load=lambda: Things)
    monkeypatch.setattr(registry, "entry_points", lambda group: [things])
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()


def ask(server: Server, *answers: Any, **options: Any) -> Analysis:
    """What the analysis makes of answers."""
    server.answers = list(answers)
    given = {"grounding": "things", "masks": "things", "url": server.url, "key": "secret-key", "timeout": 5.0}
    return analyze(picture(), Options(**{**given, **options}))
