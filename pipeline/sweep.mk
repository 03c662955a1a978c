# Accuracy against sparsity: DiSparse, joint sensitivity and random pruning before training, each at
# several sparsities. Every method scores once, and is ranked once for all sparsities.

include pipeline/scenes.mk
SWEPT      ?= disparse joint random
SPARSITIES ?= 0.5 0.7 0.9 0.95 0.98
SPARSITY    = $(SPARSITIES)

# Called METHOD-SPARSITY, which is how evaluate compare knows a method's points.
REPORTED = $(foreach method,$(SWEPT),$(SPARSITIES:%=$(D)/$(method)-%-metrics.h5))

SCORE.disparse = --criterion static $(SCORE)
SCORE.joint    = --criterion static $(SCORE) --joint
SCORE.random   = --criterion random

empty :=
comma := ,
# One sparsity names one file; of several, merge-masks names the files itself.
sweep-masks  = $(D)/$(1)-masks$(if $(word 2,$(SPARSITIES)),,-$(SPARSITIES)).h5
sweep-values = $(subst $(empty) $(empty),$(comma),$(strip $(SPARSITIES)))

define sweep-method
$(D)/$(1)-scores.h5: $(DATASET) $(B)/initial.h5 $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance $$(data) --model $(B)/initial.h5 $(SCORE.$(1)) \
	  $(BATCHES) --seed $(SEED) -o $(D)/$(1)-scores.h5

$(SPARSITIES:%=$(D)/$(1)-masks-%.h5) &: $(D)/$(1)-scores.h5 $(D)/.settings/masks | $(TOOLS)
	$(BIN)/merge-masks $(D)/$(1)-scores.h5 --sparsity $(sweep-values) $(MERGE) \
	  -o $(call sweep-masks,$(1))

$(SPARSITIES:%=$(D)/$(1)-%.h5): $(D)/$(1)-%.h5: $(DATASET) $(B)/initial.h5 $(D)/$(1)-masks-%.h5 \
  $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train $$(data) --model $(B)/initial.h5 --masks $(D)/$(1)-masks-$$*.h5 \
	  --steps $(STEPS) $(SPARSE_TRAIN) $(BATCHES) --seed $(SEED) $(GO_ON) -o $$@
endef

define STAGES
$(foreach method,$(SWEPT),$(eval $(call sweep-method,$(method))))
endef
