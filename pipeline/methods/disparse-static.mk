# DiSparse before training: each task's connection sensitivity, unanimity to prune (Sun et al. 2022).

CRITERION = static
