# Every target makes the environment first if it is missing. `make help` lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
SERVE ?= 1
SEED ?= 0
DEMO := FOREWARN_HOME=var/demo FOREWARN_DESK=demo FOREWARN_OPEN_LOOPBACK=yes
KEPT := $(abspath $(or $(FOREWARN_HOME),var))
PREFECT_PORT ?= 4200
MLFLOW_PORT ?= 5000
UP := PATH="$(abspath $(BIN)):$$PATH" FOREWARN_HOME=$(KEPT) PREFECT_HOME=$(KEPT)/prefect \
  PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1 MLFLOW_DISABLE_TELEMETRY=true \
  MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false PREFECT_PORT=$(PREFECT_PORT) \
  PREFECT_API_URL=http://127.0.0.1:$(PREFECT_PORT)/api MLFLOW_PORT=$(MLFLOW_PORT) \
  MLFLOW_BACKEND=$(or $(FOREWARN_MLFLOW_URI),sqlite:///$(KEPT)/mlflow.db)
SERVERS := chromium prometheus prometheus-alertmanager
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check serve up bench bench-triage bench-metrics bench-surges bench-serving bench-besieged servers notebooks clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Forewarn needs Python 3.11 or newer; PYTHON=... names one"; exit 2; }
	$(PYTHON) -m venv .venv
	@echo "Installing what Forewarn needs: about 2.3 GB, three minutes"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(INSTALLED) ## simulate a desk, train, detect, then serve it (SERVE=0 stops after the table)
	$(DEMO) $(BIN)/forewarn demo --seed $(SEED)
	@if [ "$(SERVE)" != "0" ]; then $(DEMO) $(BIN)/forewarn serve; fi

test: $(INSTALLED) ## every test, the notebooks with them
	$(BIN)/pytest -q
	$(BIN)/pytest -q --nbmake --nbmake-timeout=600 notebooks

check: $(INSTALLED) ## lint, types, import contracts, doctests: about a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q api data features models ops pipelines
	$(BIN)/nbstripout --verify notebooks/*.ipynb

serve: $(INSTALLED) ## the endpoint and the page, on FOREWARN_HOST:FOREWARN_PORT
	$(BIN)/forewarn serve

up: $(INSTALLED) ## Prefect server, schedules, MLflow UI and endpoint together
	@mkdir -p $(KEPT)
	@$(UP) $(BIN)/honcho start || [ $$? = 130 ] # Ctrl-C is how it ends

bench: $(INSTALLED) ## measure everything anew and write docs/benchmarks.md
	$(BIN)/python -m benchmarks

bench-triage: $(INSTALLED) ## measure the ticket models alone, from the raw files: some ten minutes
	$(BIN)/python -m benchmarks triage

bench-metrics: $(INSTALLED) ## measure the metric detectors and budgets alone: under half an hour
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks metrics budgets scale

bench-surges: $(INSTALLED) ## measure how soon surges of tickets are found: under half an hour
	$(BIN)/python -m benchmarks surges

bench-serving: $(INSTALLED) ## measure scoring over HTTP beside `mlflow models serve`: a quarter of an hour
	$(BIN)/python -m benchmarks serving

bench-besieged: $(INSTALLED) ## workers killed, models swapped, overload, and requests made up: under half an hour
	$(BIN)/python -m benchmarks besieged worker_kills

servers: ## what only Debian's packages hold, for tests on the real thing: chromium, Prometheus and its Alertmanager
	@missing=$$(for one in $(SERVERS); do command -v $$one >/dev/null || echo $$one; done); \
	if [ -z "$$missing" ]; then echo "$(SERVERS) are here"; \
	elif command -v apt-get >/dev/null; then \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null && echo "Installed:" $$missing; \
	else echo "No apt here: install by hand" $$missing "for the tests that need them; the others run without"; fi

clean: ## remove the environment and the demo; your own data under var/ stays
	rm -rf .venv var/demo
