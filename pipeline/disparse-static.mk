# DiSparse before training: each task's connection sensitivity, unanimity to prune.

include pipeline/scenes.mk
BASE   = scenes
SPARSE = disparse-static
