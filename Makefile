# The tasks are in tasks.py, which also works where there is no make: `python tasks.py demo`.
PYTHON ?= $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
TASK = @"$(or $(PYTHON),$(error newmodel needs Python 3.10 or newer; none was found))" tasks.py

.PHONY: help demo test test-fast lint docs soak release

help: ## this list
	$(TASK) --help

demo: ## newmodel from this checkout: a project, trained, fine-tuned, compared
	$(TASK) demo

test: ## every test
	$(TASK) test

test-fast: ## the tests that need no framework and no minutes
	$(TASK) test-fast

lint: ## style and types
	$(TASK) lint

docs: ## the documentation, into site/
	$(TASK) docs

soak: ## random projects updated end to end: make soak, make soak CASES=200
	$(TASK) soak $(CASES)

release: ## a template version: make release VERSION=0.3.0
	$(TASK) release $(VERSION)
