PYTHON ?= python3
VENV := .venv
# Present when the environment holds what the requirements files name.
INSTALLED := $(VENV)/installed
BUNDLE_RUN := $(VENV)/bin/python -m monai.bundle run --config_file

# Which cohort of configs/simulate.json is simulated, harmonized and judged, and which tables are made of it.
COHORT ?= demo
TABLES ?= ['images', 'regions']
METHODS := mean_std white_stripe nyul spectrum_swap
OUTPUT := output/$(COHORT)
SIMULATED := $(OUTPUT)/cohort/dataset_description.json
HARMONIZATIONS := $(METHODS:%=harmonize_%)

.PHONY: demo evaluation test bench lint $(HARMONIZATIONS)

# The main job on the embedded default.
demo: evaluation
	@cat $(OUTPUT)/evaluation/tables/images.md
	@echo "Tables and figures: $(OUTPUT)/evaluation"

# Simulate traveling subjects, harmonize them with each baseline, judge.
evaluation: $(HARMONIZATIONS)
	$(BUNDLE_RUN) configs/evaluate.json --cohort_dir $(OUTPUT)/cohort --output_dir $(OUTPUT)/evaluation \
		--tables "$(TABLES)" --methods "{$(foreach method,$(METHODS),'$(method)': '$(OUTPUT)/$(method)', )}"

$(HARMONIZATIONS): harmonize_%: $(SIMULATED)
	$(BUNDLE_RUN) "['configs/inference.json', 'configs/method_$*.json']" \
		--dataset_dir $(OUTPUT)/cohort --output_dir $(OUTPUT)/$*

$(SIMULATED): | $(INSTALLED)
	$(BUNDLE_RUN) configs/simulate.json --cohort $(COHORT) --output_dir $(OUTPUT)/cohort

# The gate: formatter, linter, types, tests.
test: lint
	$(VENV)/bin/python -m pytest -n 2

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy scripts

bench: $(INSTALLED)
	$(VENV)/bin/python -m scripts.bench.simulation
	$(VENV)/bin/python -m scripts.bench.performance

$(INSTALLED): $(wildcard requirements*.txt)
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Python 3.11 or newer is needed, for instance: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
