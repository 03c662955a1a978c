"""Batches of a data set by h5py and torch.utils.data: what `make bench` measures our loader against.

python3 loader_peer.py DATASET BATCH_SIZE WORKERS STEPS     prints the seconds of each batch
"""

import sys
import time

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset


class Samples(Dataset):
    """As large as asked for, over and over the same samples; a file per worker."""

    def __init__(self, path, size):
        self.path, self.size, self.file = path, size, None
        with h5py.File(path) as file:
            self.tasks = list(file.attrs["tasks"])
            self.count = len(file["train/image"])

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.file = self.file or h5py.File(self.path)
        train = self.file["train"]
        index %= self.count
        result = [torch.from_numpy(train["image"][index])]
        for task in self.tasks:
            target = train[task]
            stored = target[index]
            values = stored.astype(np.float32)
            scale, offset = target.attrs.get("scale_factor", 1), target.attrs.get("add_offset", 0)
            if scale != 1 or offset != 0:
                values = values * np.float32(scale) + np.float32(offset)
            valid = np.ones(stored.shape[:2], np.float32)
            if "_FillValue" in target.attrs:
                missing = stored == target.attrs["_FillValue"]
                missing = missing.all(axis=2) if missing.ndim == 3 else missing
                valid[missing] = 0
                values[missing] = 0
            result += [torch.from_numpy(values), torch.from_numpy(valid)]
        return result


path, batch_size, workers, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
samples = Samples(path, batch_size * (steps + 2 * workers + 1))
batches = iter(DataLoader(samples, batch_size, num_workers=workers))
for _ in range(2 * workers):  # those made ahead
    next(batches)
last = time.perf_counter()
for _ in range(steps):
    next(batches)
    now = time.perf_counter()
    print(now - last, flush=True)
    last = now
