# Gradual magnitude pruning (Zhu & Gupta 2017): the network is trained in six equal parts, and pruned
# by magnitude before each but the first; the sparsities follow s(t) = s (1 - (1 - t)^3).

include pipeline/scenes.mk
BASE         = scenes
SPARSE       = gradual
CRITERION    = magnitude
SCORE        = --joint
SCORED_FILE  = $(D)/part-5.h5
SPARSE_STEPS = $(shell expr $(STEPS) / 6)
SPARSE_TRAIN = --learning-rate 2.5e-4 --weight-decay 5e-4
RATE.1       = 1e-3
RATE.2       = 1e-3
RATE.3       = 5e-4
RATE.4       = 5e-4
RATE.5       = 2.5e-4

# The sparsity before part $(1) of six.
gradual-sparsity = $(shell awk 'BEGIN { print $(SPARSITY) * (1 - (1 - ($(1) - 1) / 5) ^ 3) }')

define STAGES
$(D)/part-1.h5: $(DATA) $(B)/initial.h5 $(D)/.settings/sparse-train | $(TOOLS)
	$(BIN)/sparse-train --data $< --model $(B)/initial.h5 --steps $(SPARSE_STEPS) \
	  --learning-rate $(RATE.1) --weight-decay 5e-4 $(BATCHES) --seed $(SEED) -o $@

$(D)/part-%-scores.h5: $(D)/part-%.h5 $(DATA) $(D)/.settings/score | $(TOOLS)
	$(BIN)/score-importance --data $(DATA) --model $< --criterion magnitude --joint -o $@

$(D)/part-2.h5: $(D)/part-1-scores.h5
$(D)/part-3.h5: $(D)/part-2-scores.h5
$(D)/part-4.h5: $(D)/part-3-scores.h5
$(D)/part-5.h5: $(D)/part-4-scores.h5
$(D)/part-2.h5 $(D)/part-3.h5 $(D)/part-4.h5 $(D)/part-5.h5: $(D)/part-%.h5: $(D)/.settings/masks
	$(BIN)/merge-masks $(D)/part-$(shell expr $* - 1)-scores.h5 \
	  --sparsity $(call gradual-sparsity,$*) -o $(D)/part-$*-masks.h5
	$(BIN)/sparse-train --data $(DATA) --model $(D)/part-$(shell expr $* - 1).h5 \
	  --masks $(D)/part-$*-masks.h5 --steps $(SPARSE_STEPS) --learning-rate $(RATE.$*) \
	  --weight-decay 5e-4 $(BATCHES) --seed $(SEED) -o $@
endef
