# DiSparse on a trained network: the dense network, scored per task, pruned and fine-tuned.

include pipeline/scenes.mk
BASE         = scenes
SCORED       = dense
SPARSE       = disparse-pretrained
CRITERION    = taylor
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = --learning-rate 2.5e-4 --weight-decay 5e-4
