# DiSparse before training, and the network split where the tasks part: behind the watershed each task
# gets layers of its own.

CRITERION = static
MERGE    += --split-at watershed
