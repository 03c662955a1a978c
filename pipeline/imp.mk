# IMP: the trained dense network, pruned by magnitude over all tasks together and fine-tuned.

include pipeline/scenes.mk
BASE         = scenes
SCORED       = dense
SPARSE       = imp
CRITERION    = magnitude
SCORE        = --joint
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = --learning-rate 2.5e-4 --weight-decay 5e-4
