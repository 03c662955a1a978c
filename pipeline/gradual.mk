# Gradual magnitude pruning (Zhu & Gupta 2017): the network is trained in six equal parts, and pruned
# by magnitude before each but the first; the sparsities follow s(t) = s (1 - (1 - t)^3).

BASE ?= scenes
include pipeline/$(BASE).mk
SPARSE       = gradual
CRITERION    = magnitude
SCORE        = --joint
SCORED_FILE  = $(D)/part-5.h5
SPARSE_STEPS = $(shell expr $(STEPS) / 6)
SPARSE_TRAIN = --learning-rate $(FINE_TUNE_RATE) --weight-decay 5e-4
# The learning rate of each part but the last, as a share of the dense network's.
SHARE.1      = 1
SHARE.2      = 1
SHARE.3      = 0.5
SHARE.4      = 0.5
SHARE.5      = 0.25

# The sparsity before part $(1) of six, and its learning rate.
gradual-sparsity = $(shell awk 'BEGIN { print $(SPARSITY) * (1 - (1 - ($(1) - 1) / 5) ^ 3) }')
gradual-rate     = $(shell awk 'BEGIN { print $(RATE) * $(SHARE.$(1)) }')

define STAGES
$(D)/part-1.h5: $(DATASET) $(B)/initial.h5 $(B)/.settings/train $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train $(data) --model $(B)/initial.h5 --steps $(SPARSE_STEPS) \
	  --learning-rate $(call gradual-rate,1) --weight-decay 5e-4 $(BATCHES) --seed $(SEED) \
	  $(GO_ON) -o $@

$(D)/part-%-scores.h5: $(D)/part-%.h5 $(DATASET) $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance $(data) --model $< --criterion magnitude --joint -o $@

$(D)/part-2.h5: $(D)/part-1-scores.h5
$(D)/part-3.h5: $(D)/part-2-scores.h5
$(D)/part-4.h5: $(D)/part-3-scores.h5
$(D)/part-5.h5: $(D)/part-4-scores.h5
$(D)/part-2.h5 $(D)/part-3.h5 $(D)/part-4.h5 $(D)/part-5.h5: $(D)/part-%.h5: $(D)/.settings/masks
	$(BIN)/merge-masks $(D)/part-$(shell expr $* - 1)-scores.h5 \
	  --sparsity $(call gradual-sparsity,$*) -o $(D)/part-$*-masks.h5
	$(BIN)/sparse-train $(data) --model $(D)/part-$(shell expr $* - 1).h5 \
	  --masks $(D)/part-$*-masks.h5 --steps $(SPARSE_STEPS) --learning-rate $(call gradual-rate,$*) \
	  --weight-decay 5e-4 $(BATCHES) --seed $(SEED) $(GO_ON) -o $@
endef
