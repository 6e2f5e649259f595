# `make demo` sets up and runs the default study; `make test` sets up and runs every check but those
# on a SLURM, which `make test-slurm` installs and starts (as root).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
CORES ?= 2
export PATH := $(BIN):$(PATH)

.PHONY: demo test test-slurm lint setup schema docs crate-validator clean

demo: setup
	snakemake --cores $(CORES)

test: lint
	pytest -q -n $(CORES) tests/unit tests/parity
	pytest -q -n $(CORES) tests/e2e

test-slurm: setup
	pytest -q tests/slurm

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

# Everything that is made from the knob table and the model cards.
docs: setup
	rsweep schema > config/study.schema.json
	python -m rsweep.report.knob_docs > docs/settings.md
	python -m rsweep.report.model_docs docs/models
	python -m rsweep.report.count_operations

setup: $(VENV)/.ready

# torch first: another package's range would make pip fetch a newer one with CUDA.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep -E '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The validator of RO-Crates needs an older `rich` than rsweep, so it has an environment of its own.
crate-validator: build/crate-validator/.ready

build/crate-validator/.ready:
	$(PYTHON) -m venv build/crate-validator
	build/crate-validator/bin/python -m pip install --quiet --disable-pip-version-check roc-validator==0.13.0 rocrate==0.16.0
	touch $@

clean:
	rm -rf results .snakemake
