# SNIP: joint connection sensitivity before training, one ranking for all tasks.

BASE ?= scenes
include pipeline/$(BASE).mk
SPARSE = snip
SCORE += --joint
