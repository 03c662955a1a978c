# DiSparse before training: each task's connection sensitivity, unanimity to prune.

BASE ?= scenes
include pipeline/$(BASE).mk
SPARSE = disparse-static
