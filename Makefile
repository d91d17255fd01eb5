# The one list of commands. `make` or `make help` prints it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help venv demo replay up down status check lint types imports test test-unit test-integration test-end-to-end bench chaos chaos-ci chaos-mutants fuzz telemetry telemetry-check trace-picture format schemas lock sbom compose-check chart-files chart-check cluster-check workflows-check clean

# The newest Python on this machine that is at least 3.11; `make PYTHON=/path/to/python ...` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
# Options of `make up` and `make demo`, read from the environment by the stack runner.
export ROUTERS NOTIFIERS TICKETING_WORKERS SLACK_TRANSPORT TELEGRAM_TRANSPORT TRACES FRESH
MUTANTS ?= no-offset-fence early-acknowledgement no-read-back two-relays commit-before-state loose-tongue
LOCKED := ingest router ticketing notifier cli simulation sandbox fuzz
SOURCES := $(wildcard contracts chassis services cli sandbox tests bench chaos deploy)

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

# --- the virtual environment: made on demand, refreshed when a lock changes ---------------------------------------

$(PY):
	@if [ -z "$(PYTHON)" ]; then echo "Okno needs Python 3.11 or newer and found none. Debian/Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.12" >&2; exit 1; fi
	@echo "Making the virtual environment .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing. Debian/Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/installed-%: requirements/%.txt | $(PY)
	@echo "Installing the locked packages of requirements/$*.txt ..."
	@install="$(PY) -m pip install --disable-pip-version-check --require-hashes -r requirements/$*.txt"; \
	if [ -t 1 ]; then $$install; else set -o pipefail; $$install --progress-bar off | { grep -vE '^(Requirement already|Ignoring|Looking in)' || true; }; fi
	@touch $@

venv: .venv/installed-dev ## make .venv with everything locked in requirements/dev.txt

# --- running -------------------------------------------------------------------------------------------------------

demo: .venv/installed-sandbox ## start the whole stack and play both stories (ONCE=1: then stop; TRACES=1: with a trace page)
	@$(PY) -m sandbox.demo $(if $(filter 1,$(ONCE)),--once) $(if $(filter 1,$(TRACES)),--traces) $(ARGS)

replay: .venv/installed-sandbox ## play the support-chat corpus through the simulated Slack (SPEED=200, LIMIT=..., FILES="...")
	@$(PY) -m sandbox.replay $(if $(SPEED),--speed $(SPEED)) $(if $(LIMIT),--limit $(LIMIT)) $(FILES)

up: .venv/installed-sandbox ## start the stack in the background (ROUTERS=2 NOTIFIERS=2 TICKETING_WORKERS=2 SLACK_TRANSPORT=socket TELEGRAM_TRANSPORT=polling)
	@$(PY) -m sandbox.stack up

down: .venv/installed-sandbox ## stop exactly what `make up` started
	@$(PY) -m sandbox.stack down

status: .venv/installed-sandbox ## say what of the background stack runs, and where
	@$(PY) -m sandbox.stack status

# --- checking ------------------------------------------------------------------------------------------------------

check: lint types imports test-unit ## the two-minute part for every edit: lint, types, import rules, unit and contract tests

lint: .venv/installed-dev ## ruff: rules and formatting
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: .venv/installed-dev ## mypy, strict, over the tree
	@.venv/bin/mypy $(SOURCES)

imports: .venv/installed-dev ## import rules of the layout
	@PYTHONPATH=. .venv/bin/lint-imports --no-logo

test: .venv/installed-dev ## every test, on a real Kafka and a real PostgreSQL
	@$(PY) -m pytest $(ARGS)

test-unit: .venv/installed-dev
	@$(PY) -m pytest tests/unit tests/contract $(ARGS)

test-integration: .venv/installed-dev
	@$(PY) -m pytest tests/integration $(ARGS)

test-end-to-end: .venv/installed-dev
	@$(PY) -m pytest tests/end_to_end $(ARGS)

