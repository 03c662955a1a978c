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

D    := data/$(EXPERIMENT)
# Where the data set and the dense models are: experiments can share another one's.
BASE ?= $(EXPERIMENT)
B    := data/$(BASE)
# One's own data set can be named instead of prepared.
DATA ?= $(B)/dataset.h5

# The model that is scored and pruned: the initial weights, or the trained dense network.
SCORED ?= initial
# Who must want a shared weight, and how masks are merged besides.
ARBITER ?= union
MERGE ?= --arbiter $(ARBITER)
# The sparse model's name, and how it is trained.
SPARSE ?= disparse
SPARSE_STEPS ?= $(STEPS)
SPARSE_TRAIN ?= $(TRAIN)

BIN  := .build/release
# The tools are built before a stage runs, but a new build alone makes no result old.
TOOLS := .build/tools-built

.PHONY: all dataset scores masks model metrics report build test bench help clean distclean FORCE
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

$(D)/scores.h5: $(DATA) $(B)/$(SCORED).h5 $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance --data $< --model $(B)/$(SCORED).h5 --criterion $(CRITERION) $(SCORE) \
	  $(BATCHES) --seed $(SEED) -o $@

$(D)/masks.h5: $(D)/scores.h5 $(D)/.settings/masks | $(TOOLS)
	$(BIN)/merge-masks $< --sparsity $(SPARSITY) $(MERGE) -o $@

$(D)/$(SPARSE).h5: $(DATA) $(B)/$(SCORED).h5 $(D)/masks.h5 $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train --data $< --model $(B)/$(SCORED).h5 --masks $(D)/masks.h5 \
	  --steps $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED) -o $@

data/%-metrics.h5: data/%.h5 $(DATA) $(D)/.settings/evaluate | $(TOOLS)
	$(BIN)/evaluate --data $(DATA) --model $< $(EVALUATE) -o $@

$(D)/report.html: $(B)/dense-metrics.h5 $(D)/$(SPARSE)-metrics.h5 | $(TOOLS)
	$(BIN)/evaluate compare $^ --report $@

# --- Settings: a file per stage that changes only when the settings do ------------------------

settings.prepare      = $(PREPARE)
settings.network      = $(DATA) $(NETWORK) --seed $(SEED)
settings.train        = $(DATA) $(STEPS) $(TRAIN) $(BATCHES) --seed $(SEED)
settings.score        = $(DATA) $(SCORED) $(CRITERION) $(SCORE) $(BATCHES) --seed $(SEED)
settings.masks        = $(SPARSITY) $(MERGE)
settings.sparse-train = $(DATA) $(SCORED) $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED)
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

# Speed beside plain PyTorch programs, at published size; about half an hour on two cores.
bench: $(TOOLS)
	@pipeline/bench/run

help:
	@echo 'make all          set up, build, and run the experiment to its report'
	@echo 'make test         set up, build, and run the tests'
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
