"""Chat servers of every kind: what becomes of their answers and refusals, and where the key goes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import CAPTIONS, GOOD, Server, ask, fails, levels, says, send
from chat_server import server as server
from situations import Situation, check
from situations.chat import ROWS, THOUGHT

from sdc.analysis.interfaces import Options
from sdc.analysis.pipeline import provider_of
from sdc.analysis.providers import prompts
from sdc.analysis.providers.endpoint import Endpoint, is_loopback
from sdc.analysis.providers.thoughts import without_thoughts
from sdc.errors import SdcError

LEVELS = ["L3", "L1", "L2"]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_situations(row: Situation, server: Server) -> None:
    server.models = row.options.get("models", server.models)
    result = ask(server, *row.make())
    check(row, result.notes)
    by_default = "by the default" in row.happens
    assert result.provenance["ranking"]["provider"] == ("default" if by_default else "chat")
    if not by_default:
        assert [o.level for o in result.objects] == LEVELS
        assert result.provenance.get("captions", {}) == row.options.get("captions", CAPTIONS)
    assert "draft" not in json.dumps(result.as_dict())


def test_what_a_server_refuses_is_asked_for_once(server: Server) -> None:
    answers = [
        says(400, message="Use 'max_completion_tokens' instead of max_tokens"),
        says(400, message="no temperature"),
        says(500, message="System role not supported"),
        says(501, message="no json schema"),
        CAPTIONS,
        GOOD,
    ]
    assert not ask(server, *answers).notes and len(server.asked) == len(answers)
    first, last = server.asked[0], server.asked[-1]
    assert set(first) == {"model", "messages", "temperature", "max_tokens", "response_format"}
    assert set(last) == {"model", "messages", "max_completion_tokens"}
    assert [m["role"] for m in first["messages"]] == ["system", "user"]
    assert [m["role"] for m in last["messages"]] == ["user", "assistant", "user"]
    said, asked, image = last["messages"][0]["content"]
    assert said["text"] == prompts.ROLE and asked["text"] == prompts.DESCRIBE and image["type"] == "image_url"


def test_one_breakdown_is_not_about_the_schema(server: Server) -> None:
    """Two are: then a schema is not sent again."""
    assert not ask(
        server,
        fails(500),
        CAPTIONS,
        fails(500),
        GOOD,
    ).notes
    assert ["response_format" in body for body in server.asked] == [True, False, True, False]
    server.asked.clear()
    assert not ask(server, CAPTIONS, GOOD).notes
    assert ["response_format" in body for body in server.asked] == [False, False]


def test_a_model_that_cannot_see_is_asked_without_an_image(server: Server) -> None:
    assert not ask(server, CAPTIONS, GOOD, text_only=True).notes
    assert "image_url" not in json.dumps(server.asked)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain", "plain"),
        ("<think>a</think>b", "b"),
        ("<THINKING>a</THINKING> b", "b"),
        ("a</think>b", "b"),
        ("<think>a", ""),
        ("b<think>a", "b"),
        ("<think></think>\n\n{}", "{}"),
        ("<seed:think>a</seed:think>b", "b"),
        ("<think>a</think>b<think>c</think>", "b"),
        ("<|begin_of_thought|>a<|end_of_thought|>b", "b"),
        ("<unused94>thought a<unused95>b", "b"),
        ("<|channel|>analysis<|message|>a", ""),
        ("<|channel|>final<|message|>b<|end|>", "b"),
        ('{"short": "a </think> b"}', '{"short": "a </think> b"}'),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("a [thinking] man", "a [thinking] man"),
        ("[" * 3000, "[" * 3000),
        ("<thinker>b</thinker>", "<thinker>b</thinker>"),
    ],
)
def test_thoughts_are_no_answer(text: str, left: str) -> None:
    assert without_thoughts(text) == left and without_thoughts(left) == left


def test_thoughts_are_no_caption_no_tag_and_no_reason() -> None:
    """Also those of models that run in this process."""
    assert prompts.read_captions(f"<think>{THOUGHT}") == {}
    assert prompts.read_captions('{"short": "<think>hm</think>A disc.", "detailed": "<think>hm"}') == {
        "short": "A disc."
    }
    assert prompts.read_captions('```json\n{"short": "A di') == {}
    assert prompts.read_tags('<think>{"tags": ["draft"]}</think>{"tags": ["disc"]}') == ["disc"]
    rows = [{"id": 0, "level": "L1", "reason": "<think>hm</think>It is red."}]
    assert prompts.read_levels(json.dumps({"objects": rows}), 1)[0][0][1] == "It is red."
    drafts = json.dumps(levels((0, "L3"))) + " no: " + json.dumps({"answer": levels((0, "L1"))})
    assert prompts.read_levels(drafts, 1)[0][0][0] == "L1"


def test_words_of_a_server_are_one_line_without_keys(server: Server) -> None:
    words = "\x1b[31m" + "no\n" * 300 + "secret-key"
    (note,) = ask(server, says(418, message=f"secret-key hf_abcdefgh {words}")).notes
    assert "\n" not in note and len(note) < 300 and "HTTP 418: *** *** " in note and note.endswith("...")
    provider_of.cache_clear()
    for body in (
        "[]",
        "null",
        "7",
        '{"error": [[["deep"]]]}',
        "[" * 9999,
        '{"error": {"message": {"detail": "why"}}}',
    ):
        server.answers = [lambda handler, body=body: send_text(handler, body)]
        with pytest.raises(OSError, match="HTTP 418"):
            Endpoint(Options(url=server.url)).ask([{"role": "user", "content": "?"}], None, {})


def send_text(handler: Any, text: str) -> None:
    send(handler, text, 418)


# --- Where the key goes -------------------------------------------------------------------------------


class Proxy:
    """Listens, keeps what comes, and hangs up."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.heard: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer:
                self.heard.append(peer.recv(1 << 16))
                peer.sendall(b"HTTP/1.1 502 no\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    made = Proxy()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, made.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.socket.close()


def test_no_proxy_of_the_environment_sees_the_key(server: Server, proxy: Proxy) -> None:
    assert not ask(server, CAPTIONS, GOOD).notes
    provider_of.cache_clear()
    assert not ask(server, CAPTIONS, GOOD, proxy=proxy.url).notes  # never for this machine
    provider_of.cache_clear()
    (note,) = ask(server, CAPTIONS, url="http://nowhere.invalid/v1", model="m").notes
    assert "a proxy of the environment is not used, --chat-proxy names one" in note
    assert not proxy.heard


def test_a_proxy_that_is_named_is_used_for_other_machines(server: Server, proxy: Proxy) -> None:
    (note,) = ask(server, CAPTIONS, url="http://nowhere.invalid/v1", model="m", proxy=proxy.url).notes
    assert "HTTP 502" in note and proxy.heard[0].startswith(
        b"POST http://nowhere.invalid/v1/chat/completions"
    )
    proxy.heard.clear()
    ask(server, CAPTIONS, url="https://nowhere.invalid/v1", model="m", proxy=proxy.url)
    assert proxy.heard[0].startswith(b"CONNECT nowhere.invalid:443") and b"secret-key" not in proxy.heard[0]
    with pytest.raises(SdcError, match="chat-proxy"):
        Endpoint(Options(url="http://a/v1", proxy="socks5://b"))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) == here
