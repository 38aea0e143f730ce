"""Plants a bug in a module as it is loaded.

A change names a definition and an expression or statements in it, and is found by the syntax tree: a file may
move, be split or be laid out anew, and the change still fits.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import copy
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOMS = ("sdc", "sdc_conformance.adapter")
"""Packages and modules in which definitions are looked for."""

Found = list[ast.stmt]


@dataclass(frozen=True)
class Change:
    """Another expression, or other statements, in one place.

    Attributes:
        name: of the definition that holds the place: a function, a class, a constant or a field, with as many
            of the names around it as make it the only one: ``parse``, ``Decoder.raw``, ``rans.TOTAL``.
        old: what stands there, once, in any layout.
        new: what stands there instead.
    """

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A decoder with a bug.

    Attributes:
        name: of the bug.
        tier: the lowest at which the suite must fail it.
        ids: sentences of the specification that it breaks.
        changes: which make the bug.
    """

    name: str
    tier: str
    ids: tuple[str, ...]
    changes: tuple[Change, ...]


def mutant(name: str, tier: str, ids: str, *changes: tuple[str, str, str]) -> Mutant:
    """A mutant; ``ids`` are parted by spaces, changes are ``(name, old, new)``."""
    return Mutant(name, tier, tuple(ids.split()), tuple(Change(*change) for change in changes))


class Unfit(ImportError):
    """What a mutant changes is not there, or is there more than once."""


@functools.cache
def sources() -> dict[str, str]:
    """Path of the file of every module in which a definition may lie."""
    out = {}
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        if spec is None or spec.origin is None:
            raise Unfit(f"there is no {room}")
        if spec.submodule_search_locations is None:
            out[room] = spec.origin
            continue
        for folder in spec.submodule_search_locations:
            for path in sorted(Path(folder).rglob("*.py")):
                parts = [room, *path.relative_to(folder).with_suffix("").parts]
                out[".".join(parts).removesuffix(".__init__")] = str(path)
    return out


def definitions(tree: ast.AST, around: str, local: bool = False) -> Iterator[tuple[str, ast.stmt]]:
    """Every definition within a tree, by its name with those around it; variables of functions are none."""
    for node in ast.iter_child_nodes(tree):
        inner = around
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            inner = f"{around}.{node.name}"
            yield inner, node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not local:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                yield f"{around}.{name}", node
        if isinstance(node, ast.stmt):
            yield from definitions(node, inner, local or isinstance(node, ast.FunctionDef))


def locate(name: str) -> str:
    """The module that holds a definition.

    Raises:
        Unfit: none does, or several do.
    """
    words = re.compile(r"\b" + re.escape(name.rpartition(".")[2]) + r"\b")
    found = []
    for module, path in sources().items():
        source = Path(path).read_text("utf-8")
        if words.search(source):
            found += [module] * len(_named(ast.parse(source), module, name))
    if len(found) != 1:
        raise Unfit(f"{name} is defined {len(found)} times{': ' if found else ''}{', '.join(found)}")
    return found[0]


def _named(tree: ast.Module, module: str, name: str) -> list[ast.stmt]:
    return [node for full, node in definitions(tree, module) if full.endswith(f".{name}")]


def changed(tree: ast.Module, module: str, change: Change) -> None:
    """Make a change in a module's tree.

    Raises:
        Unfit: it does not fit, or uses a name that is not known there, and so would only crash.
    """
    (where,) = _named(tree, module, change.name)
    old, new = ast.parse(change.old).body, ast.parse(change.new).body
    unknown = {node.id for part in new for node in ast.walk(part) if isinstance(node, ast.Name)}
    unknown -= {name for part in (tree, *new) for name in bound(part)} | set(dir(builtins))
    if unknown:
        raise Unfit(f"{change.name} in {module} does not know {', '.join(sorted(unknown))}: {change.new}")
    one = len(old) == len(new) == 1
    if one and isinstance(old[0], ast.Expr) and isinstance(new[0], ast.Expr):
        count = _swap_expression(where, old[0].value, new[0].value)
    else:
        count = _swap_statements(where, old, new)
    if count != 1:
        raise Unfit(f"{change.name} in {module} has {count} times: {change.old}")
    ast.fix_missing_locations(tree)


