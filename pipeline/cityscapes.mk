# Cityscapes as published: segmentation and depth, DiSparse before training at 90 % sparsity.
# INPUT=/path names the data set; LAYOUT is official, adashare or mtan.

LAYOUT   ?= adashare
PREPARE   = cityscapes --input $(INPUT) --layout $(LAYOUT) --classes 19
NETWORK   = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
BATCHES   = --batch-size 16 --crop 224x224
CRITERION = static
SCORE     = --batches 50
SPARSITY  = 0.9
ARBITER   = union
STEPS     = 20000
TRAIN     = --learning-rate 1e-4 --weight-decay 5e-4 --decay-every 4000 --decay 0.5
EVALUATE  = --split validation --batch-size 1
