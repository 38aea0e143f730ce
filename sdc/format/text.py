"""A report as text for a terminal."""

from __future__ import annotations

from typing import Any

from .report import Report


def printable(text: str) -> str:
    """Text of strangers, made safe for a terminal: control and format characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _table(header: list[str], rows: list[list[Any]], left: str) -> list[str]:
    """Lines of a table; the columns named in ``left`` are flush left."""
    lines = [header, *([("-" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if name in left.split() else cell.rjust(width)
            for cell, width, name in zip(line, widths, header, strict=True)
        ).rstrip()
        for line in lines
    ]


def provenance_lines(provenance: Report | None) -> list[str]:
    """How the objects were found, as short lines: what ``spec/objects.md`` calls ``analysis``.

    What is not as that page says is shown as it is: PROV may hold any JSON object.
    """
    out = []
    for key, value in (provenance or {}).items():
        if key == "captions" and isinstance(value, dict):
            out += [f"{name} caption: {text}" for name, text in value.items()]
        elif isinstance(value, dict):
            parts = [str(value.get("provider", "")), str(value.get("model", ""))]
            if value.get("prompts"):
                parts.append(f"prompts {str(value['prompts'])[:12]}")
            out.append(f"{key}: {', '.join(part for part in parts if part)}")
        elif key == "warnings" and isinstance(value, list):
            out += [f"warning: {text}" for text in value]
        elif isinstance(value, list):
            out.append(f"{key}: {', '.join(map(str, value))}")
        else:
            out.append(f"{key}: {value}")
    return [printable(" ".join(line.split())) for line in out]


def format_text(report: Report) -> str:
    """A report as text for a terminal, ending in a newline."""
    lines = _head_lines(report)
    if report["framing_bytes"] is not None:
        parts = ("framing", "map", "metadata", "latent")
        lines.append("bytes     " + ", ".join(f"{part} {report[part + '_bytes']}" for part in parts))
    lines += _metadata_lines(report)
    sections = {
        "groups": _group_lines(report["groups"]),
        "objects": _object_lines(report["objects"]),
        "analysis": [f"  {line}" for line in provenance_lines(report["analysis"])],
        "restoration": _restoration_lines(report["restoration"]),
        "chunks": _chunk_lines(report["chunks"]),
        "errors": _error_lines(report["errors"]),
    }
    for title, section in sections.items():
        lines += [title, *section] if section else []
    if "trace" in report:
        lines += ["trace", *_trace_lines(report["trace"])]
    return "\n".join(lines) + "\n"


def _head_lines(report: Report) -> list[str]:
    """State and size of the file, size of the image, and model."""
    first = f"{report['file_state']} SDC stream, {report['bytes']} bytes"
    if report["bpp"] is None:
        return [first]
    size = f"{report['width']} x {report['height']} pixels"
    return [
        f"{first}, {report['bpp']:.4f} bit per pixel",
        f"image     {size}, format version {report['version']}",
        f"model     {_model_words(report['model'])}",
    ]


def _metadata_lines(report: Report) -> list[str]:
    """Colour space, and what is deflated with its sizes."""
    colour = report["colour"]
    lines = []
    if colour is not None:
        name = colour["name"] or "not known"
        lines.append(f"colour    {name} (primaries {colour['primaries']}, transfer {colour['transfer']})")
    for key, title in (("icc", "ICC"), ("exif", "EXIF"), ("xmp", "XMP")):
        if report[key] is not None:
            size = report[key]["inflated"]
            whole = "unreadable" if size is None else f"{size} bytes"
            lines.append(f"{title:<9} {whole}, {report[key]['stored']} deflated")
    return lines


def _model_words(model: Report) -> str:
    name = f" ({model['name']})" if model["name"] else ""
    lack = "" if model["available"] else ", not available here"
    return f"{model['number']}{name}, weights {model['weights']}{lack}"


def _restoration_lines(restoration: Report | None) -> list[str]:
    """What REST says, a line for the model and one for each row."""
    if restoration is None:
        return []

    def group(row: Report) -> str:
        return "other groups" if row["group"] is None else f"group {row['group']}"

    lines = [f"model {_model_words(restoration['model'])}"]
    lines += [
        f"{group(d)}: {d['kind'] if isinstance(d['kind'], str) else 'kind ' + str(d['kind'])}"
        + (f", strength {d['strength']:.2f}" if d["strength"] else ", not found")
        for d in restoration["degradations"]
    ]
    lines += [f"{group(v)}: vector {' '.join(map(str, v['values']))}" for v in restoration["vectors"]]
    return [f"  {line}" for line in lines]


def _group_lines(groups: list[Report]) -> list[str]:
    keys = ["index", "level", "quality", "cells", "area", "offset", "bytes", "bpp", "state"]
    rows = [[g[key] for key in keys] for g in groups]
    for row in rows:
        row[7] = None if row[7] is None else f"{row[7]:.4f}"
    return _table(["group", *keys[1:]], rows, "level state") if rows else []


def _object_lines(objects: list[Report]) -> list[str]:
    rows = [
        [
            o["index"],
            printable(o["label"]),
            o["level"],
            o["group"],
            " ".join(map(str, o["box"])),
            f"{o['score']:.2f}",
            o["rank"],
            "yes" if o["mask"] else "no",
            printable(o["reason"]),
        ]
        for o in objects
    ]
    header = ["object", "label", "level", "group", "x y w h", "score", "rank", "mask", "reason"]
    return _table(header, rows, "label level mask reason") if rows else []


def _chunk_lines(chunks: list[Report]) -> list[str]:
    rows = [[c["offset"], c["bytes"], c["type"] or f"0x{c['hex']}", c["state"]] for c in chunks]
    return _table(["offset", "bytes", "type", "state"], rows, "type state") if rows else []


def _error_lines(errors: list[Report]) -> list[str]:
    return [
        f"  {e['code']}: {printable(e['message'])}" + (f" ({printable(e['where'])})" if e["where"] else "")
        for e in errors
    ]


def _trace_lines(trace: list[Report]) -> list[str]:
    rows = [[t["offset"], t["size"], t["id"], t["path"], printable(_value(t["value"]))] for t in trace]
    return _table(["offset", "size", "id", "field", "value"], rows, "id field value")


def _value(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 64 else text[:61] + "..."
