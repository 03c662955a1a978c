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
# One's own data set can be named instead of prepared.
DATA ?= $(D)/dataset.h5
BIN  := .build/release
# The tools are built before a stage runs, but a new build alone makes no result old.
TOOLS := .build/tools-built

.PHONY: all dataset scores masks model metrics report build test help clean distclean FORCE
# Nothing between two stages is deleted.
.SECONDARY:

all: report

dataset: $(DATA)
scores:  $(D)/scores.h5
masks:   $(D)/masks.h5
model:   $(D)/disparse.h5
metrics: $(D)/disparse-metrics.h5
report:  $(D)/report.html
	@echo "report: $<"

# --- The stages -------------------------------------------------------------------------------

$(D)/dataset.h5: $(D)/.settings/prepare | $(TOOLS)
	$(BIN)/prepare-data $(PREPARE) -o $@

$(D)/initial.h5: $(DATA) $(D)/.settings/network | $(TOOLS)
	$(BIN)/sparse-train --data $< $(NETWORK) --seed $(SEED) --steps 0 -o $@

$(D)/scores.h5: $(DATA) $(D)/initial.h5 $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance --data $< --model $(D)/initial.h5 --criterion $(CRITERION) $(SCORE) \
	  $(BATCHES) --seed $(SEED) -o $@

$(D)/masks.h5: $(D)/scores.h5 $(D)/.settings/masks | $(TOOLS)
	$(BIN)/merge-masks $< --sparsity $(SPARSITY) --arbiter $(ARBITER) -o $@

$(D)/disparse.h5: MASKS = --masks $(D)/masks.h5
$(D)/disparse.h5: $(D)/masks.h5
$(D)/dense.h5 $(D)/disparse.h5: $(D)/%.h5: $(DATA) $(D)/initial.h5 $(D)/.settings/train | $(TOOLS)
	$(BIN)/sparse-train --data $< --model $(D)/initial.h5 $(MASKS) --steps $(STEPS) $(TRAIN) \
	  $(BATCHES) --seed $(SEED) -o $@

$(D)/%-metrics.h5: $(D)/%.h5 $(DATA) $(D)/.settings/evaluate | $(TOOLS)
	$(BIN)/evaluate --data $(DATA) --model $< $(EVALUATE) -o $@

$(D)/report.html: $(D)/dense-metrics.h5 $(D)/disparse-metrics.h5 | $(TOOLS)
	$(BIN)/evaluate compare $^ --report $@

# --- Settings: a file per stage that changes only when the settings do ------------------------

settings.prepare  = $(PREPARE)
settings.network  = $(DATA) $(NETWORK) --seed $(SEED)
settings.score    = $(DATA) $(CRITERION) $(SCORE) $(BATCHES) --seed $(SEED)
settings.masks    = $(SPARSITY) $(ARBITER)
settings.train    = $(DATA) $(STEPS) $(TRAIN) $(BATCHES) --seed $(SEED)
settings.evaluate = $(DATA) $(EVALUATE)

$(D)/.settings/%: FORCE
	@mkdir -p $(@D)
	@echo '$(settings.$*)' | cmp -s - $@ || { echo '$(settings.$*)' > $@.new && mv $@.new $@; }

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

help:
	@echo 'make all          set up, build, and run the experiment to its report'
	@echo 'make test         set up, build, and run the tests'
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
