# The pipeline: from a data set to a report, a file per stage. Settings: pipeline/$(EXPERIMENT).mk,
# or on the command line, as in `make masks SPARSITY=0.95`.

EXPERIMENT ?= scenes
SEED       ?= 1
# Minutes between two checkpoints of a training run, which goes on from the last when it is killed.
CHECKPOINT_MINUTES ?= 5
include pipeline/$(EXPERIMENT).mk

# A path is taken as it was typed, dollars and all, and quoted wherever a shell sees it.
typed  = $(if $(filter command environment,$(firstword $(origin $(1)))),$(value $(1)),$($(1)))
quoted = '$(subst ','\'',$(1))'
$(foreach name,INPUT DATA SPLIT WEIGHTS MODEL,$(eval override $(name) := $$(call typed,$(name))))

ifdef LIBTORCH
export LIBTORCH
endif

# OpenMP threads that wait must not spin: beside another busy process, as under make -j, spinning
# made training forty times slower.
export OMP_WAIT_POLICY ?= passive

ROOT ?= data
# Where the data set and the dense models are: experiments can share another one's.
BASE ?= $(EXPERIMENT)
B    := $(ROOT)/$(BASE)
# Methods stand beside the scenes, and within any other data set.
folder = $(if $(filter scenes $(1),$(BASE)),,$(BASE)/)$(1)
D     := $(ROOT)/$(call folder,$(EXPERIMENT))

# What lies elsewhere is missed at once, not after the build; a make below was given what is there.
NEEDS_DATA := $(if $(filter 0,$(MAKELEVEL)),$(filter-out build test test-report bench help clean \
                distclean,$(or $(MAKECMDGOALS),all)))
# A published data set that is not named: what was prepared of it before stands as it is.
UNNAMED := $(if $(INPUT),,$(findstring $$(INPUT),$(value PREPARE)))
usage = type: make $(or $(MAKECMDGOALS),all) EXPERIMENT=$(EXPERIMENT)$(if \
  $(filter $(EXPERIMENT),$(BASE)),, BASE=$(BASE)) $(1)
without = $(if $(shell test $(1) $(call quoted,$(2)) || echo without),$(error $(3)))
ifneq ($(NEEDS_DATA),)
  ifneq ($(DATA),)
    $(call without,-f,$(DATA),DATA=$(DATA): no such file; $(call usage,DATA=/path/to/dataset.h5))
  else ifneq ($(UNNAMED),)
    $(call without,-f,$(B)/dataset.h5,INPUT is missing; $(call usage,INPUT=/path/to/$(BASE)))
  else ifneq ($(INPUT),)
    $(call without,-d,$(INPUT),INPUT=$(INPUT): no such folder; $(call \
      usage,INPUT=/path/to/$(BASE)))
  endif
endif

ifneq ($(MODEL),)
  $(call without,-f,$(MODEL),MODEL=$(MODEL): no such file; $(call usage,MODEL=/path/to/model.h5))
endif

# One's own data set can be named instead of prepared. Names can hold what make cannot have in a
# prerequisite; a note of the file's name, size and time stands for it.
PREPARED := $(if $(DATA),,$(B)/dataset.h5)
override DATA := $(or $(DATA),$(PREPARED))
DATASET  := $(B)/.settings/data

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
# A run that was killed goes on, one of other settings starts afresh.
GO_ON = --checkpoint-minutes $(CHECKPOINT_MINUTES) --resume --fresh
# What the report compares with the dense network.
REPORTED ?= $(D)/$(SPARSE)-metrics.h5

BIN  := .build/release
# The tools are built before a stage runs, but a new build alone makes no result old.
TOOLS := .build/tools-built

.PHONY: all dataset dense scores masks model metrics report compare sweep build test test-report \
  bench help clean distclean FORCE
# Nothing between two stages is deleted.
.SECONDARY:

all: report

dataset: $(PREPARED)
dense:   $(B)/dense-metrics.h5
scores:  $(D)/scores.h5
masks:   $(D)/masks.h5
model:   $(D)/$(SPARSE).h5
metrics: $(D)/$(SPARSE)-metrics.h5
report:  $(D)/report.html
	@echo "report: $<"

# --- The stages -------------------------------------------------------------------------------

data = --data $(call quoted,$(DATA))

$(B)/dataset.h5: $(if $(UNNAMED),,$(B)/.settings/prepare) | $(TOOLS)
	$(BIN)/prepare-data $(PREPARE) -o $@

$(B)/initial.h5: $(DATASET) $(B)/.settings/network | $(TOOLS)
	$(BIN)/sparse-train $(data) $(if $(MODEL),--model $(call quoted,$(MODEL)),$(NETWORK)) \
	  --seed $(SEED) --steps 0 -o $@

$(B)/dense.h5: $(DATASET) $(B)/initial.h5 $(B)/.settings/train | $(TOOLS)
	$(BIN)/sparse-train $(data) --model $(B)/initial.h5 --steps $(STEPS) $(TRAIN) $(BATCHES) \
	  --seed $(SEED) $(GO_ON) -o $@

$(D)/scores.h5: $(DATASET) $(SCORED_FILE) $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance $(data) --model $(SCORED_FILE) --criterion $(CRITERION) $(SCORE) \
	  $(BATCHES) --seed $(SEED) -o $@

$(D)/masks.h5: $(D)/scores.h5 $(D)/.settings/masks | $(TOOLS)
	$(BIN)/merge-masks $< --sparsity $(SPARSITY) $(MERGE) -o $@

$(D)/$(SPARSE).h5: $(DATASET) $(START_FILE) $(D)/masks.h5 $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train $(data) --model $(START_FILE) --masks $(D)/masks.h5 \
	  --steps $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED) $(GO_ON) -o $@

