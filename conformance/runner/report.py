"""The report for people: each kind of failure once, with its sentence and how to ask again."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence

from .run import Report
from .suite import claimed, exits_of
from .worker import CHECKER, Result

PROGRAM = ["sdc-conformance"] if shutil.which("sdc-conformance") else ["python3", "-m", str(__package__)]
"""How people call this."""

KEY_IDS = {
    "map": "MASK-05",
    "symbols": "PASS-01",
    "latents": "PASS-08",
    "pixels": "RECO-01",
    "state": "STAT-10",
    "error.offset": "TOOL-03",
    "offset": "GRPS-07",
    "level": "GRPS-05",
    "decoded": "STAT-01",
    "mask": "OBJS-16",
    "objects": "OBJS-17",
    "colour": "COLR-01",
    "icc": "ICCP-01",
    "exif": "EXIF-01",
    "xmp": "XMPP-01",
    "info": "CONF-03",
    "validate": "CONF-03",
    "withdrawn": "CONF-03",
    "size": "GRPS-06",
    "rgba": "RECO-04",
    "incomplete": "TOOL-04",
    "psnr": "EXTN-02",
    "safe chunks": "EXTN-03",
}
"""Sentences that say what a key of an answer is."""


def repeat_command(report: Report, result: Result) -> str:
    """Command that asks one question again."""
    options = report.options
    words = [*PROGRAM, "run", "--decoder", shlex.join(options.command), "--tier"]
    words += [",".join(claimed(options.tiers)), "--only", result.name]
    words += ["--no-serve"] if result.by == "command" else []
    words += [word for name in options.without for word in ("--without", name)]
    words += ["--models", str(options.models)] if options.models else []
    words += ["--checker", shlex.join(options.checker)] if tuple(options.checker) != CHECKER else []
    return shlex.join(words)


def ids_of(report: Report, result: Result) -> list[str]:
    """Sentences that a failure is about, else those that the vector is about; none if there was no answer."""
    manifest, entry = report.suite.manifest, result.question.entry
    whats = [failure.what for failure in result.failures]
    if "process" in whats:
        return []
    out = [KEY_IDS.get(what, KEY_IDS.get(what.rsplit(".", 1)[-1], "")) for what in whats]
    said = " ".join(f"{f.expected} {f.got}" for f in result.failures if f.what in ("exit", "error.code"))
    kind = "reject" if exits_of(result.question.wanted)[0] else "accept"
    if kind == "reject":
        out += entry["ids"][kind][:1]
    for code in re.findall(r"E_[A-Z_]+", said):
        out += manifest["codes"].get(code, {"ids": []})["ids"][:1]
    own = [name for name in dict.fromkeys(out) if name in manifest["sentences"]]
    return own or [*entry["ids"][kind], *entry["ids"]["reject"], *entry["ids"]["accept"]]


def alike(results: Sequence[Result]) -> list[list[Result]]:
    """Results in groups, of those that fail in the same way, each group in order."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        first = result.failures[0]
        said = (first.expected, first.got) if first.what in ("exit", "error.code", "process") else ("", "")
        words = [re.sub(r"[0-9]+", "", text) for text in (first.what, *said)]
        groups.setdefault((first.tier, *words, result.question.op), []).append(result)
    return sorted(groups.values(), key=len, reverse=True)


def text_of(report: Report, most: int = 20) -> str:
    """The report for people: of each kind of failure one in full, the most frequent first.

    Args:
        most: kinds shown.
    """
    sentences = report.suite.manifest["sentences"]
    lines: list[str] = []
    kinds = alike(report.failed)
    for result, *others in kinds[:most]:
        entry = result.question.entry
        lines.append(f"FAILED {result.name} ({result.by})")
        lines.append(f"  {entry['why']}")
        for failure in result.failures[:6]:
            lines.append(f"  {failure.tier} {failure.what}")
            lines.append(f"    expected {failure.expected}")
            lines.append(f"    got      {failure.got}")
        for name in ids_of(report, result)[:3]:
            lines.append(f"  [{name}] {sentences.get(name, '')}")
        if result.noise.strip():
            lines.append(f"  standard error ended with: {result.noise.strip().splitlines()[-1][:300]}")
        lines.append(f"  again: {repeat_command(report, result)}")
        if others:
            names = ", ".join(other.name for other in others[:3]) + (", ..." if len(others) > 3 else "")
            lines.append(f"  and {len(others)} like it: {names}")
    if len(kinds) > most:
        rest = sum(map(len, kinds[most:]))
        lines.append(
            f"... and {rest} more failures of {len(kinds) - most} other kinds; --json has all of them"
        )
    lines += [f"STALE {line}" for line in report.stale]
    for number in report.missing:
        sha256 = report.suite.manifest["models"][number]["sha256"]
        lines.append(
            f"no sdc-model-{number}.safetensors with SHA-256 {sha256[:8]}... here, so vectors on it are left "
            "out; --models FOLDER names where it is"
        )
    lines.append(f"{'tier':6}{'asked':>8}{'passed':>8}{'failed':>8}")
    for tier, (asked, failed) in by_tier(report).items():
        lines.append(f"{tier:6}{asked:8}{asked - failed:8}{failed:8}")
    extra = f", {len(report.skipped)} skipped" if report.skipped else ""
    extra += f", {report.left_out} left out" if report.left_out else ""
    verdict = "passed" if report.passed else "FAILED"
    lines.append(
        f"{verdict}: {len(report.results) - len(report.failed)} of {len(report.results)} questions{extra}, "
        f"{report.seconds:.1f} s"
    )
    return "\n".join(lines) + "\n"


def by_tier(report: Report) -> dict[str, tuple[int, int]]:
    """``(asked, failed)`` by tier; an answer that fails at a higher tier than its own counts there."""
    out: dict[str, tuple[int, int]] = {}
    for tier in report.options.tiers:
        asked = sum(r.question.tier == tier or _has_pixels(r, tier) for r in report.results)
        failed = sum(any(f.tier == tier for f in r.failures) for r in report.results)
        out[tier] = (asked, failed)
    return out


def _has_pixels(result: Result, tier: str) -> bool:
    return tier == "T3" and result.question.op == "decode" and "answer" in result.question.wanted
