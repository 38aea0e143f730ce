# Two commands for newcomers: make demo, make test.
# Each environment has a stamp file that says with what it was last filled; a second run goes straight to work.

PYTHON ?= python3
VENV ?= .venv
VENV_TEST ?= .venv-test
VENV_TRAIN ?= .venv-train
OUT ?= out
TESTS ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

ENVIRONMENT = pyproject.toml constraints.txt
SOURCES = pyproject.toml README.md LICENSE $(wildcard sdc/*.py sdc/models/* spec/*.*)

.PHONY: help demo test check tables bench train-env clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       encode and decode a photograph in $(VENV), without torch; results in $(OUT)"
	@echo "make test       run the tests in $(VENV_TEST); TESTS=\"tests/test_sheet.py -k tiny\" for some"
	@echo "make check      ruff, mypy, tables of the specification"
	@echo "make tables     bring the tables of the specification up to date"
	@echo "make bench      speed and size, in $(VENV_TEST)"
	@echo "make train-env  an environment for training, with CompressAI, in $(VENV_TRAIN)"
	@echo "make clean      remove what was made, environments included"

# The light install, as users get it: a copy, not the folder itself.
$(VENV)/stamp: $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed" * (sys.version_info < (3, 10)))'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	rm -rf build/lib
	$(VENV)/bin/python -m pip install --quiet ".[demo]"
	touch $@

# -I: the installed package, whatever lies in this folder.
demo: $(VENV)/stamp
	$(VENV)/bin/python -I -m sdc.demo $(OUT)

# torch by itself first, so that nothing that follows can replace it.
$(VENV_TEST)/stamp: $(ENVIRONMENT)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed" * (sys.version_info < (3, 10)))'
	test -x $(VENV_TEST)/bin/python || $(PYTHON) -m venv $(VENV_TEST)
	$(VENV_TEST)/bin/python -m pip install --quiet $$(grep '^torch==' constraints.txt)
	$(VENV_TEST)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test,torch,dev]"
	touch $@

test: $(VENV_TEST)/stamp
	$(VENV_TEST)/bin/pytest $(TESTS)

check: $(VENV_TEST)/stamp
	$(VENV_TEST)/bin/ruff check .
	$(VENV_TEST)/bin/mypy
	$(VENV_TEST)/bin/python tests/spec_tables.py

tables: $(VENV_TEST)/stamp
	$(VENV_TEST)/bin/python tests/spec_tables.py --write

bench: $(VENV_TEST)/stamp
	$(VENV_TEST)/bin/python -m sdc_reference.bench

# CompressAI would bring a CUDA build of torch if torch were not named beside it.
$(VENV_TRAIN)/stamp: $(ENVIRONMENT)
	test -x $(VENV_TRAIN)/bin/python || $(PYTHON) -m venv $(VENV_TRAIN)
	$(VENV_TRAIN)/bin/python -m pip install --quiet $$(grep '^torch==' constraints.txt) "numpy<2"
	$(VENV_TRAIN)/bin/python -m pip install --quiet --constraint constraints.txt \
		compressai torch torchvision "numpy<2"
	$(VENV_TRAIN)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[test,train]"
	touch $@

train-env: $(VENV_TRAIN)/stamp

clean:
	rm -rf $(VENV) $(VENV_TEST) $(VENV_TRAIN) $(OUT) build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find sdc spec reference conformance tests -name __pycache__ -prune -exec rm -rf {} +
