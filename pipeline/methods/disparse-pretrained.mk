# DiSparse on a trained network: the dense network, scored per task, pruned and fine-tuned (Sun et al.
# 2022).

SCORED       = $(DENSE)
CRITERION    = taylor
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = $(FINE_TUNING)
