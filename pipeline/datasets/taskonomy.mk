# Tiny-Taskonomy at the published size and settings: five tasks.
# INPUT=/path names the data set; SPLIT and WEIGHTS are its official tables.

include pipeline/published.mk
SPLIT   ?= $(INPUT)/train_val_test_tiny.csv
WEIGHTS ?= $(INPUT)/semseg_prior_factor.npy
# In files of 20,000 images, so that an interrupted run goes on where it was.
PREPARE  = taskonomy --input $(call quoted,$(INPUT)) --split $(call quoted,$(SPLIT)) \
           --class-weights $(call quoted,$(WEIGHTS)) --shard-size 20000 --resume
BATCHES  = --batch-size 16 --crop 224x224
STEPS          = 100000
RATE           = 1e-4
DECAY_EVERY    = 12000
DECAY          = 0.3
FINE_TUNE      = 4000
FINE_TUNE_RATE = 1e-6
UPDATE_EVERY   = 250
