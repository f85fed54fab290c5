# make demo      evolve the embedded Japanese VLM (makes .venv first)
# make test      the tests (makes .venv first)       make test-all   the slow ones too
# make check     lint, format and types              make zoo        rebuild the embedded world
# make bench     what a lint costs and what a walk costs, in two tables
# make bench-merge   what a merge costs beside mergekit, and a candidate beside its parents
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test test-all check bench bench-merge zoo clean

demo: $(INSTALLED)
	$(BIN)/awase evolve recipes/emoji_ja.merge

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -m "slow or not slow"

check: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python -m tests.bench.lint_speed
	$(BIN)/python -m tests.bench.route_speed

# MERGEKIT names an interpreter that has mergekit 0.1.5; without it the bench makes one, and fetches 1 GB.
bench-merge: $(INSTALLED)
	$(BIN)/python -m tests.bench.candidate_speed
	$(BIN)/python -m tests.bench.merge_speed --large $(if $(MERGEKIT),--mergekit $(MERGEKIT))

zoo: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c constraints.txt resvg_py
	$(BIN)/python -m vlm.zoo.build

# torch is named beside everything that needs it: alone, pip would fetch a newer one with CUDA.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		torch==2.13.0 torchvision==0.28.0 -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist
