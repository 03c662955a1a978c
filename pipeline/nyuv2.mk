# NYU-v2 at the published size and settings: segmentation and surface normals, 90 % sparsity.
# `make EXPERIMENT=nyuv2 INPUT=/path` names the folder that the data set lies in.

LAYOUT   ?= adashare
PREPARE   = nyuv2 --input $(INPUT) --layout $(LAYOUT) --tasks seg,sn
NETWORK   = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
BATCHES   = --batch-size 16 --crop 321x321
CRITERION = static
SCORE     = --batches 50
SPARSITY  = 0.9
ARBITER   = union
STEPS     = 20000
# After pruning a trained network.
FINE_TUNE = 5000
TRAIN     = --learning-rate 1e-3 --weight-decay 5e-4 --decay-every 4000 --decay 0.5
EVALUATE  = --split validation --batch-size 1
