SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help env run test test-sqlite test-postgres check format screenshots bench clean

UV_VERSION := 0.13.9
PYTHON ?= python3
PORT ?= 8000
PICTURES ?= /tmp/agnes-pictures
# One worker per core of a small machine; more only helps with more memory.
TEST_WORKERS ?= 2
PYTEST := .venv/bin/pytest -q -n $(TEST_WORKERS)
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

env: .venv/.synced ## Make .venv from uv.lock; does nothing when the lock is unchanged.

.venv/.synced: uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Agnes needs Python 3.11 or newer: make env PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "This Python has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/uv --version 2>/dev/null | grep -qF 'uv $(UV_VERSION)' || { \
	  .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null; \
	  .venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@VIRTUAL_ENV="$(CURDIR)/.venv" .venv/bin/uv sync --quiet --compile-bytecode --frozen --inexact --no-python-downloads
	@touch $@

run: env ## Run Agnes at http://localhost:PORT (8000); Ctrl-C stops all of it.
	@exec .venv/bin/python manage.py run_agnes --port $(PORT)

# One run over both databases: each half prints pytest's summary, the last line is one for both.
test: env ## Run every test on SQLite and on PostgreSQL; DB=sqlite or DB=postgres runs one.
ifeq ($(DB),)
	@$(MAKE) --no-print-directory test-sqlite
	@$(MAKE) --no-print-directory test-postgres
else
	@$(MAKE) --no-print-directory test-$(DB)
endif

test-sqlite: env ## Run every test on SQLite.
	@$(PYTEST)

test-postgres: env ## Run every test on PostgreSQL, which is started for it.
	@AGNES_TEST_DB=postgres $(PYTEST)

check: env ## Format, lint, types, import contracts, migrations, templates.
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python manage.py makemigrations --check --dry-run
	.venv/bin/djlint --lint --quiet templates
	.venv/bin/python manage.py compile_templates

format: env ## Put the code in shape.
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

screenshots: env ## Take pictures of all pages into PICTURES (/tmp/agnes-pictures).
	.venv/bin/python -m tests.screenshots $(PICTURES)

bench: env ## Run the benchmarks and write docs/performance.md.
	.venv/bin/python -m benchmarks

clean: ## Remove the environment and caches; the data folder stays.
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
