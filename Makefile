# Each target does its own set-up: scripts/setup installs what is missing and is quick when nothing is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench fmt clean
PYTHON_HERE := .venv/bin/python

help: ## print these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## install what the tests and checks need, and nothing else
	@scripts/setup test

demo: ## watch a base image move and the images on it follow
	@scripts/setup demo
	@$(PYTHON_HERE) scripts/demo.py $(ARGS)

test: ## run every test; ARGS="-k word" goes to pytest
	@scripts/setup test
	@$(PYTHON_HERE) -m pytest $(ARGS)

check: ## lint, formatting, types, and the rules on architecture and docs
	@scripts/setup test
	@$(PYTHON_HERE) -m ruff check .
	@$(PYTHON_HERE) -m ruff format --check .
	@$(PYTHON_HERE) -m mypy
	@$(PYTHON_HERE) -m pytest -q tests/test_architecture.py tests/test_docs.py

bench: ## measure, each figure against its peer in the same run
	@scripts/setup bench
	@$(PYTHON_HERE) -m bench $(ARGS)

fmt: ## format and mend what ruff can mend
	@scripts/setup test
	@$(PYTHON_HERE) -m ruff check --fix .
	@$(PYTHON_HERE) -m ruff format .

clean: ## remove the virtual environment and everything else that is generated
	@rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
