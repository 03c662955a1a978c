# DiSparse on a trained network: the dense network, scored per task, pruned and fine-tuned.

BASE ?= scenes
include pipeline/$(BASE).mk
SCORED       = dense
SPARSE       = disparse-pretrained
CRITERION    = taylor
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = --learning-rate $(FINE_TUNE_RATE) --weight-decay 5e-4