def bound(tree: ast.AST) -> Iterator[str]:
    """Every name that is given a meaning anywhere within a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _swap_expression(where: ast.AST, old: ast.expr, new: ast.expr) -> int:
    wanted, count = ast.unparse(old), 0
    for node in list(ast.walk(where)):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr) and _is(value, old, wanted):
                setattr(node, field, copy.deepcopy(new))
                count += 1
            elif isinstance(value, list):
                for k, item in enumerate(value):
                    if isinstance(item, ast.expr) and _is(item, old, wanted):
                        value[k] = copy.deepcopy(new)
                        count += 1
    return count


def _is(node: ast.AST, other: ast.AST, text: str) -> bool:
    return type(node) is type(other) and ast.unparse(node) == text


def _swap_statements(where: ast.AST, old: Found, new: Found) -> int:
    wanted, count = [ast.unparse(node) for node in old], 0
    for node in list(ast.walk(where)):
        for _, value in ast.iter_fields(node):
            if not isinstance(value, list) or not value or not isinstance(value[0], ast.stmt):
                continue
            texts = [ast.unparse(item) for item in value]
            places = [k for k in range(len(value)) if texts[k : k + len(old)] == wanted]
            for k in reversed(places):
                value[k : k + len(old)] = copy.deepcopy(new)
            count += len(places)
    return count


def planted_tree(module: str, changes: Sequence[Change]) -> ast.Module:
    """A module's tree with changes made, one after the other.

    Raises:
        Unfit: one does not fit.
    """
    tree = ast.parse(Path(sources()[module]).read_text("utf-8"))
    for change in changes:
        changed(tree, module, change)
    return tree


def by_module(mutant: Mutant) -> dict[str, list[Change]]:
    """The changes of a mutant, by the module in which each lies.

    Raises:
        Unfit: a definition is not there, or several times.
    """
    out: dict[str, list[Change]] = {}
    for change in mutant.changes:
        out.setdefault(locate(change.name), []).append(change)
    return out


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with changes; nothing is cached."""

    def __init__(self, name: str, path: str, changes: Sequence[Change]):
        super().__init__(name, path)
        self.changes = changes

    def get_code(self, fullname: str) -> Any:
        """Code of the changed module."""
        return compile(planted_tree(fullname, self.changes), self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that a mutant changes."""

    def __init__(self, mutant: Mutant):
        self.changes = by_module(mutant)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Specification of a changed module; ``None`` for others."""
        if fullname not in self.changes:
            return None
        origin = sources()[fullname]
        places = [str(Path(origin).parent)] if Path(origin).name == "__init__.py" else None
        loader = _Loader(fullname, origin, self.changes[fullname])
        return importlib.util.spec_from_file_location(
            fullname, origin, loader=loader, submodule_search_locations=places
        )


@contextlib.contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within it, ``sdc`` is imported anew with the bug and without the compiled core.

    Behind it the right modules are back.
    """

    def own(name: str) -> bool:
        return name == "sdc" or name.startswith("sdc.")

    saved: dict[str, ModuleType] = {name: sys.modules.pop(name) for name in list(sys.modules) if own(name)}
    finder = Finder(mutant)
    sys.meta_path.insert(0, finder)
    core = os.environ.get("SDC_CORE")
    os.environ["SDC_CORE"] = "numpy"
    try:
        importlib.import_module("sdc.core").path()  # is asked once, perhaps behind
        yield
    finally:
        os.environ.pop("SDC_CORE")
        if core is not None:
            os.environ["SDC_CORE"] = core
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if own(name)]:
            del sys.modules[name]
        sys.modules.update(saved)
