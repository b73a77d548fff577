# Every target works on a fresh clone: what it needs is installed into .venv first.
# `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One more than cores: a worker whose board computes, or whose line is quiet on purpose, waits.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
QEMU_BOARD = $(BIN)/python -c 'from microinterp_boards.virtual.qemu_elf import main; exit(main())'

# The suite starts Python thousands of times: modules stay compiled, even in a shell that says
# otherwise.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup system-deps demo test test-lowest test-slow test-thorough bench \
	bench-instructions docs labs labs-sync lint house mutate broken coverage audit licences \
	playground test-playground digits firmware qemu-board schemas ops-table wheel clean

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
	firmware-microbit-micropython chromium espeak-ng

system-deps:  ## install Debian's packages: boards under QEMU, a browser, npm, a voice (root)
	@missing=; for package in $(DEBIAN_PACKAGES); do \
		dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	if [ -z "$$missing" ]; then echo "all Debian packages are installed"; exit 0; fi; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	$$sudo apt-get update && \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install --yes --no-install-recommends $$missing

BOARD ?= unix
demo: $(STAMP)  ## run a real int8 model like the chip, then on a virtual board (BOARD=unix or qemu)
	@$(BIN)/python examples/digits/demo.py $(BOARD)

# The tests build the QEMU board themselves, and skip where there is no compiler for it; here it is
# built before they start side by side. The playground's are apart: they need npm's packages.
test: $(STAMP)  ## the test suite
	@$(QEMU_BOARD) >/dev/null || [ "$$CI" != true ]
	$(BIN)/pytest -n $(WORKERS) -m 'not slow and not thorough' --ignore=tests/playground

# The lowest versions that pyproject.toml allows of what users install, and the newest test tools.
# A part of the suite that meets each of these packages: numbers by hand, TFLM's wheel, files, the
# command line, pictures, packed models and boards; Dask's workers have the cores to themselves.
LOWEST := .venv-lowest
LOWEST_STAMP := $(LOWEST)/.installed
LOWEST_TESTS := tests/ops/test_elementwise_by_hand.py tests/ops/test_signal_by_hand.py \
	tests/explain/test_by_hand.py tests/boards/test_hand_worked.py tests/test_fixedpoint.py \
	tests/ops/test_conv_2d.py tests/ops/test_fully_connected.py tests/fast/test_ufuncs.py \
	tests/fast/test_batch.py tests/test_schema.py tests/test_structure.py tests/test_verify.py \
	tests/test_interpreter.py tests/test_images.py tests/test_inputs.py \
	tests/test_tflm_runtime.py tests/test_litert.py tests/test_plots.py \
	tests/test_digits_training.py tests/test_pytest_plugin.py tests/labs/test_run.py \
	$(wildcard tests/test_cli_*.py) tests/packed/test_pack.py tests/packed/test_reader.py \
	tests/boards/test_virtual.py tests/boards/test_end_to_end.py \
	tests/boards/test_board_interpreter.py tests/boards/test_validate.py

$(LOWEST_STAMP): pyproject.toml benchmarks/dependencies.py | $(STAMP)
	$(PYTHON) -m venv $(LOWEST)
	$(BIN)/python -m benchmarks.dependencies > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --upgrade pip
	$(LOWEST)/bin/pip install --quiet --quiet --editable '.[cluster,labs,test]' \
		--constraint $(LOWEST)/constraints.txt
	@touch $@

test-lowest: $(LOWEST_STAMP)  ## a part of the suite with the lowest versions of what users install
	PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" $(LOWEST)/bin/pytest -n $(WORKERS) \
		-m 'not slow and not thorough' $(LOWEST_TESTS)
	PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" $(LOWEST)/bin/pytest tests/test_eval_cluster.py

SLOW ?=
test-slow: $(STAMP)  ## all processors, large models, pages, the wheel (SLOW="tests/docs": only these)
	$(BIN)/pytest -n $(WORKERS) -m 'slow and not thorough' $(SLOW)

test-thorough: $(STAMP)  ## the longest repetitions, which are no part of CI (hours)
	$(BIN)/pytest -n $(WORKERS) -m thorough
	MICROINTERP_EXAMPLES=300 $(BIN)/pytest -n $(WORKERS) -m 'not slow and not thorough' \
		tests/ops tests/packed tests/fast

