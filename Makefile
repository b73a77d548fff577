# Every target works on a fresh clone: what it needs is installed into .venv first.
# `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help setup system-deps demo test test-slow bench labs lint digits firmware schemas ops-table clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make .venv with the package, the TFLM wheel and the test tools

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --quiet --editable '.[dev]'
	@touch $@

system-deps:  ## install Debian packages that tests need (root); none so far
	@echo "no Debian packages needed"

demo: $(STAMP)  ## run a real int8 model bit for bit like the chip, then on a (virtual) board
	@$(BIN)/python examples/digits/demo.py

test: $(STAMP)  ## the test suite
	$(BIN)/pytest -n $(WORKERS) -m 'not slow'

test-slow: $(STAMP)  ## the tests that take minutes: more mutants, more random inputs
	$(BIN)/pytest -n $(WORKERS) -m slow

bench: $(STAMP)  ## time against the TFLM wheel, in the same run
	@$(BIN)/python benchmarks/bench.py

labs: $(STAMP)  ## run the teaching notebooks
	@echo "there are no notebooks yet"

lint: $(STAMP)  ## lint and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

digits: $(STAMP)  ## train and quantise the digits model again
	$(BIN)/python examples/digits/train.py
	$(BIN)/python examples/digits/quantise.py

schemas: $(STAMP)  ## generate the code of our file formats again
	$(BIN)/python schemas/generate.py

ops-table: $(STAMP)  ## make docs/SUPPORTED_OPS.md again
	$(BIN)/python -m microinterp ops --markdown > docs/SUPPORTED_OPS.md

firmware: $(STAMP)  ## compile the files for boards again
	$(BIN)/python firmware/build.py

clean:  ## remove .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
