# A fresh machine needs Python 3.11-3.13 and git; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

# Where a machine forbids it (containers do), each of the demo's fifty processes would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-slow lint bench clean

demo: .venv/ready  ## the whole pipeline on a small synthetic world, then the report
	$(RUN) python -m pipeline check
	$(RUN) dvc repro
	$(RUN) python -m pipeline sync
	@echo "the report: $(CURDIR)/data/report/index.html"

test: lint test-fast test-slow  ## everything CI runs

test-fast: .venv/ready  ## two processes of one thread each: with two, contended torch collapses
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile -m "not e2e and not real"

test-slow: .venv/ready  ## the DAG on a tiny world, and the tests on real faces
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile -m "e2e or real"

lint: .venv/ready
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

bench: .venv/ready  ## ratios against a peer or a limit, a table each
	for name in loader distill_step noop_repro; do $(RUN) python -m benchmarks.$$name || exit 1; done
	$(RUN) python -m benchmarks.evaluator --only folds ijb --scale 0.25
	$(RUN) python -m benchmarks.overlap_scale --scale 0.2

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11-3.13 is needed: make PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip==26.3  # Python 3.11's own takes twice as long
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.lock
	touch $@

clean:
	rm -rf .venv .experiments .ckpt