chaos: .venv/installed-dev ## break everything under traffic and check the whole history (SEED=1, MINUTES=3, FAULTS=processes,points,servers,platforms,poison,network,clocks,expiry,versions,backups)
	@$(PY) -m chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FAULTS),--faults $(FAULTS)) $(ARGS)

chaos-ci: .venv/installed-dev ## the campaign of CI: a fixed seed, all faults, about five minutes; fails when a promise was broken
	@$(PY) -m chaos --seed 1 --minutes 4 $(ARGS)

chaos-mutants: .venv/installed-dev ## code broken on purpose must be seen by the campaign's check, three times out of three (MUTANTS=..., SEED=1, MINUTES=1)
	@for mutant in $(MUTANTS); do $(PY) -m chaos --mutant $$mutant --times 3 $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS) || exit 1; done

fuzz: .venv/installed-dev .venv/installed-fuzz ## fuzz parsers, codec and converters, guided by coverage (SECONDS=60, EXECUTIONS=..., each; TARGETS="reply record")
	@for target in $(or $(TARGETS),slack_payload telegram_update record headers slack_text reply); do \
		$(PY) -m tests.fuzz $$target $(if $(EXECUTIONS),-runs=$(EXECUTIONS)) $(if $(SECONDS)$(EXECUTIONS),,-max_total_time=60) $(if $(SECONDS),-max_total_time=$(SECONDS)) || exit 1; done

chart-check: .venv/installed-dev ## check the Helm chart: lint, render, validate, policies, tests (makes helm and validators first)
	@deploy/verify-chart

cluster-check: .venv/installed-dev ## install the chart into a real control plane with simulated nodes (makes Kubernetes first)
	@deploy/verify-cluster

workflows-check: ## check the workflows of .github with actionlint (makes it first)
	@deploy/verify-workflows

bench: .venv/installed-dev ## measure throughput, latency, CPU and memory against the floor; writes bench/results.json
	@$(PY) -m bench $(ARGS)

compose-check: .venv/installed-dev ## build every image and run compose.yaml for real, under load (ARGS=--pull: on the real public images)
	@deploy/verify-compose $(ARGS)

telemetry-check: .venv/installed-dev ## rules, dashboards and alerts on a running stack with a real Prometheus (ARGS="--no-faults", "--picture FILE")
	@deploy/verify-telemetry $(ARGS)

trace-picture: .venv/installed-dev ## shoot a message's journey from the trace page into docs/images/trace.png (needs Chromium)
	@$(PY) -m deploy.telemetry.trace_picture docs/images/trace.png

# --- keeping -------------------------------------------------------------------------------------------------------

format: .venv/installed-dev ## format the tree and fix what ruff can fix
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix --quiet . || true

schemas: .venv/installed-dev ## write the JSON Schemas and the AsyncAPI document from the models; refuses breaking changes
	@$(PY) -m contracts.schemas write
	@$(PY) -m cli.asyncapi write

chart-files: .venv/installed-dev ## write what the Helm chart takes from the code: topics, rights, settings, rules, dashboards
	@PYTHONPATH=. $(PY) -m cli.chart write

telemetry: .venv/installed-dev ## write rules of the objectives and dashboards, and the chart's copies of both
	@$(PY) -m deploy.telemetry write
	@PYTHONPATH=. $(PY) -m cli.chart write

lock: .venv/installed-dev ## lock the newest fitting versions in requirements/*.txt (UPGRADE=1), hashes included
	@compile() { name=$$1; shift; echo "requirements/$$name.txt"; .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) "$$@" requirements/$$name.in --output-file requirements/$$name.txt; }; \
	compile dev && for name in $(LOCKED); do compile $$name --constraint requirements/dev.txt || exit 1; done

sbom: .venv/installed-dev ## write what each image holds, from its lock, as CycloneDX into .okno/sbom (VERSION=1.2.3)
	@$(PY) -m deploy.sbom $(if $(VERSION),--version $(VERSION))

clean: ## remove caches and what the stack keeps in .okno (not while it is up)
	@if [ -f .okno/processes.json ]; then echo "The stack is up, or was not stopped: make down first." >&2; exit 1; fi
	@rm -rf .okno .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
