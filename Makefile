# Every target works on a fresh clone: what it needs is installed into .venv first.
# `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto
QEMU_BOARD = $(BIN)/python -c 'from microinterp_boards.virtual.qemu_elf import main; exit(main())'

.DEFAULT_GOAL := help
.PHONY: help setup system-deps demo test test-slow test-thorough bench bench-instructions labs lint digits \
	firmware qemu-board schemas ops-table clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(STAMP)  ## make .venv with the package, the TFLM wheel and the test tools

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --quiet --editable '.[dev]'
	@touch $@

# The only target that needs root, and only where something is missing.
DEBIAN_PACKAGES := make g++ qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi \
	firmware-microbit-micropython chromium

system-deps:  ## install the Debian packages of the boards under QEMU, and a browser (root)
	@missing=; for package in $(DEBIAN_PACKAGES); do \
		dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo "all Debian packages are installed"; exit 0; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	$$sudo apt-get update && \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install --yes --no-install-recommends $$missing

BOARD ?= unix
demo: $(STAMP)  ## run a real int8 model like the chip, then on a virtual board (BOARD=unix or qemu)
	@$(BIN)/python examples/digits/demo.py $(BOARD)

# The tests build the QEMU board themselves, and skip where there is no compiler for it; here it is
# built before they start side by side.
test: $(STAMP)  ## the test suite
	@$(QEMU_BOARD) >/dev/null || [ "$$CI" != true ]
	$(BIN)/pytest -n $(WORKERS) -m 'not slow and not thorough'

test-slow: $(STAMP)  ## the tests that take minutes: more mutants, more random inputs
	$(BIN)/pytest -n $(WORKERS) -m 'slow and not thorough'

test-thorough: $(STAMP)  ## the longest repetitions, which are no part of CI (an hour)
	$(BIN)/pytest -n $(WORKERS) -m thorough
	MICROINTERP_EXAMPLES=300 $(BIN)/pytest -n $(WORKERS) -m 'not slow and not thorough' \
		tests/ops tests/packed tests/fast

BENCH ?=
bench: $(STAMP)  ## time against the TFLM wheel and LiteRT in one run (BENCH=--quick: a minute)
	@$(BIN)/python -m benchmarks.bench $(BENCH)

bench-instructions: $(STAMP)  ## count instructions on boards under QEMU, and write docs/instructions.md
	@$(BIN)/python -m benchmarks.instructions $(BENCH)

labs: $(STAMP)  ## run the teaching notebooks
	@echo "there are no notebooks yet"

lint: $(STAMP)  ## lint and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

digits: $(STAMP)  ## train and quantise the digits model again
	$(BIN)/python examples/digits/train.py
	$(BIN)/python examples/digits/quantise.py

qemu-board: $(STAMP)  ## compile our Cortex-M board for QEMU: build/qemu-board/{m4,m3,m7}/firmware.elf
	@$(QEMU_BOARD)

schemas: $(STAMP)  ## generate the code of our file formats again
	$(BIN)/python schemas/generate.py

ops-table: $(STAMP)  ## make docs/SUPPORTED_OPS.md again
	$(BIN)/python -m microinterp ops --markdown > docs/SUPPORTED_OPS.md

firmware: $(STAMP)  ## compile the files for boards again
	$(BIN)/python firmware/build.py

clean:  ## remove .venv and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
