#!/usr/bin/env python3
"""Networks as PyTorch's exporters write them, for the tests of Exchange.

  export.py small FOLDER    the fixtures that are committed: a dozen small networks
  export.py all FOLDER      many more, and real ones of torchvision and timm
  export.py check FOLDER    runs FOLDER/*.again.onnx, which the tests write from what they read, with ONNX
                            Runtime and compares with PyTorch

Beside each NAME.onnx lies NAME.safetensors: `image` (8-bit values, N×3×H×W), what PyTorch makes of it as
`output.OUTPUT`, and, where batch-norm was not folded, sum and sum of magnitudes of each parameter as
`state.PARAMETER`. The networks expect images normalised as torchvision's do.

Needs torch 2.13, torchvision, timm, onnx, onnxscript, onnxruntime and safetensors.
"""

import glob
import os
import sys
import warnings

import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore")

# torchvision's own kernels do not load beside another build of torch, and are not needed here.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    try:
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
SCALE = 1 / (torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255)


def block(inputs, outputs, stride=1, activation=nn.ReLU, dilation=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs), activation())


class UNet(nn.Module):
    """Upsampled to the size of what it is joined with."""

    def __init__(self, width=4):
        super().__init__()
        self.down = nn.ModuleList([block(3, width), block(width, 2 * width), block(2 * width, 4 * width)])
        self.up = nn.ModuleList([block(6 * width, 2 * width), block(3 * width, width)])
        self.seg = nn.Conv2d(width, 5, 1)
        self.depth = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        levels = []
        for place, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if place else x)
            levels.append(x)
        for up, skip in zip(self.up, reversed(levels[:-1])):
            x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=True)
            x = up(torch.cat([skip, x], 1))
        return self.seg(x), self.depth(x)


class SegNet(nn.Module):
    """Over a small VGG; bilinear upsampling, since no exporter writes max-unpooling."""

    def __init__(self, width=4):
        super().__init__()
        self.encoder = nn.Sequential(
            block(3, width), block(width, width), nn.MaxPool2d(2), block(width, 2 * width),
            nn.MaxPool2d(2))
        self.decoder = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), block(2 * width, width),
            nn.Upsample(scale_factor=2, mode="nearest"), nn.ConvTranspose2d(width, width, 3, 1, 1),
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x):
        return self.decoder(self.encoder(x))


class MTAN(nn.Module):
    """Attention gates over a shared encoder (Liu et al. 2019), one per task and level."""

    def __init__(self, width=6, tasks=(5, 3, 1)):
        super().__init__()
        self.first, self.second = block(3, width), block(width, 2 * width, 2)

        def gate(channels):
            return nn.Sequential(
                nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(),
                nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.Sigmoid())

        self.gates = nn.ModuleList([gate(width) for _ in tasks])
        self.deeper = nn.ModuleList([gate(2 * width) for _ in tasks])
        self.heads = nn.ModuleList([nn.Conv2d(3 * width, channels, 1) for channels in tasks])

    def forward(self, x):
        first = self.first(x)
        second = self.second(first)
        outputs = []
        for gate, deeper, head in zip(self.gates, self.deeper, self.heads):
            one = gate(first) * first
            two = deeper(second) * second
            two = F.interpolate(two, scale_factor=2, mode="bilinear", align_corners=False)
            y = head(torch.cat([one, two], 1))
            outputs.append(y)
        return tuple(outputs)


class SharedDecoder(nn.Module):
    """A decoder for two of three tasks, its weights used for both scales of a pyramid."""

    def __init__(self, width=6):
        super().__init__()
        self.stem, self.body = block(3, width, 2), block(width, width, 2, nn.SiLU)
        self.geometry = block(width, width, activation=nn.Hardswish)
        self.alone = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(2, width), nn.GELU())
        self.seg, self.normals, self.depth = (nn.Conv2d(width, c, 1) for c in (4, 3, 1))
        self.squeeze = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, width), nn.Hardsigmoid())

    def forward(self, x):
        stem = self.stem(x)
        y = self.body(stem)
        scale = self.squeeze(F.adaptive_avg_pool2d(y, 1).flatten(1))
        y = y * scale[:, :, None, None]
        shared = self.geometry(y) + F.max_pool2d(self.geometry(stem), 3, 2, 1)
        return self.seg(self.alone(y)), self.normals(shared), self.depth(shared)


