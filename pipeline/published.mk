# What the published settings have in common: the network, 90 % sparsity, and fine-tuning after it.

NETWORK       = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
SCORE_BATCHES = --batches 50
SPARSITY      = 0.9
STEPS         = 20000
TRAIN         = --learning-rate $(RATE) --weight-decay 5e-4 \
                --decay-every $(DECAY_EVERY) --decay $(DECAY)
DECAY_EVERY   = 4000
DECAY         = 0.5
# After pruning a trained network.
FINE_TUNE      = 1000
FINE_TUNE_RATE = 1e-5
# Masks that change in training: steps between two updates.
UPDATE_EVERY  = 50
EVALUATE      = --split validation --batch-size 1
