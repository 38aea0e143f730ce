#!/usr/bin/env python3
"""Lays out what ``make site`` builds: the Markdown of the repository, the reference and the viewer.

``python docs/site/stage.py build/site-source`` fills the folder, of which ``mkdocs build`` makes the site.
Pages keep their places, so that links between them stay as they are.
A link to a folder goes to the folder's README, or where there is none becomes text.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import sdc

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)

GUIDE = (
    *("browser", "situations", "analysis", "accuracy", "pillow", "loaders", "urls", "batch", "answers"),
    *("restoration", "desktop"),
)
PROJECT = (
    *("architecture", "core", "glossary", "figures", "speed"),
    *("model-1", "model-2", "model-4", "stability"),
)
SPECIFICATION = ("README", "sdc", "objects", "examples", "implementers", "permissive", "errata", "history")
CONFORMANCE = ("README", "protocol", "decoders/javascript/README")
ROUND_UP = ("../reference/tries", "../CONTRIBUTING", "../CHANGELOG")

TOPICS = {
    "Opening and reading": "open open_url imread decode SdcFile Decoded Access Transfer Level Limits",
    "Encoding": "encode imwrite read_image SourceImage Encoded Preset CodePoints",
    "Objects": "Object analyze Options Analysis",
    "Editing": "extract redact",
    "Answers without pixels": "info validate Validation find Match stat Stat to_coco",
    "Restoration": "Restoration Degradation",
    "Errors": "SdcError InvalidError UnsupportedError PartialError UsageError InputError IoError",
}
"""Public names of ``sdc`` by the page that has them; what is in none comes last."""
MODULES = {
    "Pillow": "sdc.plugins.pillow",
    "torch": "sdc.plugins.torch",
    "webdataset": "sdc.plugins.webdataset",
}
"""Plug-ins, each with a page of its own."""


def title_of(text: str, name: str) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else name


class Stage:
    """The folder that is filled.

    Attributes:
        pages: folder of what mkdocs reads.
        taken: names of the pages of the repository that are in it.
        linked: names of those that a page links.
        dropped: links to folders that became text, for whoever runs this to see.
    """

    def __init__(self, folder: Path):
        self.pages = folder / "pages"
        self.taken: set[str] = set()
        self.linked: set[str] = set()
        self.dropped: list[str] = []

    def page(self, name: str) -> dict[str, str]:
        """Take a page of the repository, with the files that it links; its entry for the navigation."""
        path = ROOT / name
        text = path.read_text("utf-8")
        parts = CODE.split(text)
        parts[::2] = [LINK.sub(lambda match: self._link(path, match), part) for part in parts[::2]]
        self._write(name, "".join(parts))
        self.taken.add(name)
        return {title_of(text, path.stem): name}

    def _write(self, name: str, text: str) -> None:
        target = self.pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def _link(self, path: Path, match: re.Match[str]) -> str:
        """A link as the site has it; files that are no pages are copied."""
        image, text, address = match.groups()
        if re.match(r"[a-z]+:|#", address):
            return match[0]
        place, _, anchor = address.partition("#")
        target = (path.parent / place).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return match[0]  # mkdocs says so
        if target.is_dir():
            if not (target / "README.md").exists():
                self.dropped.append(f"{path.relative_to(ROOT)}: {address}")
                return text
            target /= "README.md"
            address = f"{place.rstrip('/')}/README.md" + (f"#{anchor}" if anchor else "")
        if target.suffix == ".md":
            self.linked.add(str(target.relative_to(ROOT)))
        else:
            copy = self.pages / target.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, copy)
        return f"{image}[{text}]({address})"

    def reference(self) -> list[dict[str, str]]:
        """Pages of the public names, made of their docstrings by mkdocstrings."""
        left = [name for name in sdc.__all__ if name not in " ".join(TOPICS.values()).split()]
        topics = {**TOPICS, **({"More": " ".join(left)} if left else {})}
        entries = []
        for title, names in topics.items():
            page = f"reference/{title.lower().replace(' ', '-')}.md"
            self._write(page, f"# {title}\n\n" + "\n".join(self._entry(name) for name in names.split()))
            entries.append({title: page})
        for title, module in MODULES.items():
            page = f"reference/{module}.md"
            self._write(page, f"# {title}\n\n::: {module}\n    options:\n      show_root_heading: false\n")
            entries.append({title: page})
        return entries

    def _entry(self, name: str) -> str:
        """A public name where it is defined, under the name by which it is imported."""
        value = getattr(sdc, name)
        lines = [
            f"::: sdc.{name}",
            "    options:",
            f"      show_bases: {str(name.endswith('Error')).lower()}",
        ]
        if not inspect.isclass(value) and not callable(value):
            lines.append("      show_if_no_docstring: true")
        return "\n".join(lines) + "\n"

    def viewer(self) -> None:
        """The viewer, as ``make viewer`` puts it together."""
        spec = importlib.util.spec_from_file_location("assemble", ROOT / "docs" / "viewer" / "assemble.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.assemble(self.pages / "viewer")

    def guide(self) -> list[dict[str, str]]:
        """The pages of ``docs``; those that no list names come last."""
        known = {*GUIDE, *PROJECT}
        more = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem not in known)
        names = [name for name in (*GUIDE, *more) if (ROOT / "docs" / f"{name}.md").exists()]
        return [self.page(f"docs/{name}.md") for name in names]


def stage(folder: Path) -> list[str]:
    """Fill a folder; returns the links that became text."""
    shutil.rmtree(folder, ignore_errors=True)
    own = Stage(folder)
    home = {"Home": next(iter(own.page("README.md").values()))}
    around = [
        str((ROOT / "docs" / f"{name}.md").resolve().relative_to(ROOT)) for name in (*PROJECT, *ROUND_UP)
    ]
    nav: list[dict[str, Any]] = [
        home,
        {"Viewer": "viewer/index.html"},
        {"Guide": own.guide()},
        {"Reference": own.reference()},
        {"Specification": [own.page(f"spec/{name}.md") for name in SPECIFICATION]},
        {"Conformance": [own.page(f"conformance/{name}.md") for name in CONFORMANCE]},
        {"Project": [own.page(name) for name in around]},
    ]
    while missing := sorted(own.linked - own.taken):
        nav[-1]["Project"] += [own.page(name) for name in missing]
    own.viewer()
    shutil.copyfile(HERE / "site.css", own.pages / "site.css")
    shutil.copyfile(HERE / "roles.py", folder / "roles.py")
    settings = {"INHERIT": str(HERE / "mkdocs.yml"), "nav": nav}
    (folder / "mkdocs.yml").write_text(json.dumps(settings, indent=1), "utf-8")  # JSON is YAML
    return own.dropped


def main() -> int:
    """The command; returns its exit status."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: stage.py FOLDER\n")
        return 64
    for link in stage(Path(sys.argv[1])):
        print(f"a link to a folder became text: {link}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
