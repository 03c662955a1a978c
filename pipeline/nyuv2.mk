# NYU-v2 at the published size and settings: segmentation and surface normals, 90 % sparsity.
# `make EXPERIMENT=nyuv2 INPUT=/path` names the folder that the data set lies in.

include pipeline/published.mk
LAYOUT   ?= adashare
PREPARE   = nyuv2 --input $(INPUT) --layout $(LAYOUT) --tasks seg,sn
BATCHES   = --batch-size 16 --crop 321x321
STEPS     = 20000
# After pruning a trained network.
FINE_TUNE = 5000
TRAIN     = --learning-rate 1e-3 --weight-decay 5e-4 --decay-every 4000 --decay 0.5
