# Everything runs in .venv, which the first target to need it makes from pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := .venv-peers
SPARK  := .venv-spark
BOOKS  := .venv-books
NAUTILUS := .venv-nautilus
DUCKDB := .venv-duckdb
DUCKDB_OLDEST := 1.5.6
WHEEL_PYTHONS ?= python3.11 python3.12 python3.13
OPPONENTS := .venv-bench

# The newest Python has the fastest opponents, and need not be fixtape's own; to change it, remove the environment.
OPPONENTS_PYTHON ?= $(PYTHON)

# Held for the package itself and for what builds it.
export PIP_CONSTRAINT       := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup kernels demo test test-uncompiled test-peers test-duckdb test-faults soak prove fuzz lint bench big-day wheels test-wheels clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) kernels  ## Make the environment in .venv, and compile the kernels if a compiler is there.

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "fixtape needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

# Compiles what is not up to date: by what the files hold, so it costs little when there is nothing to do. pip shows
# nothing of the same work within an installation; here the warning is seen.
kernels: $(READY)  ## Compile the kernels in place, those whose source changed.
	@$(BIN)/python hatch_build.py

demo: $(READY) kernels  ## Record the simulated venue for 15 s and show what is in it.
	@$(BIN)/fixtape demo

test: $(READY) kernels  ## Run all tests.
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

test-uncompiled: $(READY)  ## Run all tests with every kernel as Python; TESTS="tests/unit" runs some.
	FIXTAPE_UNCOMPILED=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

$(PEERS)/.ready: tests/peers/requirements.txt
	@$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement tests/peers/requirements.txt
	@touch $@