class Operations(nn.Module):
    """The operations that the others have not."""

    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.layer = nn.Sequential(
            nn.Conv2d(8, 8, 3, 2, 1, groups=2, bias=False), nn.BatchNorm2d(8, 1e-3, 0.01), nn.SiLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.GELU(),
            nn.GELU(approximate="tanh"), nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU6(),
            nn.LeakyReLU(0.1), nn.Dropout(0.2))
        self.gn = nn.GroupNorm(2, 8)
        self.fc1, self.fc2 = nn.Linear(8, 4), nn.Linear(4, 8)
        self.mix = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)
        self.b2 = nn.BatchNorm2d(8)
        self.gamma = nn.Parameter(torch.rand(8, 1, 1))
        self.head = nn.Conv2d(16, 5, 1)
        self.avg = nn.AvgPool2d(3, 2, 1, count_include_pad=True)
        self.mx = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.other = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.shuffles = True

    def forward(self, x):
        a = F.relu(self.b1(self.c1(x)))
        y = self.gn(self.layer(a))
        w = torch.sigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(y, 1).flatten(1)))))
        y = y * w[:, :, None, None]
        y = y * w.view(w.size(0), -1, 1, 1) * 0.5 + 1
        y = self.mix(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        z = self.b2(self.up(y)) * self.gamma
        size = self.avg(y).shape[-2:]
        v = self.avg(y) + self.other(y) + F.interpolate(self.mx(y), size=size)
        v = F.interpolate(v, size=(y.shape[2] * 2, y.shape[3] * 2), mode="bilinear")
        u = F.interpolate(y, scale_factor=2, mode="nearest")
        p = torch.cat([z + v, u + a], 1)
        q = F.pad(p, (0, 1, 2, 3), mode="reflect")
        q = F.pad(F.pad(q, (1, 1, 1, 1), mode="replicate"), (0, 1, 0, 1), value=0.5)
        if self.shuffles:
            b, c, h, w = p.shape
            p = p.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        r, t = p.chunk(2, 1)
        p = torch.cat([t, r * torch.softmax(p, 1)[:, :8].mean([2, 3], keepdim=True)], 1)
        return self.head(p), q[:, :, 1:-3, :-1].amax((2, 3), keepdim=True)


class Features(nn.Module):
    """A feature pyramid over a backbone of timm's."""

    def __init__(self, name, width=32, **settings):
        super().__init__()
        import timm
        self.backbone = timm.create_model(name, features_only=True, **settings)
        channels = self.backbone.feature_info.channels()
        self.lateral = nn.ModuleList([nn.Conv2d(c, width, 1) for c in channels])
        self.heads = nn.ModuleList([nn.Conv2d(width, c, 3, padding=1) for c in (5, 1)])

    def forward(self, x):
        y = None
        for features, lateral in reversed(list(zip(self.backbone(x), self.lateral))):
            z = lateral(features)
            y = z if y is None else z + F.interpolate(y, size=z.shape[2:], mode="nearest")
        return tuple(head(y) for head in self.heads)


class Torchvision(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


def small_deeplab():
    from torchvision.models.segmentation.deeplabv3 import ASPP
    return nn.Sequential(
        block(3, 6, 2), block(6, 8, 2), block(8, 8, dilation=2), ASPP(8, [2, 4], 6),
        nn.Conv2d(6, 4, 1), nn.Upsample(scale_factor=4, mode="bilinear"))


def small_lraspp():
    from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
    from torchvision.models.segmentation.lraspp import LRASPPHead

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            norm = lambda channels: nn.BatchNorm2d(channels, eps=0.001, momentum=0.01)
            self.stem = block(3, 8, 2)
            self.low = InvertedResidual(InvertedResidualConfig(8, 3, 16, 8, True, "RE", 2, 1, 1), norm)
            self.high = InvertedResidual(InvertedResidualConfig(8, 5, 16, 8, True, "HS", 2, 2, 1), norm)
            self.head = LRASPPHead(8, 8, 3, 8)

        def forward(self, x):
            low = self.low(self.stem(x))
            y = self.head({"low": low, "high": self.high(low)})
            return F.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)

    return Network()


def real_networks():
    import torchvision.models.segmentation as segmentation
    plain = dict(weights=None, weights_backbone=None)
    yield "deeplab-resnet50", Torchvision(segmentation.deeplabv3_resnet50(num_classes=5, **plain)), (96, 128)
    yield "lraspp-mobilenetv3", Torchvision(segmentation.lraspp_mobilenet_v3_large(num_classes=5, **plain)), (96, 128)
    yield "efficientnet-fpn", Features("efficientnet_b0"), (64, 96)
    yield "hrnet", Features("hrnet_w18_small"), (64, 96)
    yield "mobilenetv2-fpn", Features("mobilenetv2_100"), (64, 96)
    yield "resnest", Features("resnest14d"), (64, 96)
    yield "regnet", Features("regnety_002"), (64, 96)


def small_networks():
    yield "unet", UNet(), (12, 20)
    yield "segnet", SegNet(), (12, 16)
    yield "mtan", MTAN(), (12, 16)
    yield "shared-decoder", SharedDecoder(), (16, 24)
    yield "operations", Operations(), (8, 12)
    yield "deeplab", small_deeplab(), (16, 24)
    yield "lraspp", small_lraspp(), (16, 32)


def settle(network):
    """Statistics and scales as after some training, but reproducible."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            for name in ("weight", "running_var"):
                if getattr(module, name, None) is not None:
                    getattr(module, name).data.uniform_(0.5, 1.5, generator=generator)
            for name in ("bias", "running_mean"):
                if getattr(module, name, None) is not None:
                    getattr(module, name).data.normal_(0, 0.2, generator=generator)


def export(folder, name, network, size, dynamo, opset, keeps_norm=True, dynamic=(), fresh=False,
           training=False, names=None, **settings):
    from safetensors.torch import save_file
    path = os.path.join(folder, name + ".onnx")
    if not fresh:
        settle(network)
    network.eval()
    # Two different images where the batch is open, to tell what mixes them.
    batch = 2 if "batch" in dynamic else 1
    image = torch.randint(0, 256, (batch, 3, *size), generator=torch.Generator().manual_seed(3)).float()
    x = (image - MEAN) * SCALE
    axes = {0: "n"} if "batch" in dynamic else {}
    if "size" in dynamic:
        axes |= {2: "h", 3: "w"}
    if dynamo:
        shapes = ({a: torch.export.Dim.DYNAMIC for a in axes},) if axes else None
        torch.onnx.export(network, (x,), path, dynamo=True, opset_version=opset, optimize=not keeps_norm,
                          dynamic_shapes=shapes, output_names=names, verbose=False, **settings)
    else:
        mode = torch.onnx.TrainingMode
        if training:
            network.train()
        torch.onnx.export(network, (x,), path, dynamo=False, opset_version=opset,
                          training=mode.TRAINING if training else mode.PRESERVE if keeps_norm else mode.EVAL,
                          input_names=["x"], dynamic_axes={"x": axes} if axes else None,
                          output_names=names, **settings)
        network.eval()
    import onnx
    model = onnx.load(path, load_external_data=False)
    # Of what the exporter notes on each node, kilobytes of source lines, the tests need the module.
    named = ("Conv", "ConvTranspose", "BatchNormalization", "Gemm", "MatMul", "Add", "Mul")
    for node in model.graph.node:
        kept = [(entry.key, entry.value) for entry in node.metadata_props
                if entry.key == "pkg.torch.onnx.name_scopes" and node.op_type in named]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
        node.doc_string = ""
    del model.graph.value_info[:]
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    # Exporting for training changes the running statistics.
    with torch.no_grad():
        outputs = network(x)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    tensors = {"image": image.byte()}
    for value, output in zip(model.graph.output, outputs):
        tensors["output." + value.name] = output.contiguous()
    if keeps_norm:
        for key, value in network.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                value = value.double()
                tensors["state." + key] = torch.stack([value.sum(), value.abs().sum()])
    save_file(tensors, os.path.join(folder, name + ".safetensors"))


def small(folder):
    networks = {name: (network, size) for name, network, size in small_networks()}

    def one(name, network, dynamo, opset, **settings):
        torch.manual_seed(0)
        export(folder, name, *networks[network], dynamo, opset, **settings)
        print(name, flush=True)

    one("unet-dynamo", "unet", True, 18, dynamic=("batch", "size"))
    one("unet-script", "unet", False, 17, dynamic=("batch", "size"))
    one("segnet-folded", "segnet", False, 17, keeps_norm=False)
    one("segnet-dynamo-folded", "segnet", True, 20, keeps_norm=False, dynamic=("batch",))
    one("mtan-fresh", "mtan", False, 13, fresh=True, names=["seg", "normals", "depth"])
    one("shared-decoder-training", "shared-decoder", False, 17, training=True, do_constant_folding=False)
    one("shared-decoder-dynamo", "shared-decoder", True, 18, dynamic=("batch", "size"))
    one("operations-13", "operations", False, 13, keep_initializers_as_inputs=True)
    one("operations-20", "operations", True, 20, keeps_norm=False)
    one("operations-dynamo", "operations", True, 18, dynamic=("batch",))
    one("deeplab-script", "deeplab", False, 17, dynamic=("batch",))
    one("lraspp-dynamo", "lraspp", True, 20, dynamic=("batch", "size"))


def everything(folder):
    failed = 0
    cases = [(False, 17, True, ()), (False, 13, False, ("batch", "size")), (True, 18, True, ("batch", "size")),
             (True, 20, False, ()), (False, 20, True, ("batch",)), (True, 20, True, ("batch",))]
    for number, (dynamo, opset, keeps_norm, dynamic) in enumerate(cases):
        for name, network, size in [*(real_networks() if number < 4 else ()), *small_networks()]:
            # Channels cannot be shuffled in a map of open size here.
            if name == "operations":
                network.shuffles = "size" not in dynamic
            case = "-".join([name, "dynamo" if dynamo else "script", str(opset),
                             "kept" if keeps_norm else "folded", *dynamic])
            try:
                export(folder, case, network, size, dynamo, opset, keeps_norm, dynamic)
                print(case, flush=True)
            except Exception as error:
                failed += 1
                print("not exported:", case, str(error).split("\n")[0][:200], flush=True)
    print(failed, "not exported")


def check(folder):
    import onnxruntime
    from safetensors import safe_open
    worst = 0
    again = sorted(glob.glob(os.path.join(folder, "*.again.onnx")))
    for path in again:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        with safe_open(path.replace(".again.onnx", ".safetensors"), "np") as expected:
            found = session.run(None, {"image": expected.get_tensor("image").astype("float32")})
            for output, value in zip(session.get_outputs(), found):
                wanted = expected.get_tensor("output." + output.name)
                difference = abs(value - wanted).max() / max(1, abs(wanted).max())
                worst = max(worst, difference)
                if value.shape != wanted.shape or not difference < 1e-4:
                    print(os.path.basename(path), output.name, value.shape, wanted.shape, difference)
    print(len(again), "networks; the largest difference is", worst)


if __name__ == "__main__":
    command, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    {"small": small, "all": everything, "check": check}[command](folder)
