# One network, from a data set to its metrics, a file per stage: DATASET, METHOD, SEED and SPARSITY say
# which. The Makefile calls it; it says nothing of building the tools.

METHOD ?= disparse-static
SEED   ?= 1
# Minutes between two checkpoints of a training run, which goes on from the last when it is killed.
CHECKPOINT_MINUTES ?= 5
# Who must want a shared weight.
ARBITER ?= union
include pipeline/settings.mk

# How the processes of a run are started, where it has several. Stopped, they have ten seconds to write
# a checkpoint.
PROCESSES ?= 1
LAUNCH    ?= $(if $(filter-out 1,$(PROCESSES)),mpirun --oversubscribe --bind-to none \
               --mca odls_base_sigkill_timeout 10 -n $(PROCESSES))

# Where networks run, if not on the CPU: cuda, cuda:N or auto.
DEVICE ?=

# The files. All methods start from the same initial weights.
D       := $(S)/$(METHOD)/seed-$(SEED)
INITIAL := $(S)/dense/seed-$(SEED)/initial.h5
DENSE   := $(S)/dense/seed-$(SEED)/dense.h5
measured = $(1:.h5=-metrics.h5)
NAME     = $(METHOD)-$(SPARSITY)
SCORES   = $(D)/scores.h5
MASKS    = $(D)/masks-$(SPARSITY).h5
RESULT   = $(D)/$(NAME).h5
METRICS  = $(call measured,$(RESULT))

# What a method's page can say otherwise. CRITERION has no default: without one there are no masks.
# The model that is scored, and the options besides.
SCORED       = $(INITIAL)
SCORE        = $(SCORE_BATCHES)
# How the masks are merged.
MERGE        = --arbiter $(ARBITER)
# The weights that are trained under the masks: those that were scored, unless rewound.
START        = $(SCORED)
SPARSE_STEPS = $(STEPS)
SPARSE_TRAIN = $(TRAIN)
FINE_TUNING  = --learning-rate $(FINE_TUNE_RATE) --weight-decay 5e-4
# What the networks of all sparsities have in common.
SHARED       = $(if $(CRITERION),$(SCORES))

$(call known,methods,$(METHOD))
include pipeline/methods/$(METHOD).mk

.PHONY: dataset dense shared scores masks model metrics
# Nothing between two stages is deleted.
.SECONDARY:

# --- The stages: what each is made of, and the command that makes it -----------------------------

# Names can hold what make cannot have in a prerequisite; a note of the file's name, size and time
# stands for it.
data  = --data $(call quoted,$(DATA))
stamp = stat -L -c '%s %.Y %n' -- $(call quoted,$(1))
ifneq ($(PREPARED),)
override DATA := $(PREPARED)
$(PREPARED): command = prepare-data $(PREPARE)
endif

$(S)/.data: $(PREPARED) FORCE
	$(call note,$(call stamp,$(DATA)))

$(S)/.model: FORCE
	$(call note,$(call stamp,$(MODEL)))

dataset: $(S)/.data $(if $(MODEL),$(S)/.model)
dense:   $(call measured,$(DENSE))
shared:  $(SHARED)
scores:  $(SCORES)
masks:   $(MASKS)
model:   $(RESULT)
metrics: $(METRICS)
dataset dense shared scores masks model metrics:
	@:

$(INITIAL): $(S)/.data $(if $(MODEL),$(S)/.model)
$(INITIAL): command = sparse-train $(data) $(if $(MODEL),--model $(call quoted,$(MODEL)),$(NETWORK)) \
  --seed $(SEED) --steps 0

# A run of $(1) steps with the options $(2). VALIDATE_EVERY=100 puts the validation losses into the
# curves.
train = sparse-train $(data) $(2) $(BATCHES) --seed $(SEED) --steps $(1) \
  $(if $(VALIDATE_EVERY),--validate-every $(VALIDATE_EVERY))

$(DENSE): $(S)/.data $(INITIAL)
$(DENSE): command = $(call train,$(STEPS),--model $(INITIAL) $(TRAIN))

$(SCORES): $(S)/.data $(SCORED)
$(SCORES): command = score-importance $(data) --model $(SCORED) --criterion $(CRITERION) $(SCORE) \
  $(BATCHES) --seed $(SEED)

$(MASKS): $(SCORES)
$(MASKS): command = merge-masks $(SCORES) --sparsity $(SPARSITY) $(MERGE)

$(RESULT): $(S)/.data $(START) $(if $(CRITERION),$(MASKS))
$(RESULT): command = $(call train,$(SPARSE_STEPS),--model $(START) $(if \
  $(CRITERION),--masks $(MASKS)) $(SPARSE_TRAIN))

measure = evaluate $(data) --model $(1) $(EVALUATE)

$(call measured,$(DENSE)): $(S)/.data $(DENSE)
$(call measured,$(DENSE)): command = $(call measure,$(DENSE))

$(METRICS): $(S)/.data $(RESULT)
$(METRICS): command = $(call measure,$(RESULT))

# --- How every stage runs --------------------------------------------------------------------------

STAGES += $(PREPARED) $(INITIAL) $(DENSE) $(SCORES) $(MASKS) $(RESULT) $(call measured,$(DENSE)) \
  $(METRICS)

name = $(firstword $(command))
# A run that was killed goes on, one of other settings starts afresh.
GO_ON = --checkpoint-minutes $(CHECKPOINT_MINUTES) --resume --fresh

# What was prepared before of a data set that is not named now stands.
$(foreach file,$(filter-out $(if $(UNNAMED),$(PREPARED)),$(STAGES)),$(eval \
  $(file): $(call settings-of,$(file))))

runs-network = $(filter score-importance sparse-train evaluate,$(name))

$(sort $(STAGES)):
	$(strip $(if $(runs-network),$(LAUNCH)) $(BIN)/$(command) \
	  $(if $(runs-network),$(DEVICE:%=--device %)) $(if $(filter sparse-train,$(name)),$(GO_ON)) -o $@)
