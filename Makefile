# `make run` and `make test` are all a fresh machine needs: Python 3.11 or later, pip, git, make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
INSTALLED := $(VENV)/.installed
# What users need, without what develops and tests it.
TO_RUN := $(VENV)/.installed-to-run
# Three workers for two cores: tests wait for processes, writers and locks a third of the time.
WORKERS := $(shell $(PYTHON) -c 'import os; cores = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count())); print(len(cores(0)) * 3 // 2)')
# The hundreds of processes that tests start need not compile the runner's modules each time.
PYTEST := PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest -q -n $(WORKERS) --dist worksteal

.PHONY: run test table published test-fast test-gpu gpu-proof check types format clean

run: $(TO_RUN)  ## make pictures with the small family, one row a task, and log them
	$(VENV)/bin/kandinsky -m 'experiment=glob(tour/*)' name=tour
	@echo 'contact sheet:'
	@$(VENV)/bin/kandinsky grid

test: $(INSTALLED)  ## all tests that need no accelerator
	$(PYTEST) -m "not gpu and not table"

table: $(INSTALLED)  ## the model card's whole table, an hour
	$(PYTEST) -m table

published: $(INSTALLED)  ## write docs/published.md: every route from the hub's stand-in
	WRITE_DOCS=1 $(VENV)/bin/python -m pytest -q tests/functional/test_published.py

test-fast: $(INSTALLED)
	$(PYTEST) -x -m "not slow and not gpu and not table"

test-gpu: $(INSTALLED)  ## what needs an accelerator
	$(PYTEST) -m gpu tests/gpu

gpu-proof: $(INSTALLED)  ## tests and benchmarks that need a GPU, the most important first: ten minutes
	$(VENV)/bin/python benchmarks/gpu_proof.py

check: $(INSTALLED)  ## style, floors, then types beside tests: mypy takes one core
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(MAKE) -j2 types test

types: $(INSTALLED)
	$(VENV)/bin/mypy

format: $(INSTALLED)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(TO_RUN): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -c constraints.txt -e '.[analysis]'
	touch $@

$(INSTALLED): $(TO_RUN)
	$(VENV)/bin/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
