# DiSparse in training: from random masks of the Erdős–Rényi kernel; weights are dropped by magnitude
# and grown by each task's gradient.

include pipeline/scenes.mk
BASE         = scenes
SPARSE       = disparse-dynamic
CRITERION    = random
SCORE        = --joint
MERGE        = --distribution erk
UPDATES      = --update-every 20
SPARSE_TRAIN = $(TRAIN) --mode dynamic $(UPDATES)
