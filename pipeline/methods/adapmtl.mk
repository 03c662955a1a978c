# AdapMTL: a threshold for the shared layers and one for each head, learned in training (Xiang et al.
# 2024). No scores and no masks: training finds them.

SPARSE_TRAIN = $(TRAIN) --mode adaptive --sparsity $(SPARSITY)