BENCH ?=
bench: $(STAMP)  ## time against the TFLM wheel and LiteRT in one run (BENCH=--quick: a minute)
	@$(BIN)/python -m benchmarks.bench $(BENCH)

bench-instructions: $(STAMP)  ## count instructions on boards under QEMU, and write docs/instructions.md
	@$(BIN)/python -m benchmarks.instructions $(BENCH)

# npm's folder is not in docs/, where pages are collected: sources are copied to it.
PAGE := build/playground-src
NPM_STAMP := $(PAGE)/node_modules/.package-lock.json

$(NPM_STAMP): docs/playground/package.json docs/playground/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: make system-deps" >&2; exit 1; }
	@mkdir -p $(PAGE)
	@cp docs/playground/package.json docs/playground/package-lock.json docs/playground/.npmrc $(PAGE)
	cd $(PAGE) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

playground: $(STAMP) $(NPM_STAMP)  ## build the page for browsers: build/playground/index.html
	@rm -rf $(PAGE)/src $(PAGE)/board && cp -R docs/playground/. $(PAGE)
	@$(BIN)/python docs/playground/data.py $(PAGE)/data.json
	@cd $(PAGE) && node build.mjs data.json ../playground

test-playground: playground  ## the playground in headless Chromium, byte for byte against the host
	$(BIN)/pytest tests/playground

LABS ?=
# Lab 06 uses the QEMU board where there is a compiler for it; built first, no cell waits for that.
labs: $(STAMP)  ## run the teaching notebooks, with solutions and without (LABS="01 02": only these)
	@$(QEMU_BOARD) >/dev/null 2>&1 || true
	@$(BIN)/python labs/run.py $(LABS)

labs-sync: $(STAMP)  ## make the notebooks again from their sources, labs/*.py
	@$(BIN)/python labs/pairs.py

docs: $(STAMP)  ## build the documentation site into build/site; every link is checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "build/site/index.html"

house: $(STAMP)  ## the shape of the code in figures, held to targets
	@$(BIN)/python -m benchmarks.house

AREA ?=
mutate: $(STAMP)  ## do the fast tests notice changed code? AREA=quant, or all: hours
	@nice $(BIN)/python -m benchmarks.mutate $(AREA)

TESTS ?=
broken: $(STAMP)  ## do tests drawn by lot fail when what they promise is broken? TESTS=elu: only these
	@$(BIN)/python -m benchmarks.broken $(TESTS)

coverage: $(STAMP)  ## lines and branches that the plain tests run, held to 95 %
	@$(BIN)/python -m benchmarks.covered

# UP asks for what only the newer Python has.
lint: $(STAMP)  ## lint and types only
	$(BIN)/ruff check .
	$(BIN)/ruff check --target-version py313 --extend-ignore UP .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.13

audit: $(STAMP)  ## known vulnerabilities, where pip-audit and npm can ask about them
	@$(BIN)/python -m benchmarks.audit

digits: $(STAMP)  ## train and quantise the digits model again
	$(BIN)/python examples/digits/train.py
	$(BIN)/python examples/digits/quantise.py

qemu-board: $(STAMP)  ## compile our Cortex-M board for QEMU: build/qemu-board/{m4,m3,m7}/firmware.elf
	@$(QEMU_BOARD)

schemas: $(STAMP)  ## generate the code of our file formats again
	$(BIN)/python schemas/generate.py

licences: $(STAMP)  ## make docs/licences.md again
	$(BIN)/python -m benchmarks.licences > docs/licences.md

ops-table: $(STAMP)  ## make docs/SUPPORTED_OPS.md again
	$(BIN)/python -m microinterp ops --markdown > docs/SUPPORTED_OPS.md

firmware: $(STAMP)  ## compile the files for boards again
	$(BIN)/python firmware/build.py

wheel: $(STAMP)  ## build the wheel and the sdist into dist/
	$(BIN)/python -m build --outdir dist .

clean:  ## remove .venv, .venv-lowest and caches
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
