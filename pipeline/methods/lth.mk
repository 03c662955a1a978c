# LTH: the dense network is trained, pruned by magnitude, rewound to its initial weights, and trained
# again under the masks (the lottery-ticket hypothesis, Frankle & Carbin 2019).

SCORED       = $(DENSE)
START        = $(INITIAL)
CRITERION    = magnitude
SCORE        = --joint
SPARSE_TRAIN = $(TRAIN) --allow-other-weights
