# `make help` says what there is. Nothing here needs more than Python 3.11 with venv; the test server and
# the Temporal server are found, downloaded or built when they are first needed.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST_ARGS ?=
# One with the shared stack, one with the rest: more disturb what runs by the clock.
PROCESSES ?= 2

FAULT_OPTIONS := $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))
SEED_OPTIONS := $(if $(SEEDS),--seeds $(SEEDS)) $(if $(START),--start $(START)) $(if $(JOBS),--jobs $(JOBS))

.PHONY: help setup tools test faults mutants seeds demo dev lint format audit bench reference docs pictures lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv and install exactly what the lock names (quick when nothing changed)

$(STAMP): requirements-dev.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)" >&2; "$(PYTHON)" -m venv $(VENV); }
	@echo "installing dependencies" >&2
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

tools: setup ## Get what the tests use: Temporal's servers, a browser, PgBouncer, and with Go also stripe-mock and toxiproxy
	@$(BIN)/python -m devstack.temporal
	@$(BIN)/python -m tests.tools.time_skipping_server
	@$(BIN)/python -m tests.tools.browser || echo "going on without a browser: its tests are skipped" >&2
	@$(BIN)/python -m tests.tools.pgbouncer || echo "going on without PgBouncer: its tests are skipped" >&2
	@for tool in stripe-mock toxiproxy; do \
		$(BIN)/python -m tests.tools.go_programs $$tool || echo "going on without $$tool: its tests are skipped" >&2; done

test: tools ## Every test, in some processes side by side (PROCESSES=0: in one)
	$(BIN)/python -m pytest -n $(PROCESSES) $(PYTEST_ARGS)

faults: setup ## Break the running stack on purpose and check that nothing is lost (ROUNDS=n, SEED=s)
	@$(BIN)/python -m tests.faults.rounds $(FAULT_OPTIONS)

mutants: tools ## Plant known bugs in a copy of the tree and show which check catches each (NAME="one other")
	@$(BIN)/python -m tests.mutants $(NAME)

seeds: setup ## Play simulated worlds with faults at every await and check each (SEEDS=n, START=s, JOBS=j)
	@$(BIN)/python -m tests.deterministic $(SEED_OPTIONS)

demo: setup ## The reference story and others in a minute, then a clean end
	@$(BIN)/pri demo

dev: setup ## The whole stack on this machine, until Ctrl-C
	@$(BIN)/pri dev

lint: setup ## ruff, formatting, mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

format: setup ## Let ruff repair and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: setup ## What can be said of the locked packages without an advisory service (INDEX=1 asks the package index)
	$(BIN)/python -m tests.security.dependency_audit $(if $(INDEX),--index)

bench: tools ## Benchmarks, as ratios against a floor measured in the same run, into benchmarks/latest.json (SIZE=full: hours)
	$(BIN)/python -m benchmarks --save --size $(or $(SIZE),small)

reference: setup ## Write the parts of docs/ that are made from the code anew: OpenAPI, events, API, settings
	@$(BIN)/python -m commands.reference_docs

docs: setup ## Build the documentation site into build/docs/html, strictly: a warning or a dead link fails
	@$(BIN)/python -m tests.docs_site

pictures: tools ## Take the pictures of docs/admin.md anew
	@mkdir -p docs/images
	$(BIN)/python -m pytest -q -n 0 tests/browser/test_pictures.py --pictures docs/images

lock: setup ## Pin newer versions of everything into the two lock files
	$(COMPILE) --upgrade pyproject.toml --extra anchors -o requirements.lock
	$(COMPILE) --upgrade pyproject.toml --extra anchors --group dev -o requirements-dev.lock

clean: ## Remove .venv, caches and the data of `make dev`
	rm -rf $(VENV) .pri build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
