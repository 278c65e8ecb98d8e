# Each target prepares what it needs on a machine that has Python, a JDK and Maven.

PYTHON ?= python3
RUN = .venv/bin/python
# From a lock alone: what it does not name is not installed, whatever the index has by then, and nothing is built.
PIP = -m pip --disable-pip-version-check
LOCKED = $(PIP) install --quiet --no-deps --require-hashes --only-binary :all: -r
OURS = $(PIP) install --quiet --no-deps --no-index --no-build-isolation
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --only-binary :all: \
	--generate-hashes --custom-compile-command 'make lock' $(UPGRADE) pyproject.toml
# Two files of tests at a time, the longest first (tests/conftest.py): most of them wait for brokers.
PYTEST = $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
COVERED = $(PYTEST) --cov --cov-report=term:skip-covered

.PHONY: help demo quick test test-guard test-long check bench dist lock clean python brokers

help:
	@echo 'make demo       two real clusters on this machine, the whole journey'
	@echo 'make quick      all tests that need no broker, without Java (a minute)'
	@echo 'make test       the tests, with branch coverage (at most 10 minutes)'
	@echo 'make test-guard kills, failures, logins; every change has to pass it, too (at most 40 minutes)'
	@echo 'make test-long  version matrices, large inputs, following under fire (at most 30 minutes)'
	@echo 'make check      lint, types, the import rule'
	@echo 'make bench      figures, beside those of the official tools'
	@echo 'make dist       the wheel and the source archive; the wheel is tried in an empty environment'
	@echo 'make lock       requirements*.lock anew from pyproject.toml (UPGRADE=--upgrade: newest versions)'
	@echo 'make brokers    fetches the brokers of demo and tests, as demo, test and bench do by themselves'
	@echo 'make clean      removes everything that was made here'

demo: brokers
	$(RUN) -m kafka_meta demo

# What a change meets first: no broker, no Java, no network.
quick: .venv/ready
	$(PYTEST) -q --hypothesis-profile=quick -m "not brokers and not guard and not long"

test: brokers
	$(RUN) -m coverage erase
	$(COVERED) -m "not guard and not long"

test-guard: brokers
	$(RUN) -m coverage erase
	$(COVERED) -m guard

test-long: brokers
	$(RUN) -m coverage erase
	$(COVERED) -m long

check: .venv/ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(RUN) -m pytest -q tests/house/test_house.py

bench: brokers
	$(RUN) -m tests.benchmarks

# The wheel, with its locked dependencies, in an environment that knows nothing of this folder; then the page's library.
dist: .venv/ready
	rm -rf dist
	$(RUN) -m hatchling build -d dist
	@set -e; empty=$$(mktemp -d); trap 'rm -rf "$$empty"' EXIT; \
	$(PYTHON) -m venv "$$empty/venv"; \
	"$$empty/venv/bin/python" $(LOCKED) requirements.lock; \
	"$$empty/venv/bin/python" $(OURS) dist/*.whl; \
	"$$empty/venv/bin/python" $(PIP) check; \
	cp requirements-dev.lock "$$empty"; cd "$$empty"; \
	venv/bin/kafka-meta --version; \
	venv/bin/python -c 'from importlib.resources import files; \
	here = files("kafka_meta"); names = sorted(f.name for f in (here / "schemas").iterdir()); \
	assert names and (here / "playground" / "pom.xml").is_file(); print("with", *names)'; \
	venv/bin/python $(LOCKED) requirements-dev.lock; \
	venv/bin/kafka-meta evaluate --peak-traffic 20 --disk 1300 --topics 60 --partitions 800 --provider alibaba \
	--html page.html >/dev/null; test -s page.html

# The same versions again, with what pyproject.toml has become; UPGRADE=--upgrade takes the newest ones.
lock: | python
	@# Not .venv/ready: a package that pyproject.toml names anew is not in the old files yet.
	@test -x .venv/bin/uv || { $(PYTHON) -m venv --clear .venv; $(RUN) $(LOCKED) requirements-dev.lock; }
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra html --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf .venv dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The brokers of the usual pair, made ready once in the user's cache folder; tests fetch further versions themselves.
brokers: .venv/ready
	@$(RUN) -m kafka_meta.playground

.venv/ready: requirements-dev.lock pyproject.toml | python
	$(PYTHON) -m venv --clear .venv
	$(RUN) $(LOCKED) requirements-dev.lock
	$(RUN) $(OURS) -e .
	$(RUN) $(PIP) check
	@touch $@

python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo 'kafka-meta needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv).' \
	'Install it, or name another one: make PYTHON=python3.12' >&2; exit 1; }
