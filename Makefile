# The pipeline: from a data set to a report, a file per stage. Settings: pipeline/$(EXPERIMENT).mk,
# or on the command line, as in `make masks SPARSITY=0.95`.

EXPERIMENT ?= scenes
SEED       ?= 1
include pipeline/$(EXPERIMENT).mk

ifdef LIBTORCH
export LIBTORCH
endif

# OpenMP threads that wait must not spin: beside another busy process, as under make -j, spinning
# made training forty times slower.
export OMP_WAIT_POLICY ?= passive

ROOT ?= data
D    := $(ROOT)/$(EXPERIMENT)
# Where the data set and the dense models are: experiments can share another one's.
BASE ?= $(EXPERIMENT)
B    := $(ROOT)/$(BASE)
# One's own data set can be named instead of prepared.
DATA ?= $(B)/dataset.h5

# The model that is scored and pruned: the initial weights, or the trained dense network.
SCORED ?= initial
SCORED_FILE ?= $(B)/$(SCORED).h5
# The weights that are trained under the masks: those that were scored, unless rewound.
START_FILE ?= $(SCORED_FILE)
# Who must want a shared weight, and how masks are merged besides.
ARBITER ?= union
MERGE ?= --arbiter $(ARBITER)
# The sparse model's name, and how it is trained.
SPARSE ?= disparse
SPARSE_STEPS ?= $(STEPS)
SPARSE_TRAIN ?= $(TRAIN)
# What the report compares with the dense network.
REPORTED ?= $(D)/$(SPARSE)-metrics.h5

BIN  := .build/release
# The tools are built before a stage runs, but a new build alone makes no result old.
TOOLS := .build/tools-built

.PHONY: all dataset scores masks model metrics report compare compare-metrics sweep build test test-report \
  bench help clean distclean FORCE
# Nothing between two stages is deleted.
.SECONDARY:

all: report

dataset: $(DATA)
scores:  $(D)/scores.h5
masks:   $(D)/masks.h5
model:   $(D)/$(SPARSE).h5
metrics: $(D)/$(SPARSE)-metrics.h5
report:  $(D)/report.html
	@echo "report: $<"

# --- The stages -------------------------------------------------------------------------------

$(B)/dataset.h5: $(B)/.settings/prepare | $(TOOLS)
	$(BIN)/prepare-data $(PREPARE) -o $@

$(B)/initial.h5: $(DATA) $(B)/.settings/network | $(TOOLS)
	$(BIN)/sparse-train --data $< $(NETWORK) --seed $(SEED) --steps 0 -o $@

$(B)/dense.h5: $(DATA) $(B)/initial.h5 $(B)/.settings/train | $(TOOLS)
	$(BIN)/sparse-train --data $< --model $(B)/initial.h5 --steps $(STEPS) $(TRAIN) $(BATCHES) \
	  --seed $(SEED) -o $@

$(D)/scores.h5: $(DATA) $(SCORED_FILE) $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance --data $< --model $(SCORED_FILE) --criterion $(CRITERION) $(SCORE) \
	  $(BATCHES) --seed $(SEED) -o $@

$(D)/masks.h5: $(D)/scores.h5 $(D)/.settings/masks | $(TOOLS)
	$(BIN)/merge-masks $< --sparsity $(SPARSITY) $(MERGE) -o $@

$(D)/$(SPARSE).h5: $(DATA) $(START_FILE) $(D)/masks.h5 $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train --data $< --model $(START_FILE) --masks $(D)/masks.h5 \
	  --steps $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED) -o $@

$(ROOT)/%-metrics.h5: $(ROOT)/%.h5 $(DATA) $(D)/.settings/evaluate | $(TOOLS)
	$(BIN)/evaluate --data $(DATA) --model $< $(EVALUATE) -o $@

$(D)/report.html: $(B)/dense-metrics.h5 $(REPORTED) | $(TOOLS)
	$(BIN)/evaluate compare $^ --report $@

# Stages that only one experiment has.
$(eval $(value STAGES))

# --- Methods against each other ---------------------------------------------------------------

# Every method of the paper's tables on one data set, once per seed. Every sparse network is trained
# for equal steps; those that are pruned after training had a dense network trained as long before.
# What is done is not done again, so an interrupted comparison goes on where it was.
COMPARED      ?= random snip imp lth rigl gradual disparse-static disparse-pretrained disparse-dynamic
COMPARE_SEEDS ?= 1 2 3
COMPARE_STEPS ?= 300
COMPARE_ROOT  ?= data/compare

