# What a fresh clone needs: Python 3.11 or later and make. No compiler, no Node, nothing global.
# pip's own configuration (pip.conf, PIP_*) is honoured; no package host is named here.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SLOW   := -m "not slow"
# Two processes, whatever the machine has: one is busy with the embedded model's tests, the other with all the rest.
TESTS  := $(BIN)/python -m pytest -n 2 -p tests.share_out
SERVE  ?=
PIP    := $(BIN)/python -m pip --disable-pip-version-check install -q -c requirements.lock

.PHONY: help setup serve test test-all test-clients check dev bench bundle lock clean

help:
	@echo "make serve     environment, dependencies, default model, server (options: make serve SERVE='--port 9000')"
	@echo "make setup     the environment for development"
	@echo "make test      the quick tests, at most 3 minutes"
	@echo "make test-all  kills, soaks and foreign clients too"
	@echo "make test-clients  Codex, agent frameworks and others against the server, each installed once (needs Node)"
	@echo "make check     format, lint, types, tests: all that CI runs"
	@echo "make dev       the server from this checkout on a data folder of its own (./.cache/data)"
	@echo "make bench     figures, as ratios in one run"
	@echo "make bundle    one archive that installs without a network"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Waystation needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu:" >&2; \
	  echo "  apt install python3-venv" >&2; \
	  echo "(for this interpreter: apt install python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Two stamps: serving needs no test tools.
$(VENV)/.runtime: pyproject.toml requirements.lock src/waystation/__init__.py | $(BIN)/python
	@echo "Installing Waystation and its dependencies into $(VENV) ..."
	@$(PIP) -e '.[engine]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP) -e '.[engine,dev]'
	@touch $@

$(VENV)/.tests: $(VENV)/.dev tests/e2e/sdks.py tests/e2e/node/package-lock.json
	@echo "Fetching what the tests need: the default model (once), older SDKs ..."
	@$(BIN)/python -m tests.e2e.prepare
	@touch $@

setup: $(VENV)/.tests

serve: $(VENV)/.runtime
	@exec $(BIN)/waystation serve $(SERVE)

dev: $(VENV)/.dev
	@exec $(BIN)/waystation serve --data .cache/data $(SERVE)

test: $(VENV)/.tests
	@$(TESTS) $(SLOW)

# The clients first: what can't be installed is known before an hour of tests.
test-all: $(VENV)/.tests
	@$(BIN)/python -m tests.clients.environments
	@WAYSTATION_TEST_ALL=1 $(BIN)/python -m pytest

# Nothing is skipped here: what can't be installed fails.
test-clients: $(VENV)/.tests
	@$(BIN)/python -m tests.clients.environments
	@$(BIN)/python -m pytest tests/clients

check: $(VENV)/.tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(TESTS) $(SLOW)

bench: $(VENV)/.dev
	@$(BIN)/python bench/run.py $(BENCH)

bundle: $(VENV)/.runtime
	@$(BIN)/python -m waystation.cli.bundle dist

# The pinned versions that setup installs, from what is installed now: run it after changing pyproject.toml.
lock: $(VENV)/.dev
	@$(BIN)/python -m pip freeze --exclude-editable --exclude waystation > requirements.lock.new
	@{ grep '^#' requirements.lock; cat requirements.lock.new; } > requirements.lock.tmp
	@mv requirements.lock.tmp requirements.lock && rm requirements.lock.new

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
