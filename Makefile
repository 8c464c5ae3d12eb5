PYTHON = .venv/bin/python
.DEFAULT_GOAL = help
.PHONY: help install app test check docs pictures

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: ## make .venv with everything that tests and docs need
	python3 -m venv .venv
	.venv/bin/pip install -r requirements.txt -e '.[test,docs]'

app: ## start the page
	$(PYTHON) app.py

test: ## run all tests
	$(PYTHON) -m pytest

check: ## format, lint, types of Python and JavaScript, workflow
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	tsc --project tsconfig.json
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

docs: ## build the documentation site into site/
	.venv/bin/zensical build --clean --strict

pictures: ## make the pictures of README and docs anew
	$(PYTHON) -m scripts.pictures
