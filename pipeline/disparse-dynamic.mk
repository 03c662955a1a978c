# DiSparse in training: from random masks of the Erdős–Rényi kernel; weights are dropped by magnitude
# and grown by each task's gradient.

BASE ?= scenes
include pipeline/$(BASE).mk
SPARSE       = disparse-dynamic
CRITERION    = random
SCORE        = --joint
MERGE        = --distribution erk
UPDATES      = --update-every $(UPDATE_EVERY)
SPARSE_TRAIN = $(TRAIN) --mode dynamic $(UPDATES)
