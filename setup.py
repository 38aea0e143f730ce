"""What pyproject.toml cannot say: the compiled core, which is left out where it cannot be built.

``SDC_BUILD_CORE=0`` leaves it out, ``SDC_BUILD_CORE=1`` makes its failure an error.
"""

import os
import sys
from glob import glob

from setuptools import Extension, setup

WANTED = os.environ.get("SDC_BUILD_CORE", "")
GCC = ["-std=c11", "-O3", "-ffp-contract=off", "-fno-strict-aliasing", "-fvisibility=hidden", "-pthread"]
CORE = Extension(
    "sdc.core._core",
    sorted(glob("sdc/core/*.c")),
    depends=glob("sdc/core/*.h"),
    extra_compile_args=["/O2", "/std:c11", "/fp:precise"] if sys.platform == "win32" else GCC,
    extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
    py_limited_api=True,
    optional=WANTED != "1",
)

setup(
    ext_modules=[] if WANTED == "0" else [CORE],
    options={} if WANTED == "0" else {"bdist_wheel": {"py_limited_api": "cp310"}},
)
