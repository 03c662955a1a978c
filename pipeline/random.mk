# Random pruning: the baseline that asks nobody.

BASE ?= scenes
include pipeline/$(BASE).mk
SPARSE    = random
CRITERION = random
SCORE     =
