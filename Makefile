PYTHON ?= python3
VENV := .venv
# Of MONAI Label, whose dependencies are not those of this bundle.
LABEL_VENV ?= .venv-monailabel
# Present when the environment holds what the requirements files name.
INSTALLED := $(VENV)/installed
BUNDLE_RUN := $(VENV)/bin/python -m monai.bundle run --config_file

# Which cohort of configs/simulate.json is simulated, harmonized and judged, and which tables are made of it.
COHORT ?= demo
# Whether its images are as after N4, as those of a study would be; else scanners' gains dominate every difference.
CORRECT_BIAS ?= true
TABLES ?= ['images', 'regions']
METHODS ?= haca3plus mean_std white_stripe nyul spectrum_swap
# What images are compared with: the first visit's scan, or, with `clean`, the truth without noise.
TRUTH ?= scan
# Which visits are harmonized; all where empty. The first ones are what the others are compared with.
SESSION ?=
# More options of configs/simulate.json, such as SIMULATE="--subjects 5".
SIMULATE ?=
OUTPUT := output/$(COHORT)
SIMULATED := $(OUTPUT)/cohort/dataset_description.json
HARMONIZATIONS := $(METHODS:%=harmonize_%)

# The cohorts and methods of `make benchmark`.
BENCHMARK_COHORTS ?= treat masivar fthp
BENCHMARK_METHODS ?= haca3plus haca3plus_all_detail haca3 mean_std white_stripe nyul spectrum_swap

.PHONY: demo evaluation benchmark weights weights-haca3 test test-slow bench lint audit monailabel release $(HARMONIZATIONS)

# The main job on the embedded default. Volumes of regions say little of two people, and first visits are as they should be.
demo: TABLES = ['images']
demo: SESSION = 02
demo: evaluation
	@cat $(OUTPUT)/evaluation/tables/images.md
	@echo "The picture is $(OUTPUT)/evaluation/figures/examples.png; more tables and figures lie beside it."

# Simulate traveling subjects, harmonize them with each method, judge.
evaluation: $(HARMONIZATIONS)
	@echo; echo "Judging the results."
	$(BUNDLE_RUN) configs/evaluate.json --cohort_dir $(OUTPUT)/cohort --output_dir $(OUTPUT)/evaluation \
		--truth $(TRUTH) --tables "$(TABLES)" --methods "{$(foreach method,$(METHODS),'$(method)': '$(OUTPUT)/$(method)', )}"

# HACA3+, the default, has no config of its own.
$(HARMONIZATIONS): METHOD_CONFIG = $(wildcard $(@:harmonize_%=configs/method_%.json))
$(HARMONIZATIONS): harmonize_%: $(SIMULATED)
	@echo; echo "Harmonizing by $*."
	$(BUNDLE_RUN) "['configs/inference.json'$(METHOD_CONFIG:%=, '%')]" \
		--dataset_dir $(OUTPUT)/cohort --output_dir $(OUTPUT)/$* $(if $(SESSION),--session_label $(SESSION))

$(SIMULATED): | $(INSTALLED)
	@echo; echo "Simulating people. The demo has two on two scanners and takes about four minutes from here on two cores."
	$(BUNDLE_RUN) configs/simulate.json --cohort $(COHORT) --correct_bias $(CORRECT_BIAS) --output_dir $(OUTPUT)/cohort \
		$(if $(filter clean,$(TRUTH)),--clean_truth true) $(SIMULATE)

# Tables and a figure of several cohorts. What is there already is not made again, so that it can go on over days.
benchmark: $(BENCHMARK_COHORTS:%=output/%/evaluation/evaluation.json)
	$(VENV)/bin/python -m scripts.bench.benchmark --figure output/benchmark.png \
		--evaluations $(foreach cohort,$(BENCHMARK_COHORTS),$(cohort)=output/$(cohort)/evaluation)

output/%/evaluation/evaluation.json:
	$(MAKE) evaluation COHORT=$* TRUTH=clean METHODS="$(BENCHMARK_METHODS)"

# The weights that ship, from nothing, on two CPU cores: about eight hours. Needs Colin27 (docs/training.md).
weights: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BUNDLE_RUN) configs/make_library.json
	OMP_NUM_THREADS=1 $(BUNDLE_RUN) "['configs/train.json', 'configs/train_haca3plus_score.json']" --workers 1
	OMP_NUM_THREADS=1 $(BUNDLE_RUN) configs/train.json --workers 1 \
		--initial_weights output/training/haca3plus_score/model.pt
	$(BUNDLE_RUN) configs/release_weights.json
	$(BUNDLE_RUN) configs/simulate.json --cohort targets --correct_bias true --output_dir output/targets
	$(BUNDLE_RUN) "['configs/inference.json', 'configs/name_targets.json']" --dataset_dir output/targets --heads '$$False'
	$(BUNDLE_RUN) configs/simulate.json --cohort targets --designs#targets#head_share 1.0 --correct_bias true \
		--output_dir output/targets_heads
	$(BUNDLE_RUN) "['configs/inference.json', 'configs/name_targets.json']" --dataset_dir output/targets_heads --suffix _head --heads '$$True'

