# Taskonomy as published: five tasks, DiSparse before training at 90 % sparsity.
# INPUT=/path names the data set; SPLIT and WEIGHTS are its official tables.

SPLIT    ?= $(INPUT)/train_val_test_tiny.csv
WEIGHTS  ?= $(INPUT)/semseg_prior_factor.npy
# In files of 20,000 images, so that an interrupted run goes on where it was.
PREPARE   = taskonomy --input $(INPUT) --split $(SPLIT) --class-weights $(WEIGHTS) \
            --shard-size 20000 --resume
NETWORK   = --stages 3,4,6,3 --width 64 --head-width 1024 --dropout 0.5
BATCHES   = --batch-size 16 --crop 224x224
CRITERION = static
SCORE     = --batches 50
SPARSITY  = 0.9
ARBITER   = union
STEPS     = 100000
TRAIN     = --learning-rate 1e-4 --weight-decay 5e-4 --decay-every 12000 --decay 0.3
EVALUATE  = --split validation --batch-size 1
