"""What lets shells and desktops know about SDC, tried with bash, zsh, file and shared-mime-info.

Without one of these its tests are skipped, unless the environment variable ``SDC_REQUIRE_DESKTOP`` is set.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from hashlib import md5
from importlib.resources import files
from pathlib import Path

import pytest
from PIL import Image

from sdc import info
from sdc.cli import main as cli
from sdc.cli.share import KINDS, NAMES
from sdc.format.chunks import MAGIC
from sdc.plugins.pillow import MIME
from sdc.testing.streams import random_stream

COMMANDS = [re.findall(r"\w[\w-]+", c.__name__)[-1] for c in cli.COMMANDS if c.__name__ != "sdc.cli.answers"]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        why = f"needs {name}"
        if os.environ.get("SDC_REQUIRE_DESKTOP"):
            pytest.fail(why)
        pytest.skip(why)
    return found


def share(kind: str, folder: Path) -> Path:
    """A file as the command prints it."""
    code = "import sys; from sdc.cli.main import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "share", kind], capture_output=True, check=True)
    assert not done.stderr
    path = folder / NAMES.get(kind, "sdc.1")
    path.write_bytes(done.stdout)
    return path


def test_every_file_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    folder = files("sdc").joinpath("share")
    assert sorted(NAMES.values()) == sorted(path.name for path in folder.iterdir())
    assert set(KINDS) == {*NAMES, "man"}
    for kind in NAMES:
        assert cli.main(["share", kind]) == 0
        assert capsys.readouterr().out == folder.joinpath(NAMES[kind]).read_text("utf-8")
    assert cli.main(["share", "fish"]) == 64


def completed(path: Path, *words: str) -> list[str]:
    """What bash offers in place of the last word."""
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n'
        '_shtab_sdc "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    argv = [program("bash"), "--norc", "-c", script, "bash", str(path), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=path.parent)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_paths(tmp_path: Path) -> None:
    script = share("bash", tmp_path)
    (tmp_path / "photo.sdc").write_bytes(b"")
    assert {*COMMANDS, "find", "stat", "to-coco"} <= set(completed(script, "sdc", ""))
    assert completed(script, "sdc", "ex") == ["extract"]
    assert completed(script, "sdc", "decode", "--restored-") == ["--restored-only"]
    assert {"--levels", "--groups"} <= set(completed(script, "sdc", "extract", "-"))
    assert "photo.sdc" in completed(script, "sdc", "decode", "pho")
    assert completed(script, "sdc", "encode", "--objects", "pho") == ["photo.sdc"]
    assert set(completed(script, "sdc", "encode", "--group-by", "")) == {"level", "object"}
    assert set(completed(script, "sdc", "share", "")) == set(KINDS)


def test_zsh_takes_its_completion(tmp_path: Path) -> None:
    zsh = program("zsh")
    share("zsh", tmp_path).rename(tmp_path / "_sdc")
    script = (
        "fpath=($1 $fpath); autoload -Uz compinit; compinit -u -d $1/dump\n"
        "print $_comps[sdc]; _shtab_sdc_commands() { }; autoload -Uz +X _sdc && print loaded\n"
    )
    done = subprocess.run(
        [zsh, "-f", "-c", script, "zsh", tmp_path], capture_output=True, text=True, check=True
    )
    assert (done.stdout.split(), done.stderr) == (["_sdc", "loaded"], "")
    assert subprocess.run([zsh, "-f", "-n", tmp_path / "_sdc"], check=True).returncode == 0


def test_file_knows_a_stream(tmp_path: Path) -> None:
    magic = share("magic", tmp_path)
    (tmp_path / "x").write_bytes(random_stream(1).data)
    (tmp_path / "y").write_bytes(b"x" + random_stream(1).data)
    file = [program("file"), "-m", str(magic), "-b"]

    def told(*words: str) -> str:
        return subprocess.run(
            [*file, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert told("x") == "SDC image data\n" and told("--mime-type", "x") == f"{MIME}\n"
    assert told("--extension", "x") == "sdc\n"
    assert told("y") == "data\n"


def test_desktops_know_a_stream(tmp_path: Path) -> None:
    update = program("update-mime-database")
    (tmp_path / "packages").mkdir()
    share("mime", tmp_path).rename(tmp_path / "packages" / "sdc.xml")
    done = subprocess.run([update, "-V", tmp_path], capture_output=True, text=True, check=True)
    assert "error" not in (done.stdout + done.stderr).lower()
    assert (tmp_path / "image" / "vnd.sdc.xml").exists()
    assert f"{MIME}:*.sdc" in (tmp_path / "globs2").read_text()
    assert MAGIC in (tmp_path / "magic").read_bytes()


def test_file_managers_show_a_thumbnail(tmp_path: Path) -> None:
    """Asked of Tumbler, the service of Xfce, which runs the entry's command."""
    program("tumblerd") if not list(Path("/usr/lib").glob("*/tumbler-1/tumblerd")) else None
    folders = {name: tmp_path / name for name in ("data", "cache", "bin")}
    for folder in (
        *folders.values(),
        folders["data"] / "thumbnailers",
        folders["data"] / "mime" / "packages",
    ):
        folder.mkdir(parents=True)
    share("thumbnailer", tmp_path).rename(folders["data"] / "thumbnailers" / "sdc.thumbnailer")
    share("mime", tmp_path).rename(folders["data"] / "mime" / "packages" / "sdc.xml")
    subprocess.run([program("update-mime-database"), folders["data"] / "mime"], check=True)
    command = folders["bin"] / "sdc"
    code = "import sys; from sdc.cli.main import main; sys.exit(main())"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
    command.chmod(0o755)
    drawn = random_stream(1)
    stream = tmp_path / "a name with spaces.sdc"
    stream.write_bytes(drawn.data)
    name = "org.freedesktop.thumbnails.Thumbnailer1"
    call = f"gdbus call --session --timeout 30 --dest {name} --object-path /{name.replace('.', '/')}"
    wanted = f"['{stream.as_uri()}']"
    drawing = folders["cache"] / f"thumbnails/normal/{md5(stream.as_uri().encode()).hexdigest()}.png"
    script = (
        f'{call} --method {name}.Queue "{wanted}" "[\'{MIME}\']" normal foreground "uint32 0" >/dev/null\n'
        f"for i in $(seq 300); do test -e {drawing} && break; sleep 0.1; done"
    )
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(folders["data"]),
        "XDG_CACHE_HOME": str(folders["cache"]),
        "PATH": f"{folders['bin']}:{os.environ['PATH']}",
    }
    words = [program("dbus-run-session"), "--", "sh", "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    # Tumbler writes beside it and renames; the name is what the standard of thumbnails says.
    assert drawing.exists(), done.stderr
    with Image.open(drawing) as thumbnail:
        ratio = drawn.head.width / drawn.head.height
        assert max(thumbnail.size) <= 128 and abs(thumbnail.width / thumbnail.height / ratio - 1) < 0.2
        assert thumbnail.info["Thumb::URI"] == stream.as_uri()


def test_a_thumbnail_is_of_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damage leaves a hole; a file that is open stays the same file; a broken stream writes nothing."""
    data = bytearray(files("sdc_spec").joinpath("examples/groups.sdc").read_bytes())
    stream, out = tmp_path / "x.sdc", tmp_path / "out"
    groups = info(bytes(data))["groups"]
    data[groups[-1]["offset"]] ^= 1
    stream.write_bytes(data)
    with out.open("wb+") as held:
        assert cli.main(["thumbnail", str(stream), str(out), "--size", "8"]) == 0
        assert "E_GROUP_DAMAGED" in capsys.readouterr().err
        held.seek(0)
        image = Image.open(held)
        assert image.format == "PNG" and max(image.size) == 8 and image.mode == "RGBA"
        assert image.getextrema()[3] == (0, 255)
    stream.write_bytes(data[:20])
    assert cli.main(["thumbnail", str(stream), str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()
    stream.write_bytes(data)
    assert cli.main(["thumbnail", str(stream), str(stream)]) == 64 and stream.read_bytes() == data


def test_the_manual_has_every_command_and_option(tmp_path: Path) -> None:
    words = [program("groff"), "-man", "-Tutf8", "-ww", "-rLL=200n", "-P-c", share("man", tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    shown = re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout).replace("\u2010", "-").replace("\u2212", "-")
    parser = cli.sdc_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    assert set(COMMANDS) <= set(commands.choices)
    for name, command in commands.choices.items():
        section = shown.partition(f"sdc {name}\n")[2]
        assert section, name
        for action in command._actions:
            for option in action.option_strings if action.dest != "help" else ():
                assert option in section, (name, option)
    assert "could not read or write" in shown


def test_the_media_type_is_that_of_the_specification() -> None:
    text = files("sdc_spec").joinpath("sdc.md").read_text("utf-8")
    rows = dict(
        re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text.partition("## 19 Media type")[2], re.MULTILINE)
    )
    assert f"{rows['Type name']}/{rows['Subtype name']}" == MIME
    assert bytes.fromhex(rows["Magic number"]) == MAGIC and rows["File extension"] == ".sdc"
