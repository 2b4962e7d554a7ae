# Every target sets itself up: a Python that runs is found, .venv is made and filled, once.
#   make demo                       the main job on the local cluster   (make demo ARGS='--exit -o json' passes arguments on)
#   make test                       all checks and tests
#   make recordings DIR=folder      plays recordings of the real Seldon on the simulated cluster (default: tests/recorded)
#   make losses                     what a plain apply loses from the state before each recording, and what we lose
#   make prove EXAMPLES=5000        stories with the simulated cluster as the adversary, thousands of them
#   make controlplane              the etcd, kube-apiserver and kubectl of the tests (once, about 4 minutes)
#   make bench                      benchmarks, as ratios of one run
#   make format                     rewrite the sources as `make check` wants them
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
DIR ?= tests/recorded
EXAMPLES ?= 5000

.PHONY: demo test check unit recordings losses prove controlplane bench format setup clean
.DEFAULT_GOAL := test

demo: setup
	@$(BIN)/reconciler demo $(ARGS)

test: check unit

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup controlplane
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

recordings: setup
	@$(BIN)/python -m tests.recordings $(DIR) $(ARGS)

losses: setup
	@$(BIN)/python -m tests.recordings.losses $(ARGS)

prove: setup
	PROOF_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -p no:randomly --timeout 0 tests/proofs \
		tests/planner/test_properties.py tests/planner/test_fixes.py $(ARGS)

# Kept outside the checkout; KUBEBUILDER_ASSETS, a folder with etcd, kube-apiserver and kubectl, is used instead if set.
controlplane: setup
	@$(BIN)/python -m tests.controlplane.build >&2

bench: setup controlplane
	$(BIN)/python -m benchmarks $(ARGS)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.ready

# Output goes to the error stream, so that `make demo ARGS='--exit -o json'` prints JSON and nothing else.
$(VENV)/.ready: pyproject.toml
	@python="$$(./find-python)" && \
	echo "Setting up $(VENV) with $$python (once; takes about a minute) ..." >&2 && \
	"$$python" -m venv --clear $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,dev]' >&2 && \
	touch $@

clean:
	rm -rf $(VENV)
