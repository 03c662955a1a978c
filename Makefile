# The pipeline: any method on any data set, and methods against each other. Settings are pages in
# pipeline/datasets and pipeline/methods, or stand on the command line, as in
# `make masks METHOD=snip SPARSITY=0.9`. The stages of one network are pipeline/stages.mk.

include pipeline/settings.mk

ifdef LIBTORCH
export LIBTORCH
endif
# OpenMP threads that wait must not spin: beside another busy process, as under make -j, spinning
# made training forty times slower.
export OMP_WAIT_POLICY ?= passive
# What Open MPI asks of root, who is everybody in a container.
export OMPI_ALLOW_RUN_AS_ROOT ?= 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM ?= 1

# The tools are built before a stage runs, but a new build alone makes no result old.
TOOLS := .build/tools-built

STAGES  := dataset dense scores masks model metrics
TABLES  := all compare sweep
.PHONY: $(STAGES) $(TABLES) build test test-report bench help clean distclean

all:

# --- What lies elsewhere is missed at once, not after the build ----------------------------------

NEEDS_DATA := $(filter $(STAGES) $(TABLES),$(or $(MAKECMDGOALS),all))
usage   = type: make $(or $(MAKECMDGOALS),all) DATASET=$(DATASET) $(1)
without = $(if $(shell test $(1) $(call quoted,$(2)) || echo without),$(error $(3)))
ifneq ($(NEEDS_DATA),)
  ifneq ($(DATA),)
    $(call without,-f,$(DATA),DATA=$(DATA): no such file; $(call usage,DATA=/path/to/dataset.h5))
  else ifeq ($(strip $(PREPARE)),)
    $(error DATA is missing; $(call usage,DATA=/path/to/dataset.h5))
  else ifneq ($(UNNAMED),)
    $(call without,-f,$(PREPARED),INPUT is missing; $(call usage,INPUT=/path/to/$(DATASET)))
  else ifneq ($(INPUT),)
    $(call without,-d,$(INPUT),INPUT=$(INPUT): no such folder; $(call \
      usage,INPUT=/path/to/$(DATASET)))
  endif
endif

ifneq ($(MODEL),)
  $(call without,-f,$(MODEL),MODEL=$(MODEL): no such file; $(call usage,MODEL=/path/to/model.h5))
endif

ifneq ($(filter $(TABLES),$(NEEDS_DATA)),)
  ifeq ($(filter-out dense,$(or $(METHODS),$(METHOD),any)),)
    $(error the dense network is on every page; name a method to put beside it)
  endif
endif

# --- One network ------------------------------------------------------------------------------------

# A make below takes paths as they were typed here.
stages = $(MAKE) --no-print-directory -f pipeline/stages.mk \
  $(foreach name,$(PATHS),$(name)=$(call quoted,$($(name))))

$(filter-out dataset,$(STAGES)): dataset
	@+$(stages) $@

dataset: | $(TOOLS)
	@+$(stages) dataset

# --- Networks beside each other ---------------------------------------------------------------------

# What is on which page, unless METHODS (or METHOD), SEEDS (or SEED) and SPARSITIES (or SPARSITY) say
# otherwise. The dense network of every seed is on all of them.
METHODS.all        = snip disparse-static
METHODS.compare    = $(call pages,methods)
METHODS.sweep      = random snip disparse-static
SEEDS.all          = 1
SEEDS.compare      = 1 2 3
SEEDS.sweep        = 1
SPARSITIES.all     = $(SPARSITY)
SPARSITIES.compare = $(SPARSITY)
SPARSITIES.sweep   = 0.5 0.7 0.9 0.95 0.98

methods    = $(filter-out dense,$(or $(METHODS),$(METHOD),$(METHODS.$(1))))
seeds      = $(or $(SEEDS),$(SEED),$(SEEDS.$(1)))
sparsities = $(or $(SPARSITIES),$(if $(filter command environment,$(origin \
  SPARSITY)),$(SPARSITY)),$(SPARSITIES.$(1)))
$(foreach method,$(METHODS) $(METHOD),$(call known,methods,$(method)))

# The metrics on a page. Every network's are a target, made by a make of its own.
dense-metrics  = $(foreach seed,$(call seeds,$(1)),$(S)/dense/seed-$(seed)/dense-metrics.h5)
sparse-metrics = $(foreach method,$(call methods,$(1)),$(foreach sparsity,$(call sparsities,$(1)),\
  $(foreach seed,$(call seeds,$(1)),$(S)/$(method)/seed-$(seed)/$(method)-$(sparsity)-metrics.h5)))
DENSE_METRICS  := $(sort $(foreach table,$(TABLES),$(call dense-metrics,$(table))))
SPARSE_METRICS := $(sort $(foreach table,$(TABLES),$(call sparse-metrics,$(table))))

# What such a path says.
method   = $(notdir $(patsubst %/,%,$(dir $(@D))))
seed     = $(patsubst seed-%,%,$(notdir $(@D)))
sparsity = $(patsubst $(method)-%-metrics.h5,%,$(@F))

$(DENSE_METRICS): dataset
	@+$(stages) metrics METHOD=dense SEED=$(seed)

