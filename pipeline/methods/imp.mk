# IMP: the trained dense network, pruned by magnitude over all tasks together and fine-tuned (Han et
# al. 2015).

SCORED       = $(DENSE)
CRITERION    = magnitude
SCORE        = --joint
SPARSE_STEPS = $(FINE_TUNE)
SPARSE_TRAIN = $(FINE_TUNING)
