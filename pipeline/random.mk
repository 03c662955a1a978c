# Random pruning: the baseline that asks nobody.

include pipeline/scenes.mk
BASE      = scenes
SPARSE    = random
CRITERION = random
SCORE     =
