# What the published experiments have in common: the network, DiSparse before training at 90 %
# sparsity, and fine-tuning after it. No experiment of its own.

NETWORK   = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
CRITERION = static
SCORE     = --batches 50
SPARSITY  = 0.9
ARBITER   = union
EVALUATE  = --split validation --batch-size 1
# After pruning a trained network.
FINE_TUNE      = 1000
FINE_TUNE_RATE = 1e-5
# Masks that change in training: steps between two updates.
UPDATE_EVERY   = 50
