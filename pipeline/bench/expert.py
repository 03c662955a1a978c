"""The same work as our tools, as someone who knows PyTorch well would have it on a CPU."""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor

# Memory is kept rather than given back and taken anew every step, as our tools do too.
for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20)):  # MMAP_MAX, TRIM_THRESHOLD, TOP_PAD
    ctypes.CDLL(None).mallopt(option, value)

import numpy as np
import torch
from torch.fx.experimental.optimization import fuse

from networks import loss, network, targets, total_loss
from steps import arguments, images, timed


def in_precision():
    return torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16")


def compiled(function, *inputs):
    """By torch.compile where that was asked for; a sentence and the end where it cannot."""
    if not options.compile:
        return function
    result = torch.compile(function)
    try:
        result(*inputs)
    except Exception as error:
        sys.exit(f"torch.compile is not usable here: {str(error).strip().splitlines()[0]}")
    return result


def infer(net, x, y):
    """Batch-norm folded into the convolutions, dropout left out."""
    net = fuse(net.eval()).to(memory_format=torch.channels_last)
    if options.precision == "bfloat16":
        net = net.bfloat16()  # Once, not in every step by autocast.
    if options.compile:
        torch._inductor.config.freezing = True  # Weights are constants: packed once.
    with torch.no_grad(), in_precision():
        net = compiled(net, x)

    def step():
        with torch.inference_mode(), in_precision():
            net(x)

    return step


def train(net, x, y):
    """Pruned weights are 0 and stay so when their gradients are 0."""
    weights, masks = list(net.weights().values()), net.masks()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, weight_decay=5e-4, fused=True)

    def forward(x, *y):
        with in_precision():
            predictions = net(x)
        return total_loss([prediction.float() for prediction in predictions], y)

    forward = compiled(forward, x, *y)

    def step():
        optimizer.zero_grad()
        forward(x, *y).backward()
        torch._foreach_mul_([weight.grad for weight in weights], masks)
        optimizer.step()

    return step


def score(net, x, y):
    """One forward pass for all tasks, and gradients of nothing but a task's own weights."""
    net.requires_grad_(False)
    for weight in net.weights().values():
        weight.requires_grad_(True)
    own = [list(net.weights(task).values()) for task in range(len(y))]
    sums = [[torch.zeros_like(weight) for weight in weights] for weights in own]

    def step():
        with in_precision():
            predictions = net(x)
        for task, weights in enumerate(own):
            value = loss(task, predictions[task].float(), y[task])
            gradients = torch.autograd.grad(value, weights, retain_graph=task + 1 < len(own))
            with torch.no_grad():
                torch._foreach_mul_(gradients, weights)
                torch._foreach_abs_(gradients)
                torch._foreach_add_(sums[task], gradients)

    return step


class Merging:
    """Random scores, a vector per task that begins with the shared weights; tasks side by side.

    Division by their sum would not change the order of a task's scores.
    """

    def __init__(self, net, tasks):
        random = np.random.default_rng(1)
        counts = {name: weight.numel() for name, weight in net.weights().items()}
        sizes = [sum(counts[name] for name in net.weights(task)) for task in range(tasks)]
        self.shared = sum(n for name, n in counts.items() if name.startswith("backbone."))
        self.scores = [random.random(size, np.float32) for size in sizes]
        self.total = sum(counts.values())
        self.threads = ThreadPoolExecutor(options.threads)

    def merged(self, ranked, keep_ratio):
        """The mask of the backbone, and a mask per head; `ranked` has the K-th largest in its place."""
        def mask(own, ranked):
            return own >= ranked[len(own) - max(1, int(keep_ratio * len(own)))]

        masks = list(self.threads.map(mask, self.scores, ranked))
        backbone = np.logical_or.reduce([own[:self.shared] for own in masks])
        return [backbone, *(own[self.shared:] for own in masks)]


def merge(net, x, y):
    merging = Merging(net, len(y))

    def rank(own):
        return np.partition(own, len(own) - int(0.08 * len(own)))

    return lambda: merging.merged(merging.threads.map(rank, merging.scores), 0.08)


def sparsity(net, x, y):
    """Sorts once, then bisects the keep ratio."""
    merging = Merging(net, len(y))
    wanted = int(0.1 * merging.total)

    def step():
        ranked = list(merging.threads.map(np.sort, merging.scores))
        low, high, kept = 0.0, 1.0, None
        while kept != wanted and high - low > 1e-9:
            middle = (low + high) / 2
            masks = merging.merged(ranked, middle)
            kept = sum(map(np.count_nonzero, masks))
            low, high = (middle, high) if kept < wanted else (low, middle)

    return step


works = {"infer": infer, "train": train, "score": score, "merge": merge, "sparsity": sparsity}
options = arguments(__doc__, works)
net = network(options).to(memory_format=torch.channels_last)
x = torch.from_numpy(images(options)).to(memory_format=torch.channels_last)
timed(works[options.work](net, x, targets(options)), options.steps)
