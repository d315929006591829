# `make up` runs the whole system on this machine; `make test` proves it. `make help` lists the rest.

DEPLOYMENT ?= local
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
TRAINING := .venv-training
SITE := .venv-site
LOG := .build/setup.log
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Compiled modules are kept, also where a container's image says otherwise: without them each start
# of the CDK takes four seconds more.
unexport PYTHONDONTWRITEBYTECODE
# Questions and paths reach the shell through the environment, so that any character is safe.
export Q FILE ID NAME DEPLOYMENT

python := $(VENV)/bin/python
# One rule for all targets: `local` and the examples live in the embedded AWS, which `make up`
# starts; any other is in your account. WHERE=account or WHERE=here says otherwise.
WHERE ?= $(if $(filter local examples/%,$(DEPLOYMENT)),here,account)
against := $(if $(filter here,$(WHERE)),$(python) -m local exec --)
ifeq ($(filter here account,$(WHERE)),)
$(error WHERE is here (the embedded AWS) or account (yours), not $(WHERE))
endif
fast = $(python) -m pytest tests/infrastructure tests/unit --numprocesses auto --no-loadscope-reorder
file = deployments/$(DEPLOYMENT).yaml

.PHONY: help setup up new demo-month ask add documents down status clean test test-fast test-training chaos lint bench synth deploy verify destroy lock refresh record review sbom site upgrade

help: ## List all commands.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Build .venv from pinned versions with hashes.

