# `make demo` and `make test` do all the set-up themselves, in .venv.
VENV := .venv
PYTHON ?= python3
CORES ?= all
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo test check format lock clean help

help: ## say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.ready ## from spoken sentences to the Phase 1 table, in minutes, without a GPU or a download
	snakemake --cores $(CORES)
	@cat results/demo/tables/phase1_lagged.md

test: $(VENV)/.ready check ## style, types and every test
	pytest -n auto --dist loadfile

check: $(VENV)/.ready ## style, types, and the workflow's own linters
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	snakemake --lint

format: $(VENV)/.ready ## lay out Python and Snakemake files
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

lock: ## resolve the dependencies anew, in an environment of its own, and pin them
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install torch==2.13.0
	build/lock/bin/pip install '.[dev]'
	(sed -n 1p requirements.lock; build/lock/bin/pip freeze --exclude latentdyn | sed 's/+cpu//') > build/requirements.lock
	mv build/requirements.lock requirements.lock

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean: ## remove results and the environment
	rm -rf results $(VENV) build .snakemake
