# Every target but install uses .venv, and makes it where it is missing.
PYTHON ?= python3
BIN := .venv/bin
# Two processes share the tests; one of them has all that need a Kafka.
SHARED := -n 2 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all coverage check audit bench schemas clean

help:  ## Print this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

install: .venv/installed  ## Make .venv with the pinned dependencies and .venv/bin/drift

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: make install PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install  ## A real Kafka, a simulated shop, a worker and a live view, for a minute
	$(BIN)/drift demo

test: install  ## All tests but the slow sweeps, a real Kafka included
	$(BIN)/python -m pytest $(SHARED) -m 'not slow'

test-all: install  ## All tests, the slow sweeps too, and again with bounds checks and uncompiled
	$(BIN)/python -m pytest $(SHARED)
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest tests/core tests/contracts tests/test_laws.py tests/test_shard.py
	$(MAKE) coverage

coverage: install  ## Branches of core and storage that the tests reach, kernels uncompiled
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run -m pytest -q -m 'not slow and not kafka' tests/core tests/contracts tests/storage tests/test_*.py
	$(BIN)/python -m coverage report --fail-under=95

check: install  ## Linters, types, layers, schemas, unsafe calls, dependencies; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python schemas/generate.py --check
	$(BIN)/bandit -q -c pyproject.toml -r stream
	$(MAKE) audit

audit: install  ## Pinned releases that were withdrawn, and their known vulnerabilities
	$(BIN)/python -m tests.audit

bench: install  ## Speed, as ratios within one run
	$(BIN)/python -m tests.benchmarks

schemas: install  ## Write schemas/ anew from stream/messages.py
	$(BIN)/python schemas/generate.py

clean:  ## Remove what was built and compiled
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find stream tests -name __pycache__ -prune -exec rm -rf {} +