$(READY): requirements/uv.txt requirements/dev.txt requirements/models.txt package-lock.json $(wildcard lambdas/*/requirements*.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python lacks its venv module; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Setting up; the first time this downloads about 590 MB." && began=$$SECONDS && \
	  mkdir -p .build && { \
	  { [ -x $(python) ] || $(PYTHON) -m venv $(VENV); } && \
	  $(python) -m pip install --quiet --retries 1 --disable-pip-version-check --require-hashes -r requirements/uv.txt && \
	  $(python) -m uv pip sync --quiet --require-hashes requirements/dev.txt requirements/models.txt && \
	  npm ci --silent --no-audit --no-fund && \
	  echo "$(CURDIR)" > "$$($(python) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/repository.pth" && \
	  $(python) -c 'from stacks.functions.bundle import bundle; bundle("operations"); bundle("rag"); bundle("rag", "requirements-ingest")' && \
	  touch $@; } >$(LOG) 2>&1 || { $(PYTHON) requirements/reason.py $(LOG); exit 1; } && \
	  echo "set up in $$((SECONDS - began)) s"

up: setup ## Run the system on this machine (DEPLOYMENT=local or examples/...): deploy, add documents, ask.
	@$(python) -m local up --deployment $(DEPLOYMENT)

new: setup ## Make a deployment file, asking what it needs: make new NAME=...
	@[ -n "$$NAME" ] || { echo 'usage: make new NAME=dev, or make new NAME=dev ARGS="--region eu-north-1 --yes"'; exit 2; }
	@$(python) -m sustainability new "$$NAME" $(ARGS)

demo-month: setup ## Replay a month of traffic into the embedded AWS, so that reports have content.
	@$(python) -m local month --deployment $(DEPLOYMENT)

ask: setup ## Ask a question: make ask Q="..."; or fetch a later answer: make ask ID=...
	@[ -n "$$Q$$ID" ] || { echo 'usage: make ask Q="your question", or make ask ID=...'; exit 2; }
	@$(against) $(python) -m sustainability ask $(file) $${ID:+--id "$$ID"} $${Q:+"$$Q"}

add: setup ## Add a document or a folder: make add FILE=...
	@[ -n "$$FILE" ] || { echo 'usage: make add FILE=path/to/document.md'; exit 2; }
	@$(against) $(python) -m sustainability add $(file) "$$FILE"

documents: setup ## List the documents with their state.
	@$(against) $(python) -m sustainability documents $(file)

down: setup ## Stop the embedded AWS; its data is kept.
	@$(python) -m local down

status: setup ## Show what runs on this machine, and how many model copies run.
	@$(python) -m local status

clean: ## Stop everything, and delete all data of this folder; EVERYWHERE=1 also what clones share.
	@if [ -x $(python) ]; then $(python) -m local clean; fi
	@$(if $(EVERYWHERE),rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/sustainable-genai")
	@rm -rf $(VENV) $(TRAINING) $(SITE) .site handbook/node_modules node_modules .local .build sbom cdk.out .model-choice .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -r {} +

test: lint ## Run every check: style, types, unit, infrastructure and end-to-end tests.
	@$(fast) && $(python) -m pytest tests/e2e

test-fast: setup ## Run unit and infrastructure tests, without the embedded AWS.
	@$(fast)

test-training: setup $(TRAINING)/.ready ## Train, judge, convert and serve a small model on this machine.
	@$(python) -m pytest tests/training --durations 8

$(TRAINING)/.ready: requirements/training.txt requirements/pipeline.txt
	@echo "Setting up $(TRAINING); the first time this downloads about 2.5 GB, and fills 5 GB." && \
	  began=$$SECONDS && { [ -x $(TRAINING)/bin/python ] || $(PYTHON) -m venv $(TRAINING); } && \
	  $(python) -m uv pip sync --quiet --require-hashes --python $(TRAINING) $^ && \
	  touch $@ && echo "set up in $$((SECONDS - began)) s"

chaos: setup ## Break the embedded AWS on purpose, and print what became of it; at most 30 minutes.
	@PYTHONPATH=.:lambdas $(python) -m tests.chaos $(if $(ONLY),--only "$(ONLY)")

lint: setup ## Check style, types, docstrings, the directions of imports, prompts, and the workflows.
	@ruff check . && ruff format --check . && mypy
	@PYTHONPATH=.:lambdas lint-imports --no-logo
	@$(python) -m sustainability.decide.model_choice.prompt_faults prompts/*.yaml
	@if command -v go > /dev/null; then go -C .github/actionlint tool actionlint; \
	  else echo "The workflows were not checked: actionlint needs Go."; fi

bench: setup ## Measure this machine, and print tables.
	@$(python) -m benchmarks

synth: setup ## Write the CloudFormation templates of DEPLOYMENT to cdk.out.
	@node_modules/.bin/cdk synth --quiet --no-notices --context deployment=$(DEPLOYMENT)

deploy: setup ## Deploy DEPLOYMENT, after looking what is missing and showing what changes.
	@$(against) $(python) -m sustainability deploy $(file)

verify: setup ## Use DEPLOYMENT once, and say what it does.
	@$(against) $(python) -m sustainability verify $(file)

destroy: setup ## Take DEPLOYMENT away again, and say what is kept; EVERYTHING=1 takes that too.
	@$(against) $(python) -m sustainability destroy $(file) $(if $(EVERYTHING),--everything)

sbom: setup .build/sbom/.ready ## Write what each part is made of, as CycloneDX: sbom/*.json.
	@rm -rf sbom && mkdir sbom && \
	  list() { .build/sbom/bin/cyclonedx-py requirements "$$1" --output-reproducible --no-validate -o "sbom/$$2.json" 2>&1 | { grep -v "Validation skipped" || true; }; } && \
	  for lock in lambdas/*/requirements*.txt; do \
	    part=$${lock#lambdas/} && part=$${part%.txt} && list $$lock function-$${part/\/requirements/}; \
	  done && \
	  list requirements/dev.txt development && list requirements/models.txt local-models && \
	  npm sbom --sbom-format cyclonedx --package-lock-only --loglevel error > sbom/cdk-cli.json && ls sbom/*

.build/sbom/.ready: requirements/sbom.txt
	@$(python) -m uv venv --quiet --clear .build/sbom && \
	  $(python) -m uv pip sync --quiet --require-hashes --python .build/sbom $< && touch $@

refresh: setup ## Renew the facts that packages carry, pin the base image, list facts older than two years.
	@$(python) -m cfn_sustainability.refresh
	@$(python) -m sustainability.facts.refresh || true
	@$(python) -m sustainability.operate.base_images || true
	@$(python) -m sustainability.facts.age

site: setup $(SITE)/.ready ## Build the documentation as a site, in .site/html, with strict links.
	@$(python) -m handbook .site && NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict --config-file .site/mkdocs.yml
	@echo "Open .site/html/index.html"

$(SITE)/.ready: requirements/site.txt handbook/package-lock.json
	@[ -x $(SITE)/bin/python ] || $(PYTHON) -m venv $(SITE)
	@$(python) -m uv pip sync --quiet --require-hashes --python $(SITE) requirements/site.txt && \
	  npm ci --prefix handbook --silent --no-audit --no-fund && touch $@

record: setup ## Record the templates again, after an intended change.
	@$(python) -m pytest tests/infrastructure -q -k recorded --snapshot-update

review: setup ## Show what your change does to infrastructure and footprint: make review AGAINST=main
	@$(python) -m sustainability review --against "$(or $(AGAINST),main)"

upgrade: setup ## Bring your fork to a newer version of the template: make upgrade FROM=its-URL
	@$(python) -m sustainability upgrade $(if $(FROM),"$(FROM)") $(if $(TO),--to "$(TO)")

lock: setup ## Resolve all Python dependencies again, within the limits of the .in files; UPGRADE=1 takes newer ones.
	@compile() { uv pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --generate-hashes --python-version 3.11 "$$@"; } && \
	  compile requirements/uv.in -o requirements/uv.txt && \
	  compile requirements/dev.in -o requirements/dev.txt && \
	  compile requirements/app.in -c requirements/dev.txt -o requirements.txt && \
	  compile --no-emit-package triton requirements/pipeline.in -o requirements/pipeline.txt && \
	  compile --no-emit-package triton requirements/training.in -c requirements/pipeline.txt \
	    -o requirements/training.txt && \
	  compile --no-deps requirements/trainium.in -o requirements/trainium.txt && \
	  compile requirements/sbom.in -o requirements/sbom.txt && \
	  compile --no-deps requirements/models.in -o requirements/models.txt && \
	  compile requirements/opensearch.in -o requirements/opensearch.txt && \
	  compile requirements/site.in -o requirements/site.txt && \
	  for lock in operations/requirements rag/requirements rag/requirements-ingest; do \
	    compile lambdas/$$lock.in -c requirements/dev.txt -o lambdas/$$lock.txt; \
	  done
