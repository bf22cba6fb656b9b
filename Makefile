# `make`: set up and run the quickstart. `make test`: set up and run the tests. PIP_ARGS goes to pip install.
# `make bench BENCH_ARGS=--quick`: the short form of the benchmarks. SOAK_ARGS goes to tests.soak.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
PIP_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=

.DEFAULT_GOAL := quickstart
.PHONY: quickstart setup test test-all test-slurm redraw-check soak bench lint format docs rulegraph report schema dictionary clean

quickstart: setup
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/python -m dst_repro summary

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	touch $@

test: setup
	$(BIN)/python -m pytest -n auto

test-all: setup
	$(BIN)/python -m pytest -n auto --dist loadgroup -m ''

# as root; DST_INSTALL_SLURM=1 installs Debian's Slurm where there is none
test-slurm: setup
	$(BIN)/python -m pytest -m slurm -rs tests/slurm

# half an hour of random faults, then the tests that take as long as one likes (DST_SOAK_EXAMPLES)
soak: setup
	$(BIN)/python -m tests.soak --write $(SOAK_ARGS)
	$(BIN)/python -m pytest -n auto -m soak

# whether every committed table and figure is, to the byte, what the committed records give: two minutes
redraw-check: setup
	$(BIN)/python -m pytest -m '' tests/workflow/test_redrawn.py

# alone on the machine, or the numbers are those of the neighbours
bench: setup
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	@$(MAKE) --no-print-directory docs

# the site, into site/; a link or a reference that leads nowhere ends it (not with --quiet, which hides it from --strict)
docs: setup
	$(BIN)/python docs/stage.py build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

schema: setup
	$(BIN)/python -m dst_repro schema

# docs/data.md: every column of the results
dictionary: setup
	$(BIN)/python -m dst_repro dictionary

# the rule graph as a picture; needs graphviz's `dot`
rulegraph: setup
	@command -v dot > /dev/null || { echo "make rulegraph needs graphviz (the program dot)" >&2; exit 1; }
	$(BIN)/snakemake --rulegraph | dot -Tsvg > docs/rulegraph.svg

report: setup
	$(BIN)/snakemake --report results/snakemake-report.html

clean:
	rm -rf results/quickstart figures/quickstart results/runs/digits-* results/.checkpoints .snakemake
