"""Words that the glossary bans are not used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
TEXTS = ("sdc/**/*.py", "reference/**/*.py", "reference/*.md", "docs/*.md", "*.md")
ELSEWHERE = re.compile(r"os\.walk|ast\.walk|E_PICTURE")
"""Names of other libraries, and an error code of the specification."""
PROMPTS = ROOT / "sdc" / "analysis" / "providers" / "prompts.py"
"""What chat models are asked: the hash of these words stands in streams, so they stay."""


def banned() -> list[str]:
    rows = re.findall(r"^\|[^|]*\|[^|]*\|([^|]*)\|$", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    return [word for row in rows for word in re.findall("`([^`]+)`", row)]


def uses(word: str, text: str) -> list[str]:
    """Lines in which a word stands alone or as a part of an identifier."""
    parts = re.compile(rf"(?<![a-z]){word}(?![a-z])", re.IGNORECASE)
    return [line for line in text.splitlines() if parts.search(ELSEWHERE.sub("", line))]


def test_the_glossary_bans_words() -> None:
    assert {"picture", "judge", "walk", "fault of this program"} <= set(banned())


def test_a_banned_word_is_found() -> None:
    text = "a picture\nread_picture\npictures\nclass Picture:\nos.walk(x)\nsidewalk"
    assert uses("picture", text) == ["a picture", "read_picture", "class Picture:"]
    assert uses("walk", text) == []


@pytest.mark.parametrize("word", banned())
def test_no_banned_word_is_used(word: str) -> None:
    found = {}
    for path in sorted({p for pattern in TEXTS for p in ROOT.glob(pattern)} - {GLOSSARY}):
        text = path.read_text("utf-8")
        if path == PROMPTS:
            text = re.sub(r"^[A-Z_]+ = (?:f?['\"].*|\((?:.|\n)*?^\))$", "", text, flags=re.MULTILINE)
        if lines := uses(word, text):
            found[str(path.relative_to(ROOT))] = lines
    assert found == {}
