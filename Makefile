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
READY_DEV := .venv/.ready-dev
UNFINISHED := .venv.unfinished
LOG := .venv.log

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

define say_what_comes
cat <<END
Installing what pruneexp needs into .venv, by $$python: 130 packages, 3 GB to download and 6 GB on disk. Nearly all of it
is PyTorch for NVIDIA GPUs. For CPUs alone 0.5 GB will do: stop here (Ctrl-C), look up the address of the CPU wheels on
PyTorch's page "Start Locally", and give the command again with PIP_EXTRA_INDEX_URL=ADDRESS before it.
Stopped halfway, the same command starts over, and pip keeps its downloads. What pip says goes to $(LOG).
END
endef

# Beside pip, on a terminal: a line that says what it is at, how much there is, and for how long.
define show_progress
{
    while sleep 1 && kill -0 $$$$ 2> /dev/null; do
        disk=
        if grep -q '^Installing collected' $(LOG); then disk=$$(du -sm .venv | cut -f 1); fi
        awk -v seconds=$$SECONDS -v disk="$$disk" '
            /^ *(Collecting|Processing) / { packages++ }
            /^ +(Downloading|Using cached) .*\([0-9.]+ [kMG]B\)/ {
                size = substr($$(NF - 1), 2); megabytes += size * ($$NF == "GB)" ? 1000 : $$NF == "MB)" ? 1 : 0.001)
            }
            END {
                if (disk) printf "\r  unpacking: %.1f GB on disk, %d s          ", disk / 1000, seconds
                else printf "\r  fetching: %d packages, %.1f GB, %d s ", packages, megabytes / 1000, seconds
            }' $(LOG) > /dev/tty
    done
} 9>&- 2> /dev/null &
watcher=$$!
endef

# Puts the requirements $(1) into .venv, unless the file $(2) says that they are there already.
define install_into_venv
exec 9> .venv.lock
flock 9 2> /dev/null || true
if [ -e $(UNFINISHED) ] || ! $(PY) -c '' 2> /dev/null; then
    rm -rf .venv
elif [ $(2) -nt pyproject.toml ] && [ $(2) -nt constraints.txt ]; then
    exit 0
fi
touch $(UNFINISHED)
: > $(LOG)
if [ ! -e $(PY) ]; then
    $(choose_python)
    $(say_what_comes)
fi
watcher=
if [ -t 1 ]; then
    $(show_progress)
fi
# By the environment, so that the tools that build packages are pinned too. Nothing is compiled ahead: that takes a minute,
# and most of 19,000 modules are never imported.
export PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off
failed=0
{
    { [ -e $(PY) ] || "$$python" -m venv .venv; } &&
    { $(PY) -m pip --version || $(PY) -m ensurepip; } &&
    $(PY) -m pip install --no-compile --editable '$(1)'
} >> $(LOG) 2>&1 || failed=$$?
if [ -n "$$watcher" ]; then
    kill $$watcher 2> /dev/null || true
    wait $$watcher 2> /dev/null || true
    echo
fi
if grep -q 'cancelled by user' $(LOG); then
    echo 'Stopped. The same command starts over.' >&2
    exit 130
fi
if [ $$failed != 0 ]; then
    tail -n 25 $(LOG) >&2
    echo "pip could not install $(1); all it said is in $(LOG). The same command starts over." >&2
    exit 1
fi
echo "Installed in $$SECONDS s: $$($(PY) -m pip list 2> /dev/null | tail -n +3 | wc -l) packages, $$(du -sh .venv | cut -f 1)"
touch $(2)
rm $(UNFINISHED)
endef

.PHONY: help
help: ## List the targets
	@echo 'usage: make TARGET'
	sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 16

.PHONY: demo
demo: install ## Run a small experiment on real digits, then make its figure, its tables and its page
	@$(PY) -m pruneexp experiment=demo
	$(PY) -m analysis tradeoff > /dev/null
	$(PY) -m analysis report > /dev/null
	$(PY) -m analysis headline
	$(PY) -m analysis claims
	echo
	echo "The picture:    $$(ls reports/tradeoff-*.png)"
	echo "The page:       file://$$(echo "$$PWD" | sed 's/ /%20/g')/reports/report.html"
	echo 'Every run:      $(PY) -m mlflow ui, at http://127.0.0.1:5000'

.PHONY: results
results: dev ## Draw docs/results.md, and all else there is to draw, from the kept records in docs/records
	@$(PY) -m docs.records.draw
	for file in docs/records/*.parquet; do
	    $(PY) -m analysis all --tracking-uri "$$file" --out "reports/$$(basename "$$file" .parquet)" > /dev/null
	    echo "reports/$$(basename "$$file" .parquet)"
	done

.PHONY: test
test: lint types imports ## Run every check and the fast tests, those of units and of commands
	@$(PY) -m pytest tests/unit tests/system

.PHONY: test-unit
test-unit: dev ## Run the tests of units, which start no process
	@$(PY) -m pytest tests/unit

.PHONY: test-slow
test-slow: dev extras postgres slurm browser tex ## Run the tests that take minutes
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
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip install --editable '.[slurm,ray]'

.PHONY: install
install: $(READY) ## Make .venv and install pruneexp and what it needs into it, editable

.PHONY: dev
dev: $(READY_DEV) ## Install what the checks and tests need on top

# A .venv whose interpreter is gone (Python upgraded, folder copied to another machine) is not ready, whatever it says.
ifeq ($(shell $(PY) -c 'print("runs")' 2> /dev/null),)
.PHONY: $(READY) $(READY_DEV)
endif

# What the fast tests need: tools, and the extras that they try.
FOR_TESTS := .[dev,hub,export]

# While the installation is unfinished a file beside .venv says so, and the next run starts over; pip keeps downloads.
# The lock makes a second `make` wait for the first and then find the work done.
$(READY): pyproject.toml constraints.txt
	@$(call install_into_venv,.,$(READY))

$(READY_DEV): pyproject.toml constraints.txt
	@$(call install_into_venv,$(FOR_TESTS),$(READY_DEV))
	touch $(READY)

.PHONY: lint
lint: dev ## Check style and formatting (ruff)
	@$(PY) -m ruff check
	$(PY) -m ruff format --check

.PHONY: format
format: dev ## Format the code and mend what can be mended (ruff)
	@$(PY) -m ruff check --fix
	$(PY) -m ruff format

.PHONY: types
types: dev ## Check types, strictly (mypy)
	@$(PY) -m mypy

.PHONY: imports
imports: dev ## Check who imports whom (import-linter)
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True))'

# On the oldest supported Python: the releases for it run on the newer ones, but not the other way round.
.PHONY: constraints
constraints: PYTHON = python3.11
constraints: ## Resolve constraints.txt anew from pyproject.toml
	@$(choose_python)
	rm -rf build/resolver
	"$$python" -m venv build/resolver
	build/resolver/bin/python -m pip install --quiet --upgrade pip
	build/resolver/bin/python -m pip install --quiet --dry-run --ignore-installed --report build/resolved.json '.[dev,slurm,ray,dashboard,hub,export]'
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
	@rm -rf .venv .venv.lock $(LOG) $(UNFINISHED) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