# They pin versions that we do not, and of each other: each has an environment, and none of our constraints.
$(BOOKS)/.ready: tests/peers/requirements-books.txt
	@$(PYTHON) -m venv $(BOOKS)
	PIP_CONSTRAINT= $(BOOKS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(NAUTILUS)/.ready: tests/peers/requirements-nautilus.txt
	@$(PYTHON) -m venv $(NAUTILUS)
	PIP_CONSTRAINT= $(NAUTILUS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

test-peers: $(READY) kernels $(PEERS)/.ready $(BOOKS)/.ready $(NAUTILUS)/.ready  ## Run tests against other engines and readers; builds QuickFIX once, with a C++ compiler.
	FIXTAPE_PEERS_PYTHON=$(CURDIR)/$(PEERS)/bin/python FIXTAPE_BOOKS_PYTHON=$(CURDIR)/$(BOOKS)/bin/python \
	  FIXTAPE_NAUTILUS_PYTHON=$(CURDIR)/$(NAUTILUS)/bin/python $(BIN)/python -m pytest tests/peers -m peers -s

# Laid over the environment of all else: only DuckDB differs.
$(DUCKDB)/.ready: Makefile
	@rm -rf $(DUCKDB)
	PIP_CONSTRAINT= $(BIN)/python -m pip install --quiet --no-deps --target $(DUCKDB) duckdb==$(DUCKDB_OLDEST)
	@touch $@

test-duckdb: $(READY) kernels $(DUCKDB)/.ready  ## Run the tests of questions on the oldest DuckDB that is supported.
	PYTHONPATH=$(CURDIR)/$(DUCKDB) $(BIN)/python -c 'import duckdb; assert duckdb.__version__ == "$(DUCKDB_OLDEST)"'
	PYTHONPATH=$(CURDIR)/$(DUCKDB) $(BIN)/python -m pytest -n 2 --dist loadfile \
	  tests/unit/test_queries_*.py tests/unit/test_docs_queries.py tests/unit/test_hostile_*.py tests/property/test_queries_*.py

$(SPARK)/.ready: tests/peers/requirements-spark.txt
	@command -v java >/dev/null || { echo "Spark needs Java 17; on Debian: apt-get install default-jre-headless" >&2; exit 1; }
	@$(PYTHON) -m venv $(SPARK)
	$(SPARK)/bin/python -m pip install --quiet --requirement tests/peers/requirements-spark.txt
	@touch $@

test-spark: $(READY) kernels $(SPARK)/.ready  ## Let Spark read a recorded lake; installs it once, half a gigabyte, and needs Java.
	FIXTAPE_SPARK_PYTHON=$(CURDIR)/$(SPARK)/bin/python $(BIN)/python -m pytest tests/peers/test_spark.py -m peers -s

# The seed is FIXTAPE_FAULTS_SEED. Power cuts and full disks need root and loop devices; FIXTAPE_REQUIRE_ROOT=1 makes a
# failure of what would be skipped without.
test-faults: $(READY) kernels  ## Kill recorders and fail their disk, five minutes; LONG=1: of a release, an hour.
	@rm -f build/fault-results.txt
	FIXTAPE_FAULTS_LONG=$(LONG) $(BIN)/python -m pytest tests/fault -m faults -s

soak: $(READY) kernels  ## Commit eight hundred times, reconnect ten thousand times; memory and descriptors stay flat.
	FIXTAPE_COMMITS=800 _RJEM_MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0 \
	  $(BIN)/python -m pytest tests/unit/test_lake_growth.py -s
	FIXTAPE_RECONNECTS=10000 $(BIN)/python -m pytest tests/venue/test_reconnects.py -s

prove: $(READY) kernels  ## Ten million clean updates without a false mismatch; about five minutes.
	FIXTAPE_UPDATES=$${FIXTAPE_UPDATES:-10000000} $(BIN)/python -m pytest tests/property/test_clean_updates.py -s

fuzz: $(READY) kernels  ## Feed noise to framer, session and feed for ten minutes, or FIXTAPE_FUZZ_SECONDS.
	FIXTAPE_FUZZ_SECONDS=$${FIXTAPE_FUZZ_SECONDS:-600} $(BIN)/python -m pytest tests/fuzz -s

lint: $(READY)  ## Check style, types and layers.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

$(OPPONENTS)/.ready: benchmarks/requirements-opponents.txt
	@$(OPPONENTS_PYTHON) -m venv $(OPPONENTS)
	$(OPPONENTS)/bin/python -m pip install --quiet --requirement benchmarks/requirements-opponents.txt
	@touch $@

bench: $(READY) kernels $(PEERS)/.ready $(OPPONENTS)/.ready  ## Measure, side by side with others; LONG=1: a minute a round end to end.
	FIXTAPE_PEERS_PYTHON=$(CURDIR)/$(PEERS)/bin/python FIXTAPE_OPPONENTS_PYTHON=$(CURDIR)/$(OPPONENTS)/bin/python \
	  $(BIN)/python benchmarks/run.py $(if $(LONG),--long) $(if $(ONLY),--only $(ONLY))

big-day: $(READY) kernels  ## Write a synthetic day of fifty million book changes into build/big-day; five minutes.
	$(BIN)/python benchmarks/big_day.py

# From the sdist, so that it is seen to hold what a build needs, and a wheel holds nothing of this working tree.
# auditwheel gives each the tag of the oldest C library whose symbols suffice.
wheels: $(READY)  ## Build a wheel for each of WHEEL_PYTHONS into dist; needs a C compiler and their headers.
	@rm -rf dist build/wheels
	$(BIN)/python -m hatchling build -t sdist -d dist
	@for python in $(WHEEL_PYTHONS); do \
	  path=$$(command -v $$python) || { echo "$$python: not found; name others: make WHEEL_PYTHONS=..." >&2; exit 1; }; \
	  FIXTAPE_REQUIRE_KERNELS=1 $(BIN)/python -m pip --python "$$path" wheel --quiet --no-deps \
	    --wheel-dir build/wheels dist/fixtape-*.tar.gz || exit 1; \
	done
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist build/wheels/*.whl
	@ls dist

test-wheels: $(READY)  ## Install each of those wheels where no compiler is, and see that its kernels are compiled.
	FIXTAPE_WHEEL_PYTHONS="$(WHEEL_PYTHONS)" $(BIN)/python -m pytest tests/wheels -m wheels

clean:  ## Remove what the targets made.
	rm -rf $(VENV) $(PEERS) $(BOOKS) $(NAUTILUS) $(SPARK) $(DUCKDB) $(OPPONENTS) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info demo-tape
	find capture storage queries tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
	find capture storage -name '*.so' -delete
