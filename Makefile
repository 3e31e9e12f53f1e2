# Everything runs in a virtual environment of its own, .venv; only Python 3 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: tour test lint types oracle bench stubs clean

tour: $(VENV)/installed
	$(BIN)/wengert tour

test: $(VENV)/test
	$(BIN)/python -m pytest -n auto -q

lint: $(VENV)/lint
	$(BIN)/ruff check src tests benchmarks tools examples
	$(BIN)/python tools/stubs.py --check

types: $(VENV)/lint
	$(BIN)/mypy

oracle: $(VENV)/oracle  # compare with an installed PyTorch
	$(BIN)/python -m pytest -n auto -q -m torch

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

stubs: $(VENV)/installed
	$(BIN)/python tools/stubs.py

clean:
	rm -rf $(VENV) wengert-report

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@

$(VENV)/lint: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[lint]"
	touch $@

$(VENV)/oracle: $(VENV)/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[oracle]"
	touch $@
