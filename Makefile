# A fresh machine needs Python 3.11-3.13 and git; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: demo test test-fast test-e2e test-real lint bench clean

demo: .venv/ready  ## the whole pipeline on a small synthetic world, then the report
	$(RUN) python -m pipeline check --set size=demo
	$(RUN) dvc repro --quiet --help >/dev/null
	$(RUN) python -m pipeline run demo
	@echo "report: .experiments/demo/demo/data/report/index.html"

test: lint test-fast test-e2e test-real  ## everything CI runs

test-fast: .venv/ready
	$(RUN) python -m pytest -q -m "not e2e and not real"

test-e2e: .venv/ready
	$(RUN) python -m pytest -q -m e2e

test-real: .venv/ready
	$(RUN) python -m pytest -q -m real

lint: .venv/ready
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

bench: .venv/ready  ## ratios against a peer or a limit, a table each
	for script in benchmarks/*.py; do $(RUN) python $$script || exit 1; done

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11-3.13 is needed: make PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

clean:
	rm -rf .venv .experiments .ckpt
