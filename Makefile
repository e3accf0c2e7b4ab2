# `make help` lists the targets.  Everything is installed into .venv, from lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: $(VENV)/run ## Run everything in one process: broker, patients, classifier, page
	@$(BIN)/bpstream demo

test: $(VENV)/dev ## Run every test, on a real Kafka and Elasticsearch where java and mvn are there
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev ## Lint, check the types and the import rules, audit what is installed
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_imports.py
	@$(BIN)/python -m tests.audit

demo-alarms: $(VENV)/dev ## Follow an alarm from pending to recovered, its worker killed at each step
	@$(BIN)/python -m pytest -q -s tests/integration/test_demo_alarms.py

bench: $(VENV)/dev .venv-peers/made ## Measure bpstream beside its peers, on one real broker, in one run
	@$(BIN)/python -m tests.bench --report var/bench.json --plot var/bench.png
	@$(BIN)/python -m tests.bench.floor
	@$(BIN)/python -m tests.bench.parsing
	@$(BIN)/python -m tests.bench.serving
	@$(BIN)/python -m tests.bench.sinks --report var/bench-sinks.json
	@$(BIN)/python -m tests.bench.latency --report var/bench-latency.json
	@$(BIN)/python -m tests.bench.scale --report var/bench-scale.json

profile: $(VENV)/dev ## Write a flame graph of the pipeline: var/profile.svg
	@$(BIN)/python -m tests.bench.profile

soak: $(VENV)/dev ## Kill workers, the broker and Elasticsearch for MINUTES (10) under load, and check
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)

services: ## Start a real Kafka and Elasticsearch as local processes (java >= 17, mvn)
	@$(PYTHON) compose/services/services.py start

services-stop: ## Stop them
	@$(PYTHON) compose/services/services.py stop

up: ## Start Kafka, Elasticsearch, Kibana, two workers, Prometheus and Grafana with Docker
	@$(PYTHON) compose/make_secrets.py
	docker compose -f compose/docker-compose.yml up --build --detach --wait
	docker compose -f compose/docker-compose.yml run --build --rm provision

down: ## Stop them; what they stored stays
	docker compose --project-name bpstream down

lock: $(VENV)/dev ## Renew the lock files from pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --group dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --output-file tests/bench/requirements.lock tests/bench/requirements.in

clean: ## Remove what was made, but for what the worker stored in var/
	rm -rf $(VENV) .venv-peers build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache bpstream/compiled/*.so compose/services/*/target

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet \
	--custom-compile-command 'make lock' --upgrade

# What the installed package is made of beside its modules.
BUILT_FROM := pyproject.toml hatch_build.py bpstream/compiled/loops.c

# A venv that a person runs needs no test tools; the dev one holds both.
$(VENV)/run: requirements.lock $(BUILT_FROM)
	@$(call install,requirements.lock)
	@touch $@

$(VENV)/dev: requirements-dev.lock $(BUILT_FROM)
	@$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/run

# The benchmark's peers that need other versions of our own libraries.
.venv-peers/made: tests/bench/requirements.lock
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@echo "installing tests/bench/requirements.lock ..."
	@.venv-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/bench/requirements.lock
	@touch $@

define install
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("bpstream needs Python 3.11 or newer, not " + sys.version.split()[0])'
	test -x $(BIN)/python || { echo "making $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	echo "installing $(1) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endef

.PHONY: help run test check demo-alarms bench profile soak services services-stop up down lock clean
