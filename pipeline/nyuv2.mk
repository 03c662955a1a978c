# NYU-v2 at the published size and settings: segmentation and surface normals, 90 % sparsity.
# `make EXPERIMENT=nyuv2 INPUT=/path` names the folder that the data set lies in.

include pipeline/published.mk
LAYOUT   ?= adashare
PREPARE   = nyuv2 --input $(call quoted,$(INPUT)) --layout $(LAYOUT) --tasks seg,sn
BATCHES   = --batch-size 16 --crop 321x321
STEPS     = 20000
RATE      = 1e-3
TRAIN     = --learning-rate $(RATE) --weight-decay 5e-4 --decay-every 4000 --decay 0.5
