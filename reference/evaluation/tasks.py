"""Tasks: the scores of an evaluator's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .evaluators.base import Answer
from .evaluators.chat import says_something, words_in_common, words_of
from .evaluators.text import agreement
from .metrics import decibels
from .precision import Floats, Weights, average_precision, sure_answers

Score = Callable[[Weights], Floats]
"""How well images were answered: weights ``[n, images]`` to scores ``[n]``."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What answers are compared with.

    Attributes:
        truth: of every image; None where nobody knows.
        own: the evaluator's answers on the originals.
        sizes: width and height of the images.
    """

    truth: Sequence[Any]
    own: Sequence[Answer]
    sizes: Sequence[tuple[int, int]]


def mean_score(values: Sequence[float | None]) -> Score:
    """The score that is a mean over the images that have a value; not a number where none has."""
    there = np.array([value is not None for value in values], np.float64)
    numbers = np.array([0.0 if value is None else value for value in values], np.float64)

    def score(weights: Weights) -> Floats:
        with np.errstate(invalid="ignore"):
            mean: Floats = weights @ numbers / (weights @ there)
        return mean

    return score


def _precision(kind: str) -> Callable[[Sequence[Answer], Expected], dict[str, Score]]:
    def scores(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
        own = [sure_answers(a, *size) for a, size in zip(expected.own, expected.sizes, strict=True)]
        out = {"own answers": average_precision(kind, own, answers, expected.sizes)}
        if None not in expected.truth:
            out["true labels"] = average_precision(kind, expected.truth, answers, expected.sizes)
        return out

    return scores


def _classification(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
    def share(wanted: Sequence[Any], best: int) -> Score:
        return mean_score([float(w in a[:best]) for a, w in zip(answers, wanted, strict=True)])

    out = {"own answers": share([a[0] for a in expected.own], 1)}
    if None not in expected.truth:
        out |= {"true labels": share(expected.truth, 1), "true labels, top 5": share(expected.truth, 5)}
    return out


def _text(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
    found = [agreement(a, o) if _has_text(o) else None for a, o in zip(answers, expected.own, strict=True)]
    return {"own answers": mean_score(found)}


LEAST_TEXT = 10
"""Originals in which fewer characters are read are left out: one or two may be a pattern taken for text."""


def _has_text(lines: Sequence[str]) -> bool:
    return sum(len("".join(line.split())) for line in lines) >= LEAST_TEXT


def _in_words(
    answers: Sequence[Answer], expected: Expected, alike: Callable[[str, str], float], question: bool = False
) -> Sequence[float | None]:
    """How alike an image's answers are to the own ones on average, over the own that say something."""
    pairs = [
        [(a, b) for a, b in zip(answer, own, strict=True) if says_something(b, question)]
        for answer, own in zip(answers, expected.own, strict=True)
    ]
    return [float(np.mean([alike(a, b) for a, b in each])) if each else None for each in pairs]


def left_out(task: str, own: Sequence[Answer]) -> str:
    """Which of the evaluator's answers on the originals measure nothing, in words; empty where all count."""
    if task == "text":
        without = sum(not _has_text(answer) for answer in own)
        said = f"in {without} of {len(own)} originals fewer than {LEAST_TEXT} characters are read: left out."
        return said if without else ""
    if task not in ("captions", "questions"):
        return ""
    every = [text for answer in own for text in answer]
    silent = sum(not says_something(text, task == "questions") for text in every)
    return f"{silent} of {len(every)} answers on the originals say nothing: left out." if silent else ""


def _captions(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
    return {"own answers": mean_score(_in_words(answers, expected, words_in_common))}


def _questions(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
    same = _in_words(answers, expected, lambda a, b: float(words_of(a) == words_of(b)), True)
    common = _in_words(answers, expected, words_in_common, True)
    return {"own answers": mean_score(same), "own answers, by words": mean_score(common)}


def _restoration(answers: Sequence[Answer], expected: Expected) -> dict[str, Score]:
    """PSNR in dB, and MS-SSIM, averaged first, in dB; the latter of the images that are large enough."""
    out = {"PSNR to the clean image": mean_score([a[0] for a in answers])}
    similarity = [a[1] for a in answers]
    if any(value is not None for value in similarity):
        mean = mean_score(similarity)
        out["MS-SSIM to the clean image"] = lambda w: decibels(mean(w))
    return out


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: on the command line.
        words: what its scores are.
        scores: of some answers, by what they are compared with.
    """

    name: str
    words: str
    scores: Callable[[Sequence[Answer], Expected], Mapping[str, Score]]


TASKS = {
    task.name: task
    for task in (
        Task("detection", "box AP", _precision("bbox")),
        Task("segmentation", "mask AP", _precision("segm")),
        Task("classification", "share of right answers", _classification),
        Task("text", "agreement of what is read", _text),
        Task("captions", "words in common of captions", _captions),
        Task("questions", "share of the same answers", _questions),
        Task("restoration", "restored image", _restoration),
    )
}
