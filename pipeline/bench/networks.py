"""The published network and the tasks' losses in PyTorch, for the peers.

Parameters have the names of our scene-net, so that what `convert-model model.h5 -o weights.pth`
writes loads as it is; pruned weights are 0 there.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS = {2: [18, 3], 5: [18, 3, 1, 1, 1]}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, dilation):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x, residual):
        return self.relu(residual + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class Backbone(nn.Module):
    def __init__(self, stages, width):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.blocks, self.ds = nn.ModuleList(), nn.ModuleDict()
        inputs = width
        for stage, count in enumerate(stages):
            outputs, stride, dilation = width << stage, (1, 2, 1, 1)[stage], (1, 1, 2, 4)[stage]
            if stage > 0:
                self.ds[str(stage)] = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            first = Block(inputs, outputs, stride, dilation)
            others = [Block(outputs, outputs, 1, dilation) for _ in range(count - 1)]
            self.blocks.append(nn.ModuleList([first, *others]))
            inputs = outputs

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage, blocks in enumerate(self.blocks):
            for index, block in enumerate(blocks):
                x = block(x, self.ds[str(stage)](x) if stage > 0 and index == 0 else x)
        return x


def branch(inputs, width, outputs, rate):
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(inputs, width, 3, 1, rate, rate), relu1=nn.ReLU(inplace=True),
        dropout1=nn.Dropout(0.5), conv2=nn.Conv2d(width, width, 1), relu2=nn.ReLU(inplace=True),
        dropout2=nn.Dropout(0.5), conv3=nn.Conv2d(width, outputs, 1)))


class SceneNet(nn.Module):
    """From raw 8-bit RGB values, N×3×H×W, to a prediction per task."""

    def __init__(self, channels, stages=(3, 4, 6, 3), width=64, head_width=1024):
        super().__init__()
        self.mean = torch.tensor([104.00698793, 116.66876762, 122.67891434]).view(3, 1, 1)
        self.backbone = Backbone(stages, width)
        self.heads = [
            [f"task{task}_fc1_c{index}" for index in range(4)]
            for task in range(1, len(channels) + 1)]
        for names, outputs in zip(self.heads, channels):
            for name, rate in zip(names, (6, 12, 18, 24)):
                self.add_module(name, branch(8 * width, head_width, outputs, rate))

    def forward(self, images):
        features = self.backbone(images.flip(1) - self.mean)  # BGR
        return [sum(getattr(self, name)(features) for name in names) for names in self.heads]

    def weights(self, task=None):
        """By name, those that can be pruned: of all layers, or of the layers that a task's loss reaches."""
        return {
            f"{name}.weight": layer.weight for name, layer in self.named_modules()
            if isinstance(layer, nn.Conv2d)
            and (task is None or name.startswith(("backbone.", f"task{task + 1}_")))}

    def masks(self):
        return [(weight != 0).to(weight.dtype) for weight in self.weights().values()]


def network(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    result = SceneNet(CHANNELS[options.tasks])
    if options.weights:
        result.load_state_dict(torch.load(options.weights, weights_only=True))
    return result


def targets(options):
    """At the predictions' size."""
    count, side = options.batch_size, options.size // 8 + 1
    return [
        torch.randint(0, channels, (count, side, side)) if task == 0 else
        F.normalize(torch.randn(count, 3, side, side), dim=1) if task == 1 else
        torch.rand(count, 1, side, side)
        for task, channels in enumerate(CHANNELS[options.tasks])]


def loss(task, prediction, target):
    if task == 0:
        return F.cross_entropy(prediction, target)
    if task == 1:
        return 1 - F.cosine_similarity(prediction, target, dim=1).mean()
    return F.l1_loss(prediction, target)


def total_loss(predictions, targets):
    return sum(loss(task, *pair) for task, pair in enumerate(zip(predictions, targets)))
