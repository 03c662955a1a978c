# What Makefile and pipeline/stages.mk have in common: the data set, and paths as they were typed.

DATASET ?= scenes
ROOT    ?= data
# Where the data set's results lie, a folder per method and seed.
S       := $(ROOT)/$(DATASET)
BIN     := .build/release

# The pages of a folder, or an error that names them all.
pages = $(patsubst pipeline/$(1)/%.mk,%,$(wildcard pipeline/$(1)/*.mk))
known = $(if $(filter $(2),$(call pages,$(1))),,$(error there is no pipeline/$(1)/$(2).mk, but: \
  $(call pages,$(1))))
$(call known,datasets,$(DATASET))
include pipeline/datasets/$(DATASET).mk

# A path is taken as it was typed, dollars and all, and quoted wherever a shell sees it.
typed  = $(if $(filter command environment,$(firstword $(origin $(1)))),$(value $(1)),$($(1)))
quoted = '$(subst ','\'',$(1))'
PATHS  = INPUT DATA SPLIT WEIGHTS MODEL
$(foreach name,$(PATHS),$(eval override $(name) := $$(call typed,$(name))))

# One's own data set can be named instead of prepared.
PREPARED := $(if $(DATA),,$(S)/dataset.h5)
# A published data set that is not named: what was prepared of it before stands as it is.
UNNAMED := $(if $(INPUT),,$(findstring $$(INPUT),$(value PREPARE)))

# Writes what a command says to the target, unless it stands there.
define note
@mkdir -p $(@D)
@$(1) | cmp -s - $@ || { $(1) > $@.new && mv $@.new $@; }
endef

# A stage's command in a file beside what it makes: the file changes only when the words do. A comment
# behind a setting leaves blanks.
settings-of = $(foreach file,$(1),$(dir $(file)).$(notdir $(file)).settings)
.%.settings: FORCE
	$(call note,printf '%s\n' $(call quoted,$(strip $(command))))

.PHONY: FORCE
