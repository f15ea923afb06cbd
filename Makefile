PYTHON ?= python3
VENV := .venv
# Present when the environment holds what the requirements files name.
INSTALLED := $(VENV)/installed
BUNDLE_RUN := $(VENV)/bin/python -m monai.bundle run --config_file

DEMO := output/demo
COHORT := $(DEMO)/cohort/dataset_description.json
METHODS := mean_std white_stripe nyul spectrum_swap
HARMONIZATIONS := $(METHODS:%=harmonize_%)

.PHONY: demo test bench lint $(HARMONIZATIONS)

# Simulate traveling subjects, harmonize them with each baseline, judge.
demo: $(HARMONIZATIONS)
	$(BUNDLE_RUN) configs/evaluate.json --cohort_dir $(DEMO)/cohort --output_dir $(DEMO)/evaluation \
		--methods "{$(foreach method,$(METHODS),'$(method)': '$(DEMO)/$(method)', )}"
	@cat $(DEMO)/evaluation/tables/*.md
	@echo "Figures: $(DEMO)/evaluation/figures"

$(HARMONIZATIONS): harmonize_%: $(COHORT)
	$(BUNDLE_RUN) "['configs/inference.json', 'configs/method_$*.json']" \
		--cohort_dir $(DEMO)/cohort --output_dir $(DEMO)/$*

$(COHORT): | $(INSTALLED)
	$(BUNDLE_RUN) configs/simulate.json --cohort demo --output_dir $(DEMO)/cohort

# The gate: formatter, linter, types, tests.
test: lint
	$(VENV)/bin/python -m pytest -n 2

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy scripts

bench: $(INSTALLED)
	$(VENV)/bin/python -m scripts.bench

$(INSTALLED): $(wildcard requirements*.txt)
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Python 3.11 or newer is needed, for instance: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
