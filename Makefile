# Every target forwards to one command and echoes it; the first use makes a virtual environment in .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SWEEP ?=
DATA ?=
TO ?= best
PORT ?= 5000
RUN ?=
KILLS ?= 20
SEED ?= 1
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
# Tests share the cores; those that strike at running sweeps have them for themselves.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
FAST := $(PYTEST) -n auto --maxprocesses 4 -m "not slow and not nightly"
# Ray makes way for others by default, and would wait for the other tests here.
SLOW := RAY_worker_niceness=0 $(PYTEST) -m "slow and not nightly"
MODELS := $(if $(SWEEP),--sweep $(SWEEP))

.DEFAULT_GOAL := help
.PHONY: help setup sweep check-sweep list status doctor leaderboard rerun ui pull sync check test test-nightly chaos bench clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo "  for example: make sweep SWEEP=mae_masking   then: make ui, make pull TO=best"

setup: $(READY)  ## make the environment from pinned versions (other targets do it when needed)

$(READY): pyproject.toml constraints.txt
	@echo "making the environment in $(VENV) (some minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[search,dev]'
	@touch $@

sweep: $(READY)  ## SWEEP=name [DATA=file] [ARGS="-o budget.trials=4"]: search, confirm, rank; the same command resumes
	$(BIN)/sslbench sweep $(SWEEP) $(if $(DATA),--data "$(DATA)") $(ARGS)

check-sweep: $(READY)  ## SWEEP=name: show its space, trials, time and disk without running it
	$(BIN)/sslbench check $(SWEEP) $(if $(DATA),--data "$(DATA)") $(ARGS)

list: $(READY)  ## every sweep, data set, pretext task, mask, head, encoder and evaluation task
	$(BIN)/sslbench list $(ARGS)

status: $(READY)  ## [SWEEP=name]: how far the sweeps are
	$(BIN)/sslbench status $(SWEEP) $(ARGS)

doctor: $(READY)  ## whether this machine can run sweeps, and what to mend
	$(BIN)/sslbench doctor $(ARGS)

leaderboard: $(READY)  ## [SWEEP=name]: rank again from the ledger and write the report
	$(BIN)/sslbench leaderboard $(SWEEP) $(ARGS)

rerun: $(READY)  ## RUN=uid: repeat a finished trial and say whether its scores come out again
	$(BIN)/sslbench rerun $(RUN) $(ARGS)

ui: $(READY)  ## the MLflow UI on 127.0.0.1 [PORT=5000]
	$(BIN)/sslbench ui --port $(PORT) $(ARGS)

pull: $(READY)  ## [SWEEP=name] [TO=best]: take the best model away as a folder
	$(BIN)/sslbench pull --to "$(TO)" $(MODELS) $(ARGS)

sync: $(READY)  ## bring the MLflow store up to date with the ledger
	$(BIN)/sslbench sync $(SWEEP) $(ARGS)

check: $(READY)  ## lint, types, import contracts and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(FAST) $(ARGS)

test: $(READY)  ## everything that continuous integration runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(FAST) $(ARGS)
	$(SLOW) -n auto --maxprocesses 2 --dist loadfile --ignore tests/chaos $(ARGS)
	$(SLOW) tests/chaos $(ARGS)

test-nightly: $(READY)  ## the long fault and scale runs
	$(PYTEST) -m nightly $(ARGS)

chaos: $(READY)  ## KILLS=20 SEED=1: hit real sweeps by faults drawn from a seed, and check that nothing is lost
	OMP_NUM_THREADS=1 KILLS=$(KILLS) SEED=$(SEED) $(BIN)/python -m tests.chaos

bench: $(BENCH_READY)  ## [ARGS="loaders --rounds 15"]: measure this project beside what people use instead
	$(BIN)/python -m benchmarks $(ARGS)

$(BENCH_READY): $(READY)
	@echo "adding what the benchmarks compare with to $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

clean:  ## remove caches; the environment and all results stay (what old runs left: sslbench clean)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build
