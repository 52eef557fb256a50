# Every task of this repository. `make` alone prints this list.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help install clients demo test test-heavy soak mutants bench check audit format docs texts pictures sbom lock clean
.DEFAULT_GOAL := help

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.installed ## everything that is needed to run, test and change bwVisu, into .venv

.venv/.installed: constraints.txt pyproject.toml
	@scripts/system-packages install
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r constraints.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## a real small cluster, all roles, a real application (ONCE=1: end after the proof)
	@$(BIN)/bwvisu demo $(if $(ONCE),--once)

test: install ## all tests, suite by suite, within the printed budgets
	@scripts/system-packages test
	@$(BIN)/python -m scripts.clients --install
	@$(BIN)/python -m scripts.chart --install
	@$(BIN)/python -m tests.support.provider
	@$(BIN)/python scripts/suites.py test

test-heavy: install ## what is too large for `make test`
	@scripts/system-packages test heavy
	@$(BIN)/python scripts/suites.py heavy

SEEDS ?= 0-19999

soak: install ## many simulated worlds (SEEDS=0-19999), each with faults of its own
	@$(BIN)/python -m tests.simulation $(SEEDS)

mutants: install ## take the safeguards away, one at a time: the simulation must notice each
	@$(BIN)/python -m tests.simulation.mutants

bench: install ## measure against floors of the same run, and print the table (ONLY=B1: one benchmark)
	@scripts/system-packages test
	@$(BIN)/python -m tests.bench $(ONLY)

check: install ## format, lint, types, import contracts, stale documents and translations, broken clients, the house rules
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vermin --quiet --violations --target=3.6- src/keyhole/client.py src/keyhole/listeners.py src/keyhole/running.py
	$(BIN)/python -m scripts.documents --check
	$(BIN)/python -m scripts.texts --check
	$(BIN)/python -m scripts.compatibility
	$(BIN)/pytest --quiet tests/test_house.py

audit: ## known vulnerabilities of all locked packages, asked of OSV (needs the internet; 2: it could not be asked)
	@$(PYTHON) -m scripts.audit

format: install ## put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: install ## write the generated documents anew
	@$(BIN)/python -m scripts.documents

texts: install ## merge the portal's texts into its catalogues, and compile them
	@$(BIN)/python -m scripts.texts
	@$(BIN)/python hatch_build.py

clients: install ## clients of the REST API in Python and TypeScript (DOCUMENT=file or URL), into build/clients
	@$(BIN)/python -m scripts.clients $(DOCUMENT)

pictures: install ## draw the README's pictures anew: applications of real jobs in a real browser
	@scripts/system-packages test
	@$(BIN)/python -m scripts.pictures

sbom: install ## what the image has of Python's and npm's packages, as CycloneDX, into build/bwvisu.cdx.json
	@$(BIN)/python -m scripts.chart --sbom build/bwvisu.cdx.json

RESOLVE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

lock: install ## resolve all dependencies anew: those of bwVisu, its image, the generators of clients, the chart's judges
	$(RESOLVE) pyproject.toml --all-extras --output-file constraints.txt
	$(RESOLVE) pyproject.toml --extra ldap --constraint constraints.txt --output-file constraints-image.txt
	$(RESOLVE) scripts/packaging/requirements.in --output-file scripts/packaging/constraints.txt
	$(RESOLVE) scripts/generators/requirements.in --output-file scripts/generators/constraints.txt
	@$(BIN)/python -m scripts.clients --lock

clean: ## remove what these tasks have made in this folder
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
