# RigL: as disparse-dynamic, but grown by the gradient of all tasks' weighted sum (Evci et al. 2020).

include pipeline/methods/disparse-dynamic.mk
UPDATES += --joint
