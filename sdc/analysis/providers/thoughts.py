"""Thoughts of a model in the text of its answer, which are no part of it.

Models mark them in many ways: ``<think>``, ``[THINK]``, channels.  Templates often hold the opening mark, so
that the text has the closing one alone; a text that is cut off has the opening one alone.
"""

from __future__ import annotations

import json
import re

_NAME = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|reflection|scratchpad)"

_PAIRS = (
    (rf"<\|?{_NAME}\|?>", rf"<\|?/{_NAME}\|?>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|channel>\s*thought", r"<channel\|>"),
    (r"<unused94>", r"<unused95>"),
)
"""Marks before and after thoughts."""

_FINAL = re.compile(r"<\|channel\|>\s*final[^<]*<\|message\|>")
_OTHER_CHANNEL = re.compile(r"<\|channel\|>|<\|start\|>")
_MARK = re.compile(r"<\|(?:end|return|start|channel|message|begin_of_solution|end_of_solution)\|>")


def without_thoughts(text: str) -> str:
    """A text without the thoughts in it; empty where there is nothing else."""
    if _is_object(text):  # whatever it says, it is an answer
        return text
    text = _final_channel(text)
    for before, after in _PAIRS:
        text = re.sub(f"{before}.*?{after}", "", text, flags=re.DOTALL | re.IGNORECASE)
        text = re.split(after, text, flags=re.IGNORECASE)[-1]
        text = re.split(before, text, maxsplit=1, flags=re.IGNORECASE)[0]
    return text.strip()


def _final_channel(text: str) -> str:
    """Of an answer in channels the final one."""
    parts = _FINAL.split(text)
    if len(parts) > 1:
        return _MARK.split(parts[-1])[0]
    return _OTHER_CHANNEL.split(text, maxsplit=1)[0]


def _is_object(text: str) -> bool:
    """Whether a text is one object of JSON, and nothing else."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
