"""The same work as our tools, the obvious way in PyTorch."""

import torch

from networks import loss, network, targets, total_loss
from steps import arguments, images, timed


def infer(net, x, y):
    net.eval()

    def step():
        with torch.no_grad():
            net(x)

    return step


def train(net, x, y):
    weights, masks = list(net.weights().values()), net.masks()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, weight_decay=5e-4)

    def step():
        with torch.no_grad():
            for weight, mask in zip(weights, masks):
                weight *= mask
        optimizer.zero_grad()
        total_loss(net(x), y).backward()
        for weight, mask in zip(weights, masks):
            weight.grad *= mask
        optimizer.step()

    return step


def score(net, x, y):
    weights = list(net.weights().values())
    sums = [[torch.zeros_like(weight) for weight in weights] for _ in y]

    def step():
        for task, target in enumerate(y):
            net.zero_grad()
            loss(task, net(x)[task], target).backward()
            for total, weight in zip(sums[task], weights):
                if weight.grad is not None:
                    total += (weight * weight.grad).abs().detach()

    return step


def merge(net, x, y):
    """At a keep ratio of 0.08."""
    scores = [
        {name: torch.rand_like(weight) for name, weight in net.weights(task).items()}
        for task in range(len(y))]

    def step():
        merged = {}
        for own in scores:
            flat = torch.cat([s.flatten() for s in own.values()])
            flat /= flat.sum()
            total = sum(s.sum() for s in own.values())
            threshold = torch.topk(flat, int(0.08 * flat.numel()))[0][-1]
            for name, s in own.items():
                mask = (s / total >= threshold).float()
                merged[name] = torch.maximum(merged[name], mask) if name in merged else mask

    return step


works = {"infer": infer, "train": train, "score": score, "merge": merge}
options = arguments(__doc__, works)
net = network(options)
step = works[options.work](net, torch.from_numpy(images(options)), targets(options))
timed(step, options.steps)
