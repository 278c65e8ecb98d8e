# Each target prepares what it needs on a machine that has Python, a JDK and Maven.

PYTHON ?= python3
JAVA = $(if $(JAVA_HOME),$(JAVA_HOME)/bin/java,java)
RUN = .venv/bin/python
INSTALL = -m pip install --quiet --disable-pip-version-check
PYTEST = $(RUN) -m pytest --cov --cov-report=term:skip-covered

.PHONY: help demo test test-long check bench dist clean python java brokers

help:
	@echo 'make demo       two real clusters on this machine, the whole journey'
	@echo 'make test       the tests, with branch coverage (at most 10 minutes)'
	@echo 'make test-long  kills, version matrices, large inputs (at most 45 minutes)'
	@echo 'make check      lint, types, the import rule'
	@echo 'make bench      figures, beside those of the official tools'
	@echo 'make dist       the wheel, tried in an empty environment'

demo: brokers
	$(RUN) -m kafka_meta demo

test: brokers
	$(RUN) -m coverage erase
	$(PYTEST) -m "not long"

test-long: brokers
	$(RUN) -m coverage erase
	$(PYTEST) -m long

check: .venv/ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(RUN) -m pytest -q tests/test_house.py

bench: brokers
	$(RUN) -m tests.benchmarks

# The wheel and its locked dependencies in an environment that knows nothing of this folder.
dist: .venv/ready
	rm -rf dist
	$(RUN) -m hatchling build -t wheel -d dist
	@set -e; empty=$$(mktemp -d); trap 'rm -rf "$$empty"' EXIT; \
	$(PYTHON) -m venv "$$empty/venv"; \
	"$$empty/venv/bin/python" $(INSTALL) --require-hashes -r requirements.lock; \
	"$$empty/venv/bin/python" $(INSTALL) --no-deps dist/*.whl; \
	cd "$$empty"; \
	venv/bin/kafka-meta --version; \
	venv/bin/python -c 'from importlib.resources import files; \
	here = files("kafka_meta"); names = sorted(f.name for f in (here / "schemas").iterdir()); \
	assert names and (here / "playground" / "pom.xml").is_file(); print("with", *names)'

clean:
	rm -rf .venv dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The brokers of the usual pair, made ready once in the user's cache folder; tests fetch further versions themselves.
brokers: java .venv/ready
	@$(RUN) -c 'from kafka_meta import playground; playground.prepare("3.9.1"); playground.prepare("4.3.1")'

.venv/ready: requirements-dev.lock pyproject.toml | python
	$(PYTHON) -m venv --clear .venv
	$(RUN) $(INSTALL) --require-hashes -r requirements-dev.lock
	$(RUN) $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo 'kafka-meta needs Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv).' \
	'Install it, or name another one: make PYTHON=python3.12' >&2; exit 1; }

java:
	@version=$$($(JAVA) -version 2>&1 | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p'); \
	[ "$${version:-0}" -ge 17 ] || { \
	echo 'The brokers need a JDK 17 or newer (Debian, Ubuntu: apt install openjdk-17-jdk-headless).' \
	'Install one, or let JAVA_HOME name it.' >&2; exit 1; }
	@command -v mvn >/dev/null || { \
	echo 'Maven fetches the brokers. Install it (Debian, Ubuntu: apt install maven).' >&2; exit 1; }
