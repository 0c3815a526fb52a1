# Every target installs what it needs into .venv and reuses it until setup.cfg, setup.py, pyproject.toml or requirements.lock change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
DATA ?= runs/demo_train/data/eval.jsonl
MODEL ?= tiny
OUT ?= runs/eval-spatialsoundqa
TASK ?= eval/tasks/spatialsoundqa.yaml

# The environment holds the versions of requirements.lock, or with NEWEST=1 the newest that setup.cfg allows. The stamp says
# which; a plain `make` keeps what is there, NEWEST=0 goes back to the lock.
INSTALLED := $(shell cat $(STAMP) 2>/dev/null)
NEWEST ?= $(if $(filter newest,$(INSTALLED)),1,0)
VERSIONS := $(if $(filter 1,$(NEWEST)),newest,locked)
CONSTRAINTS := $(if $(filter locked,$(VERSIONS)),--constraint requirements.lock --build-constraint requirements.lock,--upgrade --upgrade-strategy eager)
TESTED_PYTHON := import sys; sys.exit("Python %d.%d found, 3.11 to 3.13 needed: make PYTHON=python3.11 ..." % sys.version_info[:2] \
	if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)

# setuptools warns of every editable installation, which is what is wanted here; errors are still shown.
PIP_INSTALL := -m pip install --quiet
EDITABLE := --editable '.[dev]'
NO_WARNINGS := PYTHONWARNINGS=ignore::UserWarning

# Nothing here may reach for a model hub: what runs, runs offline.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help install lock demo demo-train notebooks test test-full page-pictures test-suites test-oldest check bench eval-spatialsoundqa clean FORCE

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 22

install: $(STAMP)  ## make .venv with everything (about three minutes) in the versions of requirements.lock; NEWEST=1: in the newest

$(STAMP): setup.cfg setup.py pyproject.toml requirements.lock $(if $(filter-out $(VERSIONS),$(INSTALLED)),FORCE)
	@$(PYTHON) -c '$(TESTED_PYTHON)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing spatial-llm and what it needs into $(VENV), versions: $(VERSIONS) ..."
	@$(BIN)/python $(PIP_INSTALL) $(if $(filter locked,$(VERSIONS)),--constraint requirements.lock) --upgrade pip setuptools
	@$(NO_WARNINGS) $(BIN)/python $(PIP_INSTALL) $(CONSTRAINTS) $(EDITABLE)
	@echo $(VERSIONS) > $(STAMP)

# Not after install, which fails where the lock no longer fits setup.cfg: that is when a new one is wanted.
lock:  ## write requirements.lock anew from setup.cfg: versions that still fit stay; UPGRADE=1: the newest
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python $(PIP_INSTALL) uv
	@$(BIN)/uv pip compile setup.cfg --extra dev --universal --fork-strategy fewest --python-version 3.11 --quiet $(if $(filter 1,$(UPGRADE)),--upgrade) \
		--custom-compile-command "make lock" --output-file requirements.lock
	@echo "Written: requirements.lock"

demo: install  ## ask the shipped model about three recordings, teach it a new kind of question (under 6 minutes on 2 cores)
	$(BIN)/python recipes/demo.py

demo-train: install  ## from scratch: simulate, train, evaluate and ask at tiny size (9 to 14 minutes on 2 cores)
	$(BIN)/python recipes/demo_train.py

# With one thread: sums of several threads differ from machine to machine, and answers with them.
notebooks: install  ## write recipes/tutorials/*.ipynb with their outputs from the .py beside them (about twenty minutes)
	OMP_NUM_THREADS=1 $(BIN)/python recipes/write_notebooks.py

# One process a core and one thread a process: two torch threads that wait for each other are slower than two processes.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

test: install  ## the fast tier, a process a core (about 10 minutes on 2 cores)
	$(TESTS) -m "not slow"

test-full: install  ## the fast tier and everything slow, 10 minutes for each of three fuzzers among it (about 80 minutes on 2 cores)
	FUZZ_MINUTES=$${FUZZ_MINUTES:-10} $(TESTS)

page-pictures: install  ## write the pictures of the page in docs/ anew (needs Chromium; about a minute)
	PAGE_PICTURES=docs OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/page/test_pictures.py

