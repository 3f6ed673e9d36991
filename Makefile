# Everything runs in .venv, which the first target to need it makes from pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := .venv-peers

# Held for the package itself and for what builds it.
export PIP_CONSTRAINT       := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-peers soak fuzz lint bench clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Make the environment in .venv.

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "fixtape needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

demo: $(READY)  ## Record the simulated venue for 15 s and show what is in it.
	@$(BIN)/fixtape demo

test: $(READY)  ## Run all tests.
	$(BIN)/python -m pytest -n 2 --dist loadfile

$(PEERS)/.ready: tests/peers/requirements.txt
	@$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement tests/peers/requirements.txt
	@touch $@

test-peers: $(READY) $(PEERS)/.ready  ## Run tests against other engines; builds QuickFIX once, with a C++ compiler.
	FIXTAPE_PEERS_PYTHON=$(CURDIR)/$(PEERS)/bin/python $(BIN)/python -m pytest tests/peers -m peers -s

soak: $(READY)  ## Reconnect ten thousand times; memory and descriptors stay flat.
	FIXTAPE_RECONNECTS=10000 $(BIN)/python -m pytest tests/venue/test_reconnects.py -s

fuzz: $(READY)  ## Feed noise to framer, session and feed for ten minutes, or FIXTAPE_FUZZ_SECONDS.
	FIXTAPE_FUZZ_SECONDS=$${FIXTAPE_FUZZ_SECONDS:-600} $(BIN)/python -m pytest tests/fuzz -s

lint: $(READY)  ## Check style, types and layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## Measure decoding and the whole way, as ratios in one run.
	$(BIN)/python benchmarks/run.py

clean:  ## Remove what the targets made.
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info demo-tape
	find capture storage queries tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
