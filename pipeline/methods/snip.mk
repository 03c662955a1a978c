# SNIP: joint connection sensitivity before training, one ranking for all tasks (Lee et al. 2019).

CRITERION = static
SCORE    += --joint
