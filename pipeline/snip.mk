# SNIP: joint connection sensitivity before training, one ranking for all tasks.

include pipeline/scenes.mk
BASE   = scenes
SPARSE = snip
SCORE  = --batches 32 --joint
