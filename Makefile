# `make` alone lists the targets. Each does its own set-up in .venv, and nothing that is already done.
# Paths are relative and programs run as `python -m`: make cannot quote spaces in paths, nor can #! lines hold them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.ONESHELL:
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The first of these that is Python >= 3.11 with venv makes .venv; `make install PYTHON=...` names another.
PYTHON ?= python3.13 python3.12 python3.11 python3
PY := .venv/bin/python
READY := .venv/.ready
UNFINISHED := .venv.unfinished

define choose_python
python=
for candidate in $(PYTHON); do
    if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
        python=$$candidate
        break
    fi
done
if [ -z "$$python" ]; then
    echo 'No Python 3.11 or newer with venv among: $(PYTHON). On Debian or Ubuntu: apt-get install python3-venv' >&2
    exit 1
fi
endef

.PHONY: help
help: ## List the targets
	@echo 'usage: make TARGET'
	sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 16

.PHONY: demo
demo: install ## Run a small experiment on real digits, then make its figure and its tables
	@$(PY) -m pruneexp experiment=demo
	$(PY) -m analysis tradeoff
	$(PY) -m analysis headline
	$(PY) -m analysis claims
	echo
	echo 'Made from the recorded runs, to open:'
	find reports -type f \( -name '*.png' -o -name '*.svg' -o -name '*.md' -o -name '*.csv' \) | sort | sed 's/^/  /'
	echo 'Every run in the MLflow UI:'
	echo '  $(PY) -m mlflow ui'

.PHONY: test
test: lint types imports ## Run every check and the fast tests, those of units and of commands
	@$(PY) -m pytest tests/unit tests/system

.PHONY: test-unit
test-unit: install ## Run the tests of units, which start no process
	@$(PY) -m pytest tests/unit

.PHONY: test-slow
test-slow: install extras postgres slurm browser tex ## Run the tests that take minutes
	@$(PY) -m pytest -m slow --timeout 1800

# Only for root, as in a container: whoever is not is told by the test what to install.
.PHONY: postgres
postgres: ## Install the PostgreSQL server that a slow test starts, where it is missing and this is root
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then exit 0; fi
	if command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then exit 0; fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql

.PHONY: slurm
slurm: ## Install the Slurm that slow tests start, likewise
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then exit 0; fi
	if [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/slurmd ] && [ -x /usr/sbin/munged ]; then exit 0; fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends slurm-wlm munge

.PHONY: browser
browser: ## Install the browser that a slow test drives, likewise
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then exit 0; fi
	if command -v chromium > /dev/null && command -v chromedriver > /dev/null; then exit 0; fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium chromium-driver

.PHONY: tex
tex: ## Install the LaTeX that a slow test sets tables with, likewise
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then exit 0; fi
	if command -v pdflatex > /dev/null; then exit 0; fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends texlive-latex-base \
	    texlive-latex-recommended texlive-latex-extra

.PHONY: extras
extras: install ## Install what the launchers for Slurm and Ray need
	@if $(PY) -c 'import ray, submitit' 2> /dev/null; then exit 0; fi
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --editable '.[dev,slurm,ray]'

.PHONY: install
install: $(READY) ## Make .venv and install pruneexp into it, editable

# A .venv whose interpreter is gone (Python upgraded, folder copied to another machine) is not ready, whatever it says.
ifeq ($(shell $(PY) -c 'print("runs")' 2> /dev/null),)
.PHONY: $(READY)
endif

# While the installation is unfinished a file beside .venv says so, and the next run starts over; pip keeps downloads.
# The lock makes a second `make` wait for the first and then find the work done.
$(READY): pyproject.toml constraints.txt
	@exec 9> .venv.lock
	flock 9 2> /dev/null || true
	if [ -e $(UNFINISHED) ] || ! $(PY) -c '' 2> /dev/null; then
	    rm -rf .venv
	elif [ $(READY) -nt pyproject.toml ] && [ $(READY) -nt constraints.txt ]; then
	    exit 0
	fi
	touch $(UNFINISHED)
	if [ ! -e $(PY) ]; then
	    $(choose_python)
	    echo "Installing into .venv with $$python. Stopped halfway, the same command starts over."
	    "$$python" -m venv .venv
	fi
	$(PY) -m pip --version > /dev/null 2>&1 || $(PY) -m ensurepip
	# By the environment, so that the tools that build packages are pinned too.
	PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	    $(PY) -m pip install --editable '.[dev]'
	touch $(READY)
	rm $(UNFINISHED)

.PHONY: lint
lint: install ## Check style and formatting (ruff)
	@$(PY) -m ruff check
	$(PY) -m ruff format --check

.PHONY: format
format: install ## Format the code and mend what can be mended (ruff)
	@$(PY) -m ruff check --fix
	$(PY) -m ruff format

.PHONY: types
types: install ## Check types, strictly (mypy)
	@$(PY) -m mypy

.PHONY: imports
imports: install ## Check who imports whom (import-linter)
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True))'

# On the oldest supported Python: the releases for it run on the newer ones, but not the other way round.
.PHONY: constraints
constraints: PYTHON = python3.11
constraints: ## Resolve constraints.txt anew from pyproject.toml
	@$(choose_python)
	rm -rf build/resolver
	"$$python" -m venv build/resolver
	build/resolver/bin/python -m pip install --quiet --upgrade pip
	build/resolver/bin/python -m pip install --quiet --dry-run --ignore-installed --report build/resolved.json '.[dev,slurm,ray,dashboard]'
	build/resolver/bin/python - <<'END' > build/constraints.txt
	import json, pathlib
	found = json.loads(pathlib.Path("build/resolved.json").read_text())["install"]
	resolved = [item["metadata"] for item in found if not item["is_direct"]]
	pins = {item["name"]: item["version"] for item in resolved}
	assert not any("+" in version for version in pins.values()), "a local build is not what others will get"
	print("# Every package that pruneexp is tested with, what they need in turn included.")
	print("# Written by `make constraints`, never by hand.")
	print(*(f"{name}=={pins[name]}" for name in sorted(pins, key=str.lower)), sep="\n")
	END
	mv build/constraints.txt constraints.txt
	rm -rf build

.PHONY: clean
clean: ## Remove .venv and caches; recorded results stay
	@rm -rf .venv .venv.lock $(UNFINISHED) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
