"""Builds the compiled core as a module of WebAssembly, beside the decoder in JavaScript that can use it.

``python -m sdc_conformance.make.webassembly`` returns 1 when the module is not of the sources; ``--write``
builds it, with clang and lld as Debian has them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1]
CORE = FOLDER.parent / "sdc" / "core"
MODULE = FOLDER / "decoders" / "javascript" / "core.wasm"
SECTION = "sdc.core"
"""Name of the section that says what a module was built from."""

COMPILED = (
    *("dispatch.c", "networks.c", "symbols.c", "path_portable.c", "path_wasm.c"),
    *("wasm/library.c", "wasm/module.c"),
)
INCLUDED = ("core.h", "gradients.h", "kernels.h", "wasm/stdlib.h", "wasm/string.h")
FUNCTIONS = (
    *("sdc_alloc", "sdc_free"),
    *("sdc_operator_free", "sdc_network_append", "sdc_network_channels", "sdc_network_factor"),
    *("sdc_network_free", "sdc_tables_new", "sdc_reader_begin", "sdc_reader_finish", "sdc_decode_map"),
    *("sdc_parameters", "sdc_dequantise"),
)
"""Functions of ``core.h`` that JavaScript calls; those of ``wasm/module.c`` say so themselves."""
OPTIONS = (
    *("--target=wasm32", "-std=c11", "-O3", "-Wall", "-Wextra", "-Werror"),
    *("-msimd128", "-mbulk-memory", "-nostdlib", "-fno-strict-aliasing", "-fvisibility=hidden"),
    *("-isystem", "wasm", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--stack-first"),
)


def fingerprint() -> str:
    """SHA-256 of the sources, the functions and the options, in hexadecimal."""
    digest = hashlib.sha256(json.dumps([FUNCTIONS, OPTIONS]).encode())
    for name in (*COMPILED, *INCLUDED):
        data = (CORE / name).read_bytes()
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def compilers() -> str:
    """The versions of clang and of its linker, in words.

    Raises:
        FileNotFoundError: one of them is not on this machine.
    """
    lines = []
    for program in ("clang", "wasm-ld"):
        if not (path := shutil.which(program)):
            raise FileNotFoundError(f"{program} is not on this machine: Debian has it in clang and lld")
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        lines.append(said.stdout.splitlines()[0])
    return ", ".join(lines)


def build() -> bytes:
    """The module, which says in a section of its own what it was built from.

    Raises:
        FileNotFoundError: there is no clang, or no lld.
        subprocess.CalledProcessError: it refuses the sources.
    """
    said = {"compilers": compilers(), "sources": fingerprint()}
    exports = [f"-Wl,--export={name}" for name in FUNCTIONS]
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder) / "core.wasm"
        subprocess.run(["clang", *OPTIONS, *exports, "-o", str(module), *COMPILED], cwd=CORE, check=True)
        return module.read_bytes() + _section(SECTION, json.dumps(said, sort_keys=True).encode())


def origin(module: bytes) -> dict[str, Any]:
    """What a module says it was built from: ``compilers``, and the ``fingerprint`` of its ``sources``.

    Raises:
        ValueError: it does not say so.
    """
    at = 8
    while at < len(module):
        kind, (size, begin) = module[at], _number(module, at + 1)
        at = begin + size
        length, name = _number(module, begin)
        if kind == 0 and module[name : name + length] == SECTION.encode():
            said: dict[str, Any] = json.loads(module[name + length : at])
            return said
    raise ValueError("the module has no section that says what it was built from")


def _section(name: str, content: bytes) -> bytes:
    """A custom section (WebAssembly 1.0, section 5.5.3)."""
    body = _leb(len(name)) + name.encode() + content
    return b"\0" + _leb(len(body)) + body


def _leb(value: int) -> bytes:
    """An unsigned number as WebAssembly has it, seven bits a byte."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    value = shift = 0
    while data[at] > 127:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="sdc_conformance.make.webassembly", description=__doc__)
    parser.add_argument("--write", action="store_true", help="build the module")
    name = MODULE.relative_to(FOLDER.parent)
    if parser.parse_args(arguments).write:
        try:
            MODULE.write_bytes(build())
        except FileNotFoundError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        print(f"{name}: {MODULE.stat().st_size} bytes")
        return 0
    if MODULE.exists() and origin(MODULE.read_bytes())["sources"] == fingerprint():
        return 0
    sys.stderr.write(f"{name} is not of the sources in sdc/core: make wasm\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
