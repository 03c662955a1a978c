"""Batches of a data set by h5py and torch.utils.data, as our loader's peer.

python3 loader_peer.py DATASET BATCH_SIZE WORKERS STEPS     prints the seconds of each batch
"""

import sys
import time

try:
    import h5py
except ImportError:
    sys.exit("h5py is not installed")
import numpy as np
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class Batches(Dataset):
    """A whole batch at a time, so that values are converted together and copied once."""

    def __init__(self, path):
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.tasks = {
                task: dict(file["train"][task].attrs) for task in file.attrs["tasks"]}
            self.count = len(file["train/image"])

    def __len__(self):
        return self.count

    def __getitem__(self, rows):
        if self.file is None:  # One per worker. Chunks are a sample each: nothing to keep.
            self.file = h5py.File(self.path, rdcc_nbytes=0)
            self.datasets = {name: self.file["train"][name] for name in ("image", *self.tasks)}
        batch = [self.read("image", rows)]
        for task, attributes in self.tasks.items():
            stored = self.read(task, rows)
            values, valid = stored.astype(np.float32), np.ones(stored.shape[:3], np.float32)
            if "scale_factor" in attributes:
                values *= np.float32(attributes["scale_factor"])
            if "add_offset" in attributes:
                values += np.float32(attributes["add_offset"])
            if "_FillValue" in attributes:
                missing = stored == attributes["_FillValue"]
                missing = missing.all(axis=3) if missing.ndim == 4 else missing
                valid[missing] = 0
                values[missing] = 0
            batch += [values, valid]
        return batch

    def read(self, name, rows):
        dataset = self.datasets[name]
        result = np.empty((len(rows), *dataset.shape[1:]), dataset.dtype)
        for place, row in enumerate(rows):
            dataset.read_direct(result, np.s_[row], np.s_[place])
        return result


path, batch_size, workers, steps = sys.argv[1], *map(int, sys.argv[2:])
samples = Batches(path)
order = RandomSampler(
    samples, replacement=True, num_samples=batch_size * (steps + 2 * workers + 1))
sampler = BatchSampler(order, batch_size, drop_last=True)
batches = iter(DataLoader(samples, batch_size=None, sampler=sampler, num_workers=workers))
for _ in range(2 * workers):  # those made ahead
    next(batches)
last = time.perf_counter()
for _ in range(steps):
    next(batches)
    now = time.perf_counter()
    print(now - last, flush=True)
    last = now
