"""The same work as our tools, the obvious way in PyTorch: what `make bench` measures against.

python3 peer.py score|train|merge TASKS STEPS        prints the seconds of each step
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS = {2: [18, 3], 5: [18, 3, 1, 1, 1]}
SIZE, BATCH = 160, 2


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.ds = None
        if stride != 1 or inputs != outputs:
            self.ds = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu((x if self.ds is None else self.ds(x)) + y)


class SceneNet(nn.Module):
    def __init__(self, channels, width=64, head_width=1024, stages=(3, 4, 6, 3)):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True))
        blocks, inputs = [], width
        for stage, count in enumerate(stages):
            outputs, dilation = width << stage, (1, 1, 2, 4)[stage]
            for block in range(count):
                stride = (1, 2, 1, 1)[stage] if block == 0 else 1
                blocks.append(Block(inputs, outputs, stride, dilation))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.heads = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(inputs, head_width, 3, 1, rate, rate), nn.ReLU(), nn.Dropout(0.5),
                    nn.Conv2d(head_width, head_width, 1), nn.ReLU(), nn.Dropout(0.5),
                    nn.Conv2d(head_width, c, 1))
                for rate in (6, 12, 18, 24))
            for c in channels)

    def forward(self, x):
        features = self.blocks(self.stem(x))
        return [sum(branch(features) for branch in head) for head in self.heads]


def batch(channels):
    images = torch.randn(BATCH, 3, SIZE, SIZE) * 60
    side = SIZE // 8 + 1
    targets = []
    for task, count in enumerate(channels):
        if task == 0:
            targets.append(torch.randint(0, count, (BATCH, side, side)))
        elif task == 1:
            targets.append(F.normalize(torch.randn(BATCH, 3, side, side), dim=1))
        else:
            targets.append(torch.rand(BATCH, 1, side, side))
    return images, targets


def loss(task, prediction, target):
    if task == 0:
        return F.cross_entropy(prediction, target)
    if task == 1:
        return 1 - F.cosine_similarity(prediction, target, dim=1).mean()
    return F.l1_loss(prediction, target)


def timed(step, steps):
    step()  # warm up
    for _ in range(steps):
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)


def score(channels, steps):
    network = SceneNet(channels).train()
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    sums = [[torch.zeros_like(w) for w in weights] for _ in channels]

    def step():
        images, targets = batch(channels)
        for task in range(len(channels)):
            network.zero_grad()
            loss(task, network(images)[task], targets[task]).backward()
            for total, weight in zip(sums[task], weights):
                if weight.grad is not None:
                    total += (weight * weight.grad).abs().detach()

    timed(step, steps)


def train(channels, steps):
    network = SceneNet(channels).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=5e-4)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    masks = [(torch.rand_like(w) < 0.1).float() for w in weights]

    def step():
        images, targets = batch(channels)
        with torch.no_grad():
            for weight, mask in zip(weights, masks):
                weight *= mask
        predictions = network(images)
        total = sum(
            loss(task, predictions[task], targets[task]) for task in range(len(channels)))
        optimizer.zero_grad()
        total.backward()
        for weight, mask in zip(weights, masks):
            weight.grad *= mask
        optimizer.step()

    timed(step, steps)


def merge(channels, steps):
    network = SceneNet(channels)
    weights = {n: m.weight for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    own = [
        [n for n in weights if not n.startswith("heads.") or n.startswith(f"heads.{task}.")]
        for task in range(len(channels))]
    scores = [{n: torch.rand_like(weights[n]) for n in names} for names in own]

    def step():
        merged = {}
        for task, names in enumerate(own):
            flat = torch.cat([scores[task][n].flatten() for n in names])
            flat /= flat.sum()
            total = sum(scores[task][n].sum() for n in names)
            count = int(0.08 * flat.numel())
            threshold = torch.topk(flat, count)[0][-1]
            for n in names:
                mask = (scores[task][n] / total >= threshold).float()
                merged[n] = torch.maximum(merged[n], mask) if n in merged else mask
        return merged

    timed(step, steps)


if __name__ == "__main__":
    work, tasks, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(1)
    {"score": score, "train": train, "merge": merge}[work](CHANNELS[tasks], steps)
