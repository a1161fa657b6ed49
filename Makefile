PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run demo fleet test clients browser screenshots check lint bench lock clean help

run: $(STAMP)  ## Set up, show the main job, and leave the service running
	@$(BIN)/postroom demo

demo: $(STAMP)  ## The same, ending after the show
	@$(BIN)/postroom demo --end

fleet: $(STAMP)  ## PostgreSQL, two APIs and four workers on this machine under a load, with a live view
	@$(BIN)/postroom fleet

test: $(STAMP) lint clients browser  ## Set up, then linters, types, import contracts and all tests
	$(BIN)/pytest -n auto --dist worksteal

clients: $(STAMP)  ## Get the clients of Cloudflare's API that the tests run; says what cannot be had
	-@$(BIN)/python tests/clients/install.py

browser:  ## Install what the page tests need, or say what is missing
	@tools/browser >/dev/null

screenshots: $(STAMP) browser  ## Take pictures of every page into docs/pages
	$(BIN)/python tests/pages/screenshots.py

lint: $(STAMP)  ## Linters, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: test  ## What CI runs

bench: $(STAMP)  ## Measure against bare loops and peers; prints one table
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m bench

lock: $(STAMP)  ## Renew requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade \
		-o requirements.lock pyproject.toml

clean:  ## Remove what was installed and written
	rm -rf $(VENV) .venv-clients var .mypy_cache .ruff_cache .hypothesis .import_linter_cache

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postroom needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)
