# Cityscapes as published: segmentation and depth, DiSparse before training at 90 % sparsity.
# INPUT=/path names the data set; LAYOUT is official, adashare or mtan.

include pipeline/published.mk
LAYOUT   ?= adashare
PREPARE   = cityscapes --input $(call quoted,$(INPUT)) --layout $(LAYOUT) --classes 19
BATCHES   = --batch-size 16 --crop 224x224
STEPS     = 20000
RATE      = 1e-4
TRAIN     = --learning-rate $(RATE) --weight-decay 5e-4 --decay-every 4000 --decay 0.5
