# What the published experiments have in common: the network, and DiSparse before training at 90 %
# sparsity. No experiment of its own.

NETWORK   = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
CRITERION = static
SCORE     = --batches 50
SPARSITY  = 0.9
ARBITER   = union
EVALUATE  = --split validation --batch-size 1
