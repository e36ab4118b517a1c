# Each target makes .venv when it is missing; nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of `make soak`, and for each of the ten targets of `make fuzz`.
MINUTES ?= 10
MIX ?= 50
READY := $(VENV)/.ready

.PHONY: demo test lint wasm docs bench soak fuzz usefulness clean
.DELETE_ON_ERROR:

$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "preopen needs Python 3.11 or later; say PYTHON=python3.12 make ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable . --group dev
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python -m preopen.cli.demo

test: $(READY)
	$(BIN)/python -m pytest -q

lint: $(READY)
	$(BIN)/ruff format --check src tests bench fuzz wasm docs
	$(BIN)/ruff check src tests bench fuzz wasm docs
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -q tests

bench: $(READY)
	$(BIN)/python -m bench
	$(BIN)/python -m bench.network

soak: $(READY)
	@$(BIN)/python -m bench.soak --minutes $(MINUTES) --mix $(MIX)

# This one and the next need a package index: for the engine, which finds inputs that `make test` replays.
fuzz: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group fuzz
	@$(BIN)/python -m fuzz --minutes $(MINUTES)

# For a tokenizer, and for the code base of the tasks.
usefulness: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group usefulness
	@$(BIN)/python -m bench.usefulness

wasm: $(READY)
	$(BIN)/python wasm/build.py
	$(BIN)/python wasm/courier/versions.py

docs: $(READY)
	$(BIN)/python docs/tools_page.py

clean:
	rm -rf $(VENV) build dist wasm/target .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
