# `make demo` and `make test` do all the set-up themselves, in .venv.
VENV := .venv
PYTHON ?= python3
CORES ?= all
RESULTS ?= results
ON_NODES := pytest -n 2 -m cluster tests/cluster
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: demo docs verify test test-here test-on-nodes test-cluster mutate bench-gpu slurm check format lock clean help

help: ## say what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.ready ## from spoken sentences to the Phase 1 table, and the calibration: minutes, no GPU, no download
	snakemake report --cores $(CORES) --configfile config/demo.yaml config/calibration.yaml
	@cat results/demo/tables/phase1_lagged.md results/demo/tables/phones.md results/known_answers/tables/calibration.md
	@echo "The demo is done: above, speech of synthetic voices, and processes whose exact values are known. The same" \
		"files are in results/*/tables and results/*/figures; README.md says what to ask for next."
	@echo "Open this page in a browser: $(CURDIR)/results/demo/report.html"

docs: $(VENV)/.ready ## the documents as a site, in build/docs, that opens without a network
	mkdocs build --strict --quiet
	@echo "Open this page in a browser: $(CURDIR)/build/docs/index.html"

verify: $(VENV)/.ready ## whether every file below results/ is as it was written (RESULTS=... for another folder)
	python -m latentdyn.steps.verify_results $(RESULTS)

# Tests on a cluster mostly wait: beside the others they take hardly any time.
test: $(VENV)/.ready check ## style, types and every test; those on a cluster where Slurm is installed, and you are root
	$(MAKE) --no-print-directory --jobs 2 --keep-going test-here test-on-nodes

# Slipcover prints the coverage. What a workflow's jobs run is not in it: they are processes of their own.
test-here: $(VENV)/.ready
	python -m slipcover --source src/latentdyn --skip-covered -m pytest -n auto --dist worksteal --durations 10 \
		-m "not cluster"

test-on-nodes: $(VENV)/.ready # says all in one piece, after it has ended
	@said=$$($(ON_NODES) 2>&1); ended=$$?; echo "$$said"; exit $$ended

test-cluster: $(VENV)/.ready slurm ## the tests on a cluster, for which Slurm is installed if it is missing
	$(ON_NODES)

mutate: $(VENV)/.ready ## whether tests of diagnostics and distributions notice small mistakes in the code (takes long)
	nice python tests/mutation/mutate.py

bench-gpu: $(VENV)/.ready ## what a GPU makes of the paper's Exp 1, as Markdown (benchmarks/gpu.py)
	python benchmarks/gpu.py

slurm: ## install Slurm from Debian's or Ubuntu's packages, for the tests; nothing is started
	@PATH="$$PATH:/usr/sbin"; { command -v slurmctld && command -v munged; } >/dev/null || { apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends munge slurm-wlm \
		slurm-wlm-basic-plugins; }

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
	build/lock/bin/pip install '.[demo,dev,docs]'
	(sed -n 1p requirements.lock; build/lock/bin/pip freeze --all --exclude pip --exclude latentdyn | sed 's/+cpu//') > build/requirements.lock
	build/lock/bin/pip install '.[perception]' && build/lock/bin/pip install --no-deps resemblyzer
	(sed -n 1p requirements-perception.lock; build/lock/bin/pip freeze --all --exclude pip --exclude latentdyn | \
		sed 's/+cpu//' | grep -vxFf build/requirements.lock) > build/requirements-perception.lock
	mv build/requirements.lock build/requirements-perception.lock .

$(VENV)/.ready: requirements.lock requirements-perception.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-perception.lock || \
		echo "No scores of decoded speech: their packages need a C compiler (docs/perception.md). All else works."
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean: ## remove results and the environment
	rm -rf results $(VENV) build .snakemake
