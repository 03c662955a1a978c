# IMP: the trained dense network, pruned by magnitude over all tasks together and fine-tuned.

BASE ?= scenes
include pipeline/$(BASE).mk
SCORED       = dense
SPARSE       = imp
CRITERION    = magnitude
SCORE        = --joint
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = --learning-rate $(FINE_TUNE_RATE) --weight-decay 5e-4
