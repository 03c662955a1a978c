# Random pruning: the baseline that asks nobody.

CRITERION = random
SCORE     =