# HACA3's, which configs/method_haca3.json uses: about four hours. First brains alone, then heads among them.
weights-haca3: TRAIN := OMP_NUM_THREADS=1 $(VENV)/bin/torchrun --nproc_per_node 2 -m monai.bundle run --precision bf16 --config_file
weights-haca3: HACA3 := 'configs/train.json', 'configs/train_scans.json', 'configs/train_haca3.json'
weights-haca3: NAME_TARGETS := "['configs/inference.json', 'configs/method_haca3.json', 'configs/name_targets.json']" \
		--named_targets_maker\#file models/haca3_targets.json
weights-haca3: $(INSTALLED)
	$(TRAIN) "[$(HACA3), 'configs/train_artifact.json', 'configs/multi_gpu_train.json']" \
		--head_share 0 --epochs 6 --steps 300 --batch_size 12
	$(TRAIN) "[$(HACA3), 'configs/train_artifact.json', 'configs/multi_gpu_train.json']" \
		--artifact_weights output/training/artifact/artifact.pt --output_dir output/training/artifact_heads \
		--epochs 2 --steps 250 --batch_size 12 --learning_rate 0.001
	$(TRAIN) "[$(HACA3), 'configs/multi_gpu_train.json']" \
		--artifact_weights output/training/artifact/artifact.pt \
		--head_share 0 --epochs 15 --steps 320 --batch_size 4 --validate#steps 12
	$(TRAIN) "[$(HACA3), 'configs/multi_gpu_train.json']" \
		--artifact_weights output/training/artifact_heads/artifact.pt \
		--initial_weights output/training/harmonizer/model.pt --output_dir output/training/harmonizer_heads \
		--epochs 9 --steps 320 --batch_size 4 --validate#steps 12 --learning_rate 0.0008
	$(BUNDLE_RUN) "[$(HACA3), 'configs/train_fusion.json']" \
		--initial_weights output/training/harmonizer_heads/model.pt \
		--precision bf16 --people 8 --patches 96 --epochs 5 --validate#steps 4
	$(BUNDLE_RUN) configs/release_weights.json --trainings "{'haca3_artifact.pt': 'output/training/artifact_heads/artifact.pt', \
		'haca3_model.pt': 'output/training/harmonizer_heads/model.pt', 'haca3_fusion.pt': 'output/training/fusion/fusion.pt'}"
	$(BUNDLE_RUN) configs/simulate.json --cohort targets --correct_bias true --output_dir output/targets
	$(BUNDLE_RUN) $(NAME_TARGETS) --dataset_dir output/targets --heads '$$False'
	$(BUNDLE_RUN) configs/simulate.json --cohort targets --designs#targets#head_share 1.0 --correct_bias true \
		--output_dir output/targets_heads
	$(BUNDLE_RUN) $(NAME_TARGETS) --dataset_dir output/targets_heads --suffix _head --heads '$$True'

# The gate: formatter, linter, types, tests. Two processes of a thread each: two of all threads get in each other's way.
test: lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2

# The tests that take minutes, some of which `make test` runs a small sample of.
test-slow: $(INSTALLED)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 -m slow

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy scripts

bench: $(INSTALLED)
	$(VENV)/bin/python -m scripts.bench.simulation
	$(VENV)/bin/python -m scripts.bench.preparation
	$(VENV)/bin/python -m scripts.bench.performance
	$(VENV)/bin/python -m scripts.bench.precision
	$(VENV)/bin/python -m scripts.bench.export
	$(VENV)/bin/python -m scripts.bench.scaling
	$(VENV)/bin/python -m scripts.bench.waiting
	$(VENV)/bin/python -m scripts.bench.gpu

# Whether a vulnerability is known of any package that is installed here; asks PyPI, and fails where that does not answer.
audit: $(INSTALLED)
	$(VENV)/bin/python -m pip_audit --strict

# The zip for the Model Zoo.
release: $(INSTALLED)
	$(BUNDLE_RUN) configs/release_bundle.json

# The environment of docs/deploy.md.
monailabel: $(LABEL_VENV)/installed

$(LABEL_VENV)/installed: environments/monailabel.txt
	$(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r environments/monailabel.txt
	$(LABEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps monailabel==0.8.5
	touch $@

$(INSTALLED): $(wildcard requirements*.txt)
	@echo "Installing the packages into $(VENV), which takes one to two minutes."
	$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Python 3.11 or newer is needed, for instance: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
