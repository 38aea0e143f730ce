"""Type hints as pyright sees them in strict mode: a user's script, and every public name.

Without pyright or Node, which it runs on, the tests are skipped, unless the environment variable
``SDC_REQUIRE_JAVASCRIPT`` is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import sdc

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "tests" / "typed_script.py"
PLUGINS = ("sdc.plugins.torch.SdcDataset", "sdc.plugins.torch.SdcShards", "sdc.plugins.webdataset.Handler")
"""Of the plug-ins; what Pillow's own classes leave open of SdcImageFile is not for us to say."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package as a user has it, and the packages of this one beside it."""
    for there, name in ((find_spec("pyright"), "pyright"), (shutil.which("node"), "node")):
        if not there:
            reason = f"{name} is not on this machine"
            pytest.fail(reason) if os.environ.get("SDC_REQUIRE_JAVASCRIPT") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder / "venv", with_pip=False)
    paths = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    packages = Path(paths["purelib"])
    without = shutil.ignore_patterns("models", "__pycache__", "*.so", "*.c", "*.h")
    shutil.copytree(ROOT / "sdc", packages / "sdc", ignore=without)
    beside = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "beside.pth").write_text("".join(f"{path}\n" for path in beside))
    return folder


def pyright(environment: Path, *words: str) -> Any:
    """What pyright says, run as in an activated environment, and outside of the repository."""
    path = os.pathsep.join([str(environment / "venv" / "bin"), os.environ["PATH"]])
    command = [sys.executable, "-m", "pyright", "--outputjson", *words]
    done = subprocess.run(
        command, cwd=environment, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    return json.loads(done.stdout)


def strict(environment: Path, text: str) -> list[str]:
    """Rules that a script breaks."""
    (environment / "script.py").write_text(f"# pyright: strict\n{text}", "utf-8")
    found = pyright(environment, "script.py")
    return [
        f"{e['range']['start']['line']}: {e.get('rule')}: {e['message']}" for e in found["generalDiagnostics"]
    ]


def test_a_users_script_is_clean(environment: Path) -> None:
    assert strict(environment, SCRIPT.read_text("utf-8")) == []


def test_wrong_use_is_found(environment: Path) -> None:
    text = 'import sdc\nwidth: str = sdc.open("a").width\nsdc.encode(3, nothing=2)\nsdc.decode("a").nothing\n'
    found = strict(environment, text)
    assert all(any(line.startswith(f"{k}:") for line in found) for k in (2, 3, 4)), found


def test_the_types_of_every_public_name_are_complete(environment: Path) -> None:
    found = pyright(environment, "--verifytypes", "sdc", "--ignoreexternal")["typeCompleteness"]
    public = set(PLUGINS)
    for name in sdc.__all__:
        value = getattr(sdc, name)
        public |= {
            f"sdc.{name}",
            f"{getattr(value, '__module__', 'sdc')}.{getattr(value, '__qualname__', name)}",
        }
    symbols = [
        s for s in found["symbols"] if any(s["name"] == p or s["name"].startswith(f"{p}.") for p in public)
    ]
    assert len(symbols) > 300
    assert {p for p in public if p.startswith("sdc.plugins")} <= {s["name"] for s in symbols}
    assert [s["name"] for s in symbols if is_open(s)] == []


def is_open(symbol: Any) -> bool:
    """Whether a type is unknown, or has no annotation of its own; those of what it refers to are theirs."""
    said = [found["message"] for found in symbol["diagnostics"]]
    unknown = not symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]
    return unknown or any("missing type annotation" in message for message in said)