$(ROOT)/%-metrics.h5: $(ROOT)/%.h5 $(DATASET) $(B)/.settings/evaluate | $(TOOLS)
	$(BIN)/evaluate $(data) --model $< $(EVALUATE) -o $@

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

compared  = $(COMPARE_ROOT)/seed-$(1)/$(2)-metrics.h5
comparing = $(MAKE) --no-print-directory ROOT=$(COMPARE_ROOT)/seed-$(1) SEED=$(1) BASE=$(BASE) \
  DATA=$(call quoted,$(DATA)) STEPS=$(COMPARE_STEPS) FINE_TUNE=$(COMPARE_STEPS)

# The dense network of a seed, then the methods, each by a make of its own.
define compare-seed
.PHONY: compare-$(1)-dense $(COMPARED:%=compare-$(1)-%)
compare-$(1)-dense: $(DATASET) | $(TOOLS)
	@+$$(call comparing,$(1)) dense EXPERIMENT=$(BASE)
$(COMPARED:%=compare-$(1)-%): compare-$(1)-%: compare-$(1)-dense
	@+$$(call comparing,$(1)) metrics EXPERIMENT=$$*
endef
$(foreach seed,$(COMPARE_SEEDS),$(eval $(call compare-seed,$(seed))))

compare: $(foreach seed,$(COMPARE_SEEDS),$(COMPARED:%=compare-$(seed)-%))
	@$(BIN)/evaluate compare --runs \
	  $(foreach seed,$(COMPARE_SEEDS),$(call compared,$(seed),$(BASE)/dense)) \
	  $(foreach method,$(COMPARED),$(foreach seed,$(COMPARE_SEEDS),\
	    $(call compared,$(seed),$(call folder,$(method))/$(method)))) > $(COMPARE_ROOT)/compare.txt.new
	@mv $(COMPARE_ROOT)/compare.txt.new $(COMPARE_ROOT)/compare.txt
	@cat $(COMPARE_ROOT)/compare.txt

# Accuracy against sparsity, by pipeline/sweep.mk on the data set of this experiment.
SWEEP_STEPS ?= 300

sweep: $(DATASET)
	@$(MAKE) --no-print-directory report EXPERIMENT=sweep BASE=sweep DATA=$(call quoted,$(DATA)) \
	  STEPS=$(SWEEP_STEPS)

# --- Settings: a file per stage that changes only when the settings do ------------------------

settings.prepare      = $(PREPARE)
settings.network      = $(if $(MODEL),$(shell stat -L -c '%s %.Y %n' -- $(call \
                          quoted,$(MODEL))),$(NETWORK) --seed $(SEED))
settings.train        = $(STEPS) $(TRAIN) $(BATCHES) --seed $(SEED)
settings.evaluate     = $(EVALUATE)
settings.score        = $(SCORED_FILE) $(CRITERION) $(SCORE) $(BATCHES) --seed $(SEED)
settings.masks        = $(SPARSITY) $(MERGE)
settings.sparse-train = $(START_FILE) $(SPARSE_STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED)

# Writes what a command says to the target, unless it stands there.
define note
@mkdir -p $(@D)
@$(1) | cmp -s - $@ || { $(1) > $@.new && mv $@.new $@; }
endef

# A comment behind a setting leaves blanks.
$(sort $(foreach stage,prepare network train evaluate,$(B)/.settings/$(stage)) \
  $(foreach stage,score masks sparse-train,$(D)/.settings/$(stage))): FORCE
	$(call note,printf '%s\n' $(call quoted,$(strip $(settings.$(@F)))))

$(DATASET): $(PREPARED) FORCE
	$(call note,stat -L -c '%s %.Y %n' -- $(call quoted,$(DATA)))

# --- Building and testing ---------------------------------------------------------------------

build: $(TOOLS)

$(TOOLS): Package.swift $(shell find Sources -type f 2>/dev/null) .build/headers | .build/set-up
	swift build -c release
	@touch $@

# SwiftPM builds nothing again when a header of a system library's module changes: what imports it is
# built when its .swiftmodule is gone.
.build/headers: $(wildcard Sources/*/shim.h Sources/*/module.modulemap)
	@rm -f .build/release/Modules/*.swiftmodule
	@mkdir -p $(@D) && touch $@

.build/set-up: pipeline/setup
	@pipeline/setup
	@mkdir -p $(@D) && touch $@

test: .build/headers | .build/set-up
	swift build -c release --build-tests
	swift test -c release --skip-build

# The pages in a real browser; installs Chromium and gnuplot where it can and they are missing.
test-report: .build/headers | .build/set-up
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
	@echo 'make build        the tools, in $(BIN)/'
	@echo 'make dataset | scores | masks | model | metrics | report'
	@echo '                  one stage of the experiment, with what it needs'
	@echo 'make clean        remove what was built'
	@echo 'make distclean    remove .deps/ (libtorch) too'
	@echo
	@echo 'EXPERIMENT=$(EXPERIMENT)  settings in pipeline/$(EXPERIMENT).mk, results in $(D)/'
	@echo 'Any setting can be given: make report SPARSITY=0.95 STEPS=300'
	@echo 'DATA=/path/own.h5 use that data set instead of preparing one'
	@echo 'MODEL=/path/net.h5 train and prune that network, which convert-model made'
	@echo 'INPUT=/path       where a published data set lies (EXPERIMENT=nyuv2, cityscapes, taskonomy)'
	@echo 'LIBTORCH=/path    use a libtorch that is already there'

clean:
	rm -rf .build

distclean: clean
	rm -rf .deps .deps.partial
