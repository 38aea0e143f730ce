"""Captions and answers of a multimodal model behind a scripted endpoint."""

from __future__ import annotations

import base64
import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import CAPTIONS, Server, completion, fails, send
from chat_server import server as server
from PIL import Image, ImageDraw

from sdc.analysis.providers import prompts
from sdc_reference.evaluation.cli import main
from sdc_reference.evaluation.evaluators.chat import ASK, CAPTION

RED, GREEN = (210, 60, 40), (60, 140, 70)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two images of a red thing on green."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for k in range(2):
        drawn = Image.new("RGB", (192, 128), GREEN)
        ImageDraw.Draw(drawn).ellipse((50 + 20 * k, 30, 120 + 20 * k, 100), RED)
        drawn.save(folder / f"{k}.png")
    return folder


class Model:
    """A model that sees a red thing and green surroundings, and ranks the first object first."""

    def __init__(self, server: Server):
        self.server = server
        self.ranked = 0

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        messages = self.server.asked[-1]["messages"]
        texts, seen = self._read(messages)
        if prompts.RANK in texts:
            self.ranked += 1
            asked = json.loads(texts.strip().splitlines()[-1])["objects"]
            levels = ["L1" if thing["id"] == 0 else "L3" for thing in asked]
            said: Any = {"objects": [{"id": k, "level": v, "reason": "so"} for k, v in enumerate(levels)]}
        elif prompts.DESCRIBE in texts:
            said = CAPTIONS
        elif CAPTION in texts:
            said = {"caption": " and ".join(seen)}
        else:
            assert ASK in texts and "What colour?" in texts
            said = {"answers": [" ".join(seen)]}
        send(handler, completion(said))

    @staticmethod
    def _read(messages: list[dict[str, Any]]) -> tuple[str, list[str]]:
        """All that is said, and the colours of the image."""
        texts, seen = "", []
        for message in messages:
            parts = message["content"]
            for part in parts if isinstance(parts, list) else [{"type": "text", "text": parts}]:
                if part["type"] == "text":
                    texts += part["text"] + "\n"
                else:
                    sent = base64.b64decode(part["image_url"]["url"].partition(",")[2])
                    pixels = np.asarray(Image.open(io.BytesIO(sent)).convert("RGB")).astype(int)
                    for name, colour, least in (("red", RED, 0.05), ("green", GREEN, 0.5)):
                        if (np.abs(pixels - colour).sum(-1) < 60).mean() > least:
                            seen.append(name)
        return texts, seen


def command_of(server: Server, photographs: Path, out: Path) -> list[str]:
    return ["vlm", "--vlm", f"{server.url}#tiny", "--data", str(photographs), "--out", str(out)]


def test_one_command_from_photographs_to_tables(
    photographs: Path, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(server)
    server.answers = [model]
    (tmp_path / "asked.txt").write_text("What colour?\n")
    command = command_of(server, photographs, tmp_path / "out")
    command += ["--questions", str(tmp_path / "asked.txt"), "--draws", "20"]
    command += ["--codecs", "sdc", "sdc:1", "--qualities", "sdc=20,50"]
    main(command)
    assert model.ranked == 2
    for k in range(2):
        found = json.loads((tmp_path / "out" / "objects" / f"{k}.json").read_text())
        assert found["objects"][0]["level"] == "L1" and found["analysis"]["captions"] == CAPTIONS
    # Of L1 alone the green around is gone: "red" for "red and green", and for "red green".
    for task, name, alike in (
        ("captions", "own answers", 1 / 2),
        ("questions", "own answers, by words", 2 / 3),
    ):
        results = json.loads((tmp_path / "out" / task / "results.json").read_text())
        tops = {
            codec: max(p["scores"][name]["value"] for p in results["points"] if p["codec"] == codec)
            for codec in ("sdc", "sdc:1")
        }
        assert tops["sdc"] == 1 and tops["sdc:1"] == pytest.approx(alike)
    said = capsys.readouterr().out
    assert "words in common of captions" in said and "share of the same answers" in said
    # What was said is not asked for again.
    server.answers = [fails(500)]
    before = len(server.asked)
    main(command)
    assert len(server.asked) == before
    command[2] = command[2].replace("#tiny", "#other")
    with pytest.raises(SystemExit, match=r"0\.json has the levels of tiny, not of other: give another --out"):
        main(command)


@pytest.mark.parametrize("answer", ["I cannot say.", fails(500)])
def test_a_model_that_gives_no_levels_ends_the_command(
    answer: Any, photographs: Path, server: Server, tmp_path: Path
) -> None:
    server.answers = [answer]
    command = command_of(server, photographs, tmp_path / "out")
    with pytest.raises(SystemExit, match=r"0\.png: the model gave no levels"):
        main(command)
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit, match="names no model"):
        main(["vlm", "--vlm", server.url, *command[3:]])
