# Two commands set up everything by themselves: `make scenarios` plays the catalogue, `make test` tests the harness.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=
# Toolchains that the machine lacks and PyPI has.
comma := ,
EXTRAS := dev$(comma)http$(if $(shell command -v go),,$(comma)go)$(if $(shell command -v node),,$(comma)node)

.PHONY: scenarios test lint bench clean setup

scenarios: setup
	$(VENV)/bin/pytest scenarios -n $(WORKERS) $(ARGS)

test: setup
	$(VENV)/bin/pytest tests -n $(WORKERS) $(ARGS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy harness/faultlab tests bench
	for driver in harness/faultlab/runtimes/*-*/*.py; do $(VENV)/bin/mypy --follow-imports silent $$driver || exit 1; done
	$(VENV)/bin/mypy scenarios

bench: setup
	$(VENV)/bin/python bench/plays.py

setup: $(VENV)/ready
	@command -v iptables-restore >/dev/null || test -x /usr/sbin/iptables-restore || $(MAKE) --no-print-directory iptables

iptables:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get install -y -q iptables || { apt-get update -q && apt-get install -y -q iptables; }; \
	else echo "iptables is missing: ask root for your distribution's package iptables" >&2; fi

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "faultlab needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	touch $@

clean:
	$(VENV)/bin/faultlab clean --drivers || true
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
