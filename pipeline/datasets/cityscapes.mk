# Cityscapes at the published size and settings: segmentation and depth.
# INPUT=/path names the data set; LAYOUT is official, adashare or mtan.

include pipeline/published.mk
LAYOUT ?= adashare
PREPARE = cityscapes --input $(call quoted,$(INPUT)) --layout $(LAYOUT) --classes 19
BATCHES = --batch-size 16 --crop 224x224
RATE    = 1e-4