compared = $(COMPARE_ROOT)/seed-$(1)/$(2)-metrics.h5

compare: $(DATA)
	@set -e; for seed in $(COMPARE_SEEDS); do for method in $(COMPARED); do \
	  $(MAKE) --no-print-directory compare-metrics EXPERIMENT=$$method SEED=$$seed \
	    ROOT=$(COMPARE_ROOT)/seed-$$seed DATA=$(DATA) STEPS=$(COMPARE_STEPS) \
	    FINE_TUNE=$(COMPARE_STEPS); done; done
	@$(BIN)/evaluate compare --runs \
	  $(foreach seed,$(COMPARE_SEEDS),$(call compared,$(seed),scenes/dense)) \
	  $(foreach method,$(COMPARED),$(foreach seed,$(COMPARE_SEEDS),\
	    $(call compared,$(seed),$(method)/$(method)))) | tee $(COMPARE_ROOT)/compare.txt

compare-metrics: $(B)/dense-metrics.h5 $(D)/$(SPARSE)-metrics.h5

# Accuracy against sparsity, by pipeline/sweep.mk on the data set of this experiment.
SWEEP_STEPS ?= 300

sweep: $(DATA)
	@$(MAKE) --no-print-directory report EXPERIMENT=sweep DATA=$(DATA) STEPS=$(SWEEP_STEPS)

# --- Settings: a file per stage that changes only when the settings do ------------------------

settings.prepare      = $(PREPARE)
settings.network      = $(DATA) $(NETWORK) --seed $(SEED)
settings.train        = $(DATA) $(STEPS) $(TRAIN) $(BATCHES) --seed $(SEED)
settings.score        = $(DATA) $(SCORED_FILE) $(CRITERION) $(SCORE) $(BATCHES) --seed $(SEED)
settings.masks        = $(SPARSITY) $(MERGE)
settings.sparse-train = $(DATA) $(START_FILE) $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED)
settings.evaluate     = $(DATA) $(EVALUATE)

define settings-file
@mkdir -p $(@D)
@echo '$(settings.$(@F))' | cmp -s - $@ || { echo '$(settings.$(@F))' > $@.new && mv $@.new $@; }
endef

$(sort $(foreach stage,prepare network train,$(B)/.settings/$(stage)) \
  $(foreach stage,score masks sparse-train evaluate,$(D)/.settings/$(stage))): FORCE
	$(settings-file)

# --- Building and testing ---------------------------------------------------------------------

build: $(TOOLS)

$(TOOLS): Package.swift $(shell find Sources -type f 2>/dev/null) | .build/set-up
	swift build -c release
	@touch $@

.build/set-up: pipeline/setup
	@pipeline/setup
	@mkdir -p $(@D) && touch $@

test: | .build/set-up
	swift build -c release --build-tests
	swift test -c release --skip-build

# The pages in a real browser; installs Chromium and gnuplot where it can and they are missing.
test-report: | .build/set-up
	@pipeline/setup browser
	swift build -c release --build-tests
	swift test -c release --skip-build --filter PageTests

# Speed beside plain PyTorch programs, at published size; about half an hour on two cores.
bench: $(TOOLS)
	@pipeline/bench/run

help:
	@echo 'make all          set up, build, and run the experiment to its report'
	@echo 'make compare      all methods with three seeds, in one table'
	@echo 'make sweep        three methods at five sparsities, on one page'
	@echo 'make test         set up, build, and run the tests'
	@echo 'make test-report  open the pages in headless Chromium'
	@echo 'make bench        measure the speed beside plain PyTorch programs'
	@echo 'make build        the five tools, in $(BIN)/'
	@echo 'make dataset | scores | masks | model | metrics | report'
	@echo '                  one stage of the experiment, with what it needs'
	@echo 'make clean        remove what was built'
	@echo 'make distclean    remove .deps/ (libtorch) too'
	@echo
	@echo 'EXPERIMENT=$(EXPERIMENT)  settings in pipeline/$(EXPERIMENT).mk, results in $(D)/'
	@echo 'Any setting can be given: make report SPARSITY=0.95 STEPS=300'
	@echo 'DATA=/path/own.h5 use that data set instead of preparing one'
	@echo 'LIBTORCH=/path    use a libtorch that is already there'

clean:
	rm -rf .build

distclean: clean
	rm -rf .deps .deps.partial
