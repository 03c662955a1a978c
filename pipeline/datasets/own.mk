# One's own data set: `make all DATASET=own DATA=/path/to/dataset.h5`. The settings are those of the
# scenes, but images are scaled, mirrored and cropped in training.

include pipeline/datasets/scenes.mk
PREPARE =
BATCHES = --batch-size 16
