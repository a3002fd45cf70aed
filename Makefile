# The verbs: ask, test, lint, bench, docs; and verify, for those who have the published data.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export Q

.PHONY: ask test lint bench docs verify clean

ask: $(VENV)/.ask
	@test -n "$$Q" || { echo 'usage: make ask Q="convert text to speech in my app"' >&2; exit 2; }
	@$(BIN)/gorilla-rag ask --setup -- "$$Q"

test: $(VENV)/.dev
	@$(BIN)/gorilla-rag models pull
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/gorilla-rag check gorilla_rag tests docs

bench: $(VENV)/.dev
	@$(BIN)/gorilla-rag models pull
	DATA="$(if $(DATA),$(abspath $(DATA)))" $(BIN)/python -m tests.benchmarks $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

# Every proof that needs published data (APIBench's files in DATA/apibench). Nothing may be skipped.
verify: $(VENV)/.dev
	@test -d "$(DATA)" || { echo 'usage: make verify DATA=FOLDER (with apibench/ in it)' >&2; exit 2; }
	@$(BIN)/gorilla-rag models pull
	DATA="$(abspath $(DATA))" $(BIN)/python -m pytest -m data --no-skips -s $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.ask: pyproject.toml constraints.txt
	@echo "setting up $(VENV) (about a minute)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[encode]'
	@touch $@

$(VENV)/.dev: $(VENV)/.ask
	@echo "adding what tests and checks need" >&2
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	@touch $@
