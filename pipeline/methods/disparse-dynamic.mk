# DiSparse in training: from random masks of the Erdős–Rényi kernel; weights are dropped by magnitude
# and grown by each task's gradient (Sun et al. 2022).

CRITERION    = random
SCORE        = --joint
MERGE        = --distribution erk
UPDATES      = --update-every $(UPDATE_EVERY)
SPARSE_TRAIN = $(TRAIN) --mode dynamic $(UPDATES)