# What the sparsities of a method and seed have in common comes before them, and the dense network
# before that, so that makes beside each other never write the same file.
SHARED := $(addsuffix shared,$(sort $(dir $(SPARSE_METRICS))))
.PHONY: $(SHARED)

.SECONDEXPANSION:
$(SHARED): $(S)/dense/$$(notdir $$(@D))/dense-metrics.h5
	@+$(stages) shared METHOD=$(method) SEED=$(seed)

$(SPARSE_METRICS): $$(@D)/shared
	@+$(stages) metrics METHOD=$(method) SEED=$(seed) SPARSITY=$(sparsity)

# The page, and its table in files of other kinds. Several seeds are runs of one method.
all:     $(S)/report.html  $(S)/report.txt
compare: $(S)/compare.html $(S)/compare.txt
sweep:   $(S)/sweep.html   $(S)/sweep.txt
$(TABLES):
	@cat $(lastword $^)
	@echo "page: $<"

compared = $(call dense-metrics,$(1)) $(call sparse-metrics,$(1))
command  = evaluate compare $(if $(filter compare,$(table))$(word 2,$(call \
  seeds,$(table))),--runs) $(call compared,$(table))
$(S)/report.%  $(call settings-of,$(S)/report):  table = all
$(S)/compare.% $(call settings-of,$(S)/compare): table = compare
$(S)/sweep.%   $(call settings-of,$(S)/sweep):   table = sweep
$(foreach ending,html txt,$(S)/report.$(ending) $(S)/compare.$(ending) $(S)/sweep.$(ending)): \
  $$(call compared,$$(table)) $$(call settings-of,$$(basename $$@))

# One recipe for all files of a table.
$(S)/%.html $(S)/%.txt:
	$(BIN)/$(strip $(command)) --report $(S)/$*.html --csv $(S)/$*.csv --json $(S)/$*.json \
	  --latex $(S)/$*.tex > $(S)/$*.txt.new
	@mv $(S)/$*.txt.new $(S)/$*.txt

# --- Building and testing ---------------------------------------------------------------------

build: $(TOOLS)

# CUDA=1 asks for another libtorch.
SET_UP := .build/set-up$(if $(CUDA),-cuda)

$(TOOLS): Package.swift $(shell find Sources -type f 2>/dev/null) .build/headers | $(SET_UP)
	swift build -c release
	@touch $@

# SwiftPM builds nothing again when a header of a system library's module changes: what imports it is
# built when its .swiftmodule is gone.
.build/headers: $(wildcard Sources/*/shim.h Sources/*/module.modulemap)
	@rm -f .build/release/Modules/*.swiftmodule
	@mkdir -p $(@D) && touch $@

$(SET_UP): pipeline/setup
	@pipeline/setup
	@mkdir -p $(@D) && touch $@

test: .build/headers | $(SET_UP)
	swift build -c release --build-tests
	swift test -c release --skip-build

# The pages in a real browser; installs Chromium and gnuplot where it can and they are missing.
test-report: .build/headers | $(SET_UP)
	@pipeline/setup browser
	swift build -c release --build-tests
	swift test -c release --skip-build --filter PageTests

# Speed beside plain PyTorch programs, at published size; an hour or more on two cores.
bench: $(TOOLS)
	@pipeline/bench/run

help:
	@echo 'make all          set up, build, and compare METHODS with the dense network on one page'
	@echo 'make compare      all methods with three seeds, in tables and on a page'
	@echo 'make sweep        three methods at five sparsities, on one page'
	@echo 'make dataset | dense | scores | masks | model | metrics'
	@echo '                  one stage of one network, with what it needs'
	@echo 'make build        the tools, in $(BIN)/'
	@echo 'make test         set up, build, and run the tests'
	@echo 'make test-report  open the pages in headless Chromium'
	@echo 'make bench        measure the speed beside plain PyTorch programs'
	@echo 'make clean        remove what was built'
	@echo 'make distclean    remove .deps/ (libtorch) too'
	@echo
	@echo 'DATASET=$(DATASET)    $(call pages,datasets): results in $(S)/'
	@echo 'METHOD=snip       $(wordlist 1,7,$(call pages,methods))'
	@echo '                  $(wordlist 8,99,$(call pages,methods))'
	@echo 'METHODS="snip imp" SEEDS="1 2 3" SPARSITIES="0.9 0.95"   what is compared'
	@echo 'STEPS=1500        training steps; any setting of a page can be given'
	@echo 'DATA=/path/own.h5 use that data set instead of preparing one'
	@echo 'MODEL=/path/net.h5 train and prune that network, which convert-model made'
	@echo 'INPUT=/path       where a published data set lies'
	@echo 'PROCESSES=4       score, train and measure with so many processes (mpirun)'
	@echo "LAUNCH='srun -n 4' start them so"
	@echo 'LIBTORCH=/path    use a libtorch that is already there'
	@echo 'DEVICE=cuda       run networks on a GPU (not yet tried on any)'
	@echo 'CUDA=1            install a libtorch for GPUs'

clean:
	rm -rf .build

distclean: clean
	rm -rf .deps .deps.partial
