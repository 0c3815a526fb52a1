# Every target installs what it needs into .venv and reuses it until setup.cfg or pyproject.toml change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= runs/demo_train/data/eval.jsonl
MODEL ?= tiny
OUT ?= runs/eval-spatialsoundqa
TASK ?= eval/tasks/spatialsoundqa.yaml

# Nothing here may reach for a model hub: what runs, runs offline.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help install demo demo-train test test-full test-suites check bench eval-spatialsoundqa clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 22

install: $(STAMP)  ## make .venv with everything (about three minutes)

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python %d.%d found, 3.11 or newer needed: make PYTHON=python3.11 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing spatial-llm and what it needs into $(VENV) ..."
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(STAMP)

demo: install  ## ask the shipped model about three recordings, teach it a new kind of question (under 6 minutes on 2 cores)
	$(BIN)/python recipes/demo.py

demo-train: install  ## from scratch: simulate, train, evaluate and ask at tiny size (9 to 14 minutes on 2 cores)
	$(BIN)/python recipes/demo_train.py

# One process a core and one thread a process: two torch threads that wait for each other are slower than two processes.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

test: install  ## the fast tier, a process a core (about 6 minutes on 2 cores)
	$(TESTS) -m "not slow"

test-full: install  ## the fast tier and everything slow (about 20 minutes on 2 cores)
	$(TESTS)

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

check: install  ## ruff, direction of imports, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house_rules.py

bench: install  ## speed: ratios side by side (bench.json), scenes a second (bench_scenes.json), training (bench_training.json), scores (bench_scores.json), the first answer (bench_answer.json)
	$(BIN)/python eval/bench.py
	$(BIN)/python eval/bench_scenes.py
	$(BIN)/python eval/bench_training.py
	$(BIN)/python eval/bench_scores.py
	$(BIN)/python eval/bench_answer.py

eval-spatialsoundqa: install  ## predict, score, report: [MODEL=tiny or folder] [DATA=manifest or SpatialSoundQA folder] [OUT=folder] [TASK=yaml]
	@test -d "$(MODEL)" || test -d "spatial_llm/shipped/$(MODEL)" || { echo "MODEL=$(MODEL): no such folder, nor a shipped model"; exit 1; }
	@test -e "$(DATA)" || { test "$(origin DATA)" = file || { echo "DATA=$(DATA): no such file or folder"; exit 1; }; \
		echo "No questions yet: making those of make demo-train first (about a minute and a half)."; \
		$(BIN)/python recipes/demo_train.py --until data; }
	$(BIN)/python eval/predict.py --task "$(TASK)" --model "$(MODEL)" --data "$(DATA)" --out "$(OUT)"
	$(BIN)/python eval/score.py --task "$(TASK)" --predictions "$(OUT)/predictions.jsonl" --data "$(DATA)" --out "$(OUT)"
	$(BIN)/python eval/report.py --task "$(TASK)" --scores "$(OUT)" --data "$(DATA)" --out "$(OUT)/report"

clean:  ## remove what runs made, keep .venv
	rm -rf runs bench.json bench_scenes.json bench_training.json bench_scores.json bench_answer.json bench_gpu.json .pytest_cache .ruff_cache .import_linter_cache .hypothesis
