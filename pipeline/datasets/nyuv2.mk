# NYU-v2 at the published size and settings: segmentation and surface normals.
# INPUT=/path names the data set; LAYOUT is official, adashare or mtan.

include pipeline/published.mk
LAYOUT ?= adashare
PREPARE = nyuv2 --input $(call quoted,$(INPUT)) --layout $(LAYOUT) --tasks seg,sn
BATCHES = --batch-size 16 --crop 321x321
RATE    = 1e-3