test-oldest: install  ## the fast tier on the oldest versions that setup.cfg allows, in .venv-oldest
	@mkdir -p .cache
	@$(BIN)/uv pip compile setup.cfg --extra dev --resolution lowest-direct --upgrade --python $(BIN)/python --quiet --no-header \
		--output-file .cache/oldest.txt
	@test -x $(OLDEST)/bin/python || $(BIN)/python -m venv $(OLDEST)
	@echo "Installing the oldest versions that setup.cfg allows into $(OLDEST) ..."
	@$(OLDEST)/bin/python $(PIP_INSTALL) --constraint .cache/oldest.txt --upgrade pip setuptools
	@$(NO_WARNINGS) $(OLDEST)/bin/python $(PIP_INSTALL) --constraint .cache/oldest.txt --build-constraint .cache/oldest.txt $(EDITABLE)
	$(subst $(BIN),$(OLDEST)/bin,$(TESTS)) -m "not slow"

test-suites: install  ## transformers' common suites on our classes (fetches its source distribution once; about 2 minutes)
	@set -e; version=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("transformers"))'); \
	name=transformers-$$version; \
	if test ! -d ".cache/$$name/tests"; then \
		echo "Fetching the source distribution of transformers $$version into .cache ..."; \
		rm -rf .cache/fetched; mkdir -p .cache/fetched; \
		$(BIN)/python -m pip download --quiet --no-deps --no-binary transformers --dest .cache/fetched "transformers==$$version"; \
		tar -xzf ".cache/fetched/$$name.tar.gz" -C .cache/fetched "$$name/tests"; \
		rm -rf ".cache/$$name"; mv ".cache/fetched/$$name" .cache; rm -r .cache/fetched; \
	fi
	$(BIN)/python -m pytest tests/common_suites

check: install  ## ruff, direction of imports, house rules, requirements.lock against setup.cfg
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house_rules.py tests/test_requirements_lock.py

bench: install  ## speed: ratios side by side (bench.json), scenes a second (bench_scenes.json), training (bench_training.json), scores (bench_scores.json), the first answer (bench_answer.json), ten questions (bench_listen.json), manifests, dry sounds, many answers (bench_reading.json), fusions (bench_fusion.json), cues of the sound field (bench_field.json), a server (bench_serve.json)
	$(BIN)/python eval/bench.py
	$(BIN)/python eval/bench_scenes.py
	$(BIN)/python eval/bench_training.py
	$(BIN)/python eval/bench_scores.py
	$(BIN)/python eval/bench_answer.py
	$(BIN)/python eval/bench_listen.py
	$(BIN)/python eval/bench_reading.py
	$(BIN)/python eval/bench_fusion.py
	$(BIN)/python eval/bench_field.py
	$(BIN)/python eval/bench_serve.py

eval-spatialsoundqa: install  ## predict, score, report: [MODEL=tiny or folder] [DATA=manifest or SpatialSoundQA folder] [OUT=folder] [TASK=yaml]
	@test -d "$(MODEL)" || test -d "spatial_llm/shipped/$(MODEL)" || { echo "MODEL=$(MODEL): no such folder, nor a shipped model"; exit 1; }
	@test -e "$(DATA)" || { test "$(origin DATA)" = file || { echo "DATA=$(DATA): no such file or folder"; exit 1; }; \
		echo "No questions yet: making those of make demo-train first (about a minute and a half)."; \
		$(BIN)/python recipes/demo_train.py --until data; }
	$(BIN)/python eval/predict.py --task "$(TASK)" --model "$(MODEL)" --data "$(DATA)" --out "$(OUT)"
	$(BIN)/python eval/score.py --task "$(TASK)" --predictions "$(OUT)/predictions.jsonl" --data "$(DATA)" --out "$(OUT)"
	$(BIN)/python eval/report.py --task "$(TASK)" --scores "$(OUT)" --data "$(DATA)" --out "$(OUT)/report"

clean:  ## remove what runs made, keep .venv
	rm -rf runs bench.json bench_scenes.json bench_training.json bench_scores.json bench_answer.json bench_listen.json bench_reading.json bench_fusion.json bench_field.json bench_serve.json bench_gpu.json .pytest_cache .ruff_cache .import_linter_cache .hypothesis
