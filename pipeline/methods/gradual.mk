# Gradual magnitude pruning (Zhu & Gupta 2017): the network is trained in six equal parts, and pruned
# by magnitude before each but the first; the sparsities follow s(t) = s (1 - (1 - t)^3).

CRITERION    = magnitude
SCORE        = --joint
SPARSE_STEPS = $(shell expr $(STEPS) / 6)
SPARSE_TRAIN = $(FINE_TUNING)
# The sixth part is the sparse network that others score and train at once.
PART   := $(D)/part-$(SPARSITY)
SCORED  = $(PART)-5.h5
SCORES  = $(PART)-5-scores.h5
SHARED  =
STAGES += $(foreach n,1 2 3 4,$(PART)-$(n)-scores.h5) $(foreach n,1 2 3 4 5,$(PART)-$(n).h5) \
  $(foreach n,2 3 4 5,$(PART)-$(n)-masks.h5)

# Of each part its number, and the learning rate as a share of the dense network's.
$(PART)-1.h5 $(PART)-1-scores.h5:                     part = 1
$(PART)-2.h5 $(PART)-2-scores.h5 $(PART)-2-masks.h5:  part = 2
$(PART)-3.h5 $(PART)-3-scores.h5 $(PART)-3-masks.h5:  part = 3
$(PART)-4.h5 $(PART)-4-scores.h5 $(PART)-4-masks.h5:  part = 4
$(PART)-5.h5 $(PART)-5-masks.h5:                      part = 5
SHARES        = 1 1 0.5 0.5 0.25
part-before   = $(word $(part),0 1 2 3 4)
part-sparsity = $(shell awk 'BEGIN { print $(SPARSITY) * (1 - (1 - $(part-before) / 5) ^ 3) }')
part-rate     = $(shell awk 'BEGIN { print $(RATE) * $(word $(part),$(SHARES)) }')
part-train    = $(call train,$(SPARSE_STEPS),$(1) --learning-rate $(part-rate) --weight-decay 5e-4)

$(PART)-1.h5: $(S)/.data $(INITIAL)
$(PART)-1.h5: command = $(call part-train,--model $(INITIAL))

$(foreach n,1 2 3 4,$(PART)-$(n)-scores.h5): %-scores.h5: %.h5 $(S)/.data
$(foreach n,1 2 3 4,$(PART)-$(n)-scores.h5): command = score-importance $(data) \
  --model $(PART)-$(part).h5 --criterion magnitude --joint

$(PART)-2-masks.h5: $(PART)-1-scores.h5
$(PART)-3-masks.h5: $(PART)-2-scores.h5
$(PART)-4-masks.h5: $(PART)-3-scores.h5
$(PART)-5-masks.h5: $(PART)-4-scores.h5
$(foreach n,2 3 4 5,$(PART)-$(n)-masks.h5): command = merge-masks \
  $(PART)-$(part-before)-scores.h5 --sparsity $(part-sparsity)

$(foreach n,2 3 4 5,$(PART)-$(n).h5): %.h5: %-masks.h5 $(S)/.data
$(foreach n,2 3 4 5,$(PART)-$(n).h5): command = $(call part-train,--model \
  $(PART)-$(part-before).h5 --masks $(PART)-$(part)-masks.h5)
