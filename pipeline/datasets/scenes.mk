# The default: five tasks on rendered scenes, and a scene-net small enough for two cores.

PREPARE       = scenes --train 512 --validation 128 --test 128 --height 96 --width 128
NETWORK       = --stages 3,4,6,3 --width 16 --head-width 64 --dropout 0
BATCHES       = --batch-size 16 --no-augment
SCORE_BATCHES = --batches 32
SPARSITY      = 0.95
STEPS         = 600
RATE          = 1e-3
# expr's | is for fewer than three steps.
TRAIN         = --learning-rate $(RATE) --weight-decay 5e-4 \
                --decay-every $(shell expr $(STEPS) / 3 \| 1) --decay 0.5
# After pruning a trained network: as many steps again, so that sparse networks compare.
FINE_TUNE      = $(STEPS)
FINE_TUNE_RATE = 2.5e-4
# Masks that change in training: steps between two updates.
UPDATE_EVERY  = 20
EVALUATE      = --split validation --batch-size 1
