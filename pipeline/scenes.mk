# The default experiment: five tasks on rendered scenes, a small scene-net, 90 % sparsity.

PREPARE   = scenes --train 512 --validation 128 --test 128 --height 96 --width 128 --seed $(SEED)
NETWORK   = --stages 3,4,6,3 --width 16 --head-width 64 --dropout 0
BATCHES   = --batch-size 16 --no-augment
CRITERION = static
SCORE     = --batches 32
SPARSITY  = 0.9
ARBITER   = union
STEPS     = 600
RATE      = 1e-3
# expr's | is for fewer than three steps.
TRAIN     = --learning-rate $(RATE) --weight-decay 5e-4 --decay-every $(shell expr $(STEPS) / 3 \| 1) --decay 0.5
# After pruning a trained network.
FINE_TUNE      = 200
FINE_TUNE_RATE = 2.5e-4
# Masks that change in training: steps between two updates.
UPDATE_EVERY   = 20
EVALUATE  = --split validation --batch-size 1
