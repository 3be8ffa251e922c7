# Everything runs in .venv at the project's root; nothing else on the machine is touched.
PYTHON ?= python3
RUN := .venv/bin

# One stamp for each set of packages, the smallest first: what the demo needs, what the tests need, everything.
# A larger set includes the smaller ones, so its recipe makes their stamps too.
FOR_DEMO := .venv/.installed-demo
FOR_TESTS := .venv/.installed-tests
FOR_ALL := .venv/.installed-all

.DEFAULT_GOAL := setup
.PHONY: setup setup-all demo test lint audit bench docs examples release-check stubs clean

# uv, bootstrapped by pip, installs in half of pip's time; with bytecode, so that torch starts quickly.
INSTALL := $(RUN)/uv pip install --quiet --compile-bytecode --python $(RUN)/python --editable

$(RUN)/uv:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "omlzoo needs Python 3.11 or newer; call make PYTHON=python3.11"'
	test -x $(RUN)/python || $(PYTHON) -m venv .venv
	$(RUN)/python -m pip install --quiet --disable-pip-version-check uv

setup: $(FOR_TESTS)

setup-all: $(FOR_ALL)

$(FOR_DEMO): pyproject.toml | $(RUN)/uv
	$(INSTALL) '.[photos,serve]'
	touch $(FOR_DEMO)

$(FOR_TESTS): pyproject.toml | $(RUN)/uv
	$(INSTALL) '.[dev]'
	touch $(FOR_DEMO) $(FOR_TESTS)

$(FOR_ALL): pyproject.toml | $(RUN)/uv
	$(INSTALL) '.[dev,docs,executorch,lancedb,mlflow,ray,remote,wandb]'
	touch $(FOR_DEMO) $(FOR_TESTS) $(FOR_ALL)

demo: $(FOR_DEMO)
	rm -rf demo
	$(RUN)/omlzoo demo --out demo

# A process per core, one thread each: the whole suite takes about half as long as in one process.
test: setup
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

lint: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/bandit --quiet --recursive omlzoo --configfile pyproject.toml

# Known vulnerabilities of what is installed. A package that could not be looked up is a failure too: a mirror without
# advisories would otherwise say that there are none.
audit: setup
	$(RUN)/uv pip install --quiet --python $(RUN)/python pip-audit
	$(RUN)/pip-audit --strict --skip-editable

bench: setup
	$(RUN)/python benchmarks/run.py

# The site, strictly (a broken link or an unknown name is a failure) and asking nothing from outside, into site/.
docs: setup
	$(RUN)/uv pip install --quiet --python $(RUN)/python --editable '.[docs]'
	$(RUN)/python scripts/reference_pages.py
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

# Each example whole, one after the other; the tests run them with OMLZOO_EXAMPLE=small.
examples: setup
	$(RUN)/python examples/run_all.py

# All of a release but the upload: wheel and sdist are built, checked, and each installed into a fresh environment.
release-check: setup
	$(RUN)/uv pip install --quiet --python $(RUN)/python build twine
	$(RUN)/python scripts/release_check.py

stubs: setup
	$(RUN)/python scripts/stubs.py

clean:
	rm -rf .venv demo dist runs site .pytest_cache .mypy_cache .ruff_cache
