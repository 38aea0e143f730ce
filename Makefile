# Two commands for newcomers: make demo, make test.
# The first works in .venv on the light install, the second in .venv-test with torch and CompressAI.
# Each environment has a stamp file that says with what it was last filled; a second run goes straight to work.

PYTHON ?= python3
VENV ?= .venv
VENV_TEST ?= .venv-test
OUT ?= out
TESTS ?=
BENCH ?= --short
export PIP_DISABLE_PIP_VERSION_CHECK = 1

define venv
@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 10) else "Python 3.10 or newer is needed")'
@echo "installing into $(1), which takes a minute the first time"
@test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
endef

SOURCES = pyproject.toml setup.py README.md LICENSE $(shell find sdc -name "*.py" -o -name "*.[ch]") $(wildcard sdc/models/* spec/*.* spec/examples/*)

.PHONY: help demo dev test long quick check wheel tables wasm viewer site bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       encode and decode a photograph in $(VENV), without torch; results in $(OUT)"
	@echo "make test       run the tests in $(VENV_TEST); TESTS=\"tests/test_sheet.py -k tiny\" for some"
	@echo "make long       the tests that take half a minute or more: the core on other processors, under sanitizers"
	@echo "make quick      ruff, and the tests of format and objects, under a minute; TESTS as above"
	@echo "make check      ruff, mypy, import-linter; tables, examples, registries and vectors up to date; traceability"
	@echo "make wheel      build the wheel, and try it in an empty environment"
	@echo "make tables     bring tables, examples, registries and vectors up to date"
	@echo "make wasm       build the compiled core as WebAssembly, with clang and lld"
	@echo "make viewer     put the viewer, the decoder and the models into build/viewer, for any web server"
	@echo "make site       build the documentation with the viewer as a site in build/site, with links checked"
	@echo "make dev        only make $(VENV_TEST), in which one can also train"
	@echo "make bench      decoding and encoding times, in $(VENV_TEST); BENCH=\"--data FOLDER --short\" for options"
	@echo "make clean      remove what was made, environments included"

# The light install, as users get it: a copy, not the folder itself.
$(VENV)/stamp: $(SOURCES)
	$(call venv,$(VENV))
	@rm -rf build/lib
	@$(VENV)/bin/python -m pip install -qq ".[demo]"
	@touch $@

# -I: the installed package, whatever lies in this folder.
demo: $(VENV)/stamp
	$(VENV)/bin/python -I -m sdc.cli.demo $(OUT)

# The picture in the README: the demonstration's own.
docs/sheet.jpg: demo
	$(VENV)/bin/python -I -c "from PIL import Image; \
	Image.open('$(OUT)/sheet.png').convert('RGB').save('$@', quality=80, optimize=True)"

# The same photograph, degraded, as captured and restored.
docs/restoration.jpg: $(VENV_TEST)/core demo
	$(VENV_TEST)/bin/python -m sdc_reference.evaluation restored --image $(OUT)/photo.png --out $@

# The order matters: torch first, then CompressAI with torch named beside it, or it would bring another build.
$(VENV_TEST)/stamp: pyproject.toml constraints.txt
	$(call venv,$(VENV_TEST))
	@$(VENV_TEST)/bin/python -m pip install -qq --constraint constraints.txt torch "numpy<2"
	@$(VENV_TEST)/bin/python -m pip install -qq --constraint constraints.txt torch torchvision compressai
	@$(VENV_TEST)/bin/python -m pip install -qq --constraint constraints.txt --editable ".[test,train,dev]"
	@touch $@

# The compiled core, in its place for the editable install; without a compiler all goes on without it.
$(VENV_TEST)/core: $(VENV_TEST)/stamp setup.py $(wildcard sdc/core/*.[ch])
	@$(VENV_TEST)/bin/python setup.py -q build_ext --inplace
	@touch $@

dev: $(VENV_TEST)/core

test: $(VENV_TEST)/core
	$(VENV_TEST)/bin/pytest $(TESTS)

long: $(VENV_TEST)/core
	SDC_REQUIRE_BUILDS=1 SDC_REQUIRE_CORE=1 $(VENV_TEST)/bin/pytest -m long

QUICK = $(patsubst %,tests/test_%.py,conformance container edit examples info objects spec)

quick: $(VENV_TEST)/core
	$(VENV_TEST)/bin/ruff check .
	$(VENV_TEST)/bin/pytest -m "not slow" $(or $(TESTS),$(QUICK))

wheel:
	$(PYTHON) tests/try_wheel.py

check: $(VENV_TEST)/core
	$(VENV_TEST)/bin/ruff check .
	$(VENV_TEST)/bin/ruff format --check .
	$(VENV_TEST)/bin/mypy
	$(VENV_TEST)/bin/lint-imports --no-cache
	$(VENV_TEST)/bin/python tests/spec_tables.py
	$(VENV_TEST)/bin/python tests/make_share.py
	$(VENV_TEST)/bin/python tests/make_situations.py
	$(VENV_TEST)/bin/python tests/make_viewer.py
	$(VENV_TEST)/bin/python tests/make_examples.py
	$(VENV_TEST)/bin/python -m sdc_conformance.make.registry
	$(VENV_TEST)/bin/python -m sdc_conformance.make.webassembly
	$(VENV_TEST)/bin/python -m sdc_conformance.make
	$(VENV_TEST)/bin/python -m sdc_conformance.trace

tables: $(VENV_TEST)/core
	$(VENV_TEST)/bin/python tests/spec_tables.py --write
	$(VENV_TEST)/bin/python tests/make_share.py --write
	$(VENV_TEST)/bin/python tests/make_situations.py --write
	$(VENV_TEST)/bin/python tests/make_viewer.py --write
	$(VENV_TEST)/bin/python tests/make_examples.py --write
	$(VENV_TEST)/bin/python -m sdc_conformance.make.registry --write
	$(VENV_TEST)/bin/python -m sdc_conformance.make --write

wasm: $(VENV_TEST)/stamp
	$(VENV_TEST)/bin/python -m sdc_conformance.make.webassembly --write

viewer:
	$(PYTHON) docs/viewer/assemble.py build/viewer

site: $(VENV_TEST)/core
	$(VENV_TEST)/bin/python docs/site/stage.py build/site-source
	NO_MKDOCS_2_WARNING=1 $(VENV_TEST)/bin/python -m mkdocs build --quiet --strict --config-file build/site-source/mkdocs.yml
	@echo "build/site: try it with: python3 -m http.server --directory build/site"

bench: $(VENV_TEST)/core
	$(VENV_TEST)/bin/python -m sdc_reference.evaluation speed $(BENCH)

clean:
	rm -rf $(VENV) $(VENV_TEST) $(OUT) build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find sdc spec reference conformance tests -name __pycache__ -prune -exec rm -rf {} +
