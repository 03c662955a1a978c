# Makes the files of this folder, with PyTorch 2.13: python3 make.py

import argparse
import collections
import torch


def numbers(dtype, *shape):
    count = torch.Size(shape).numel()
    return (torch.arange(count) - 2).to(dtype).reshape(shape)


def tensors():
    wide = numbers(torch.float32, 4, 6)
    return collections.OrderedDict(
        float32=numbers(torch.float32, 2, 3),
        float64=numbers(torch.float64, 2, 3) / 4,
        float16=numbers(torch.float16, 2, 3) / 4,
        bfloat16=numbers(torch.bfloat16, 2, 3) / 4,
        int64=torch.tensor(1 << 40),
        int32=numbers(torch.int32, 3),
        int16=numbers(torch.int16, 3),
        int8=numbers(torch.int8, 3),
        uint8=numbers(torch.uint8, 3),
        bool=torch.tensor([True, False, True]),
        complex64=torch.ones(2, dtype=torch.complex64),
        empty=torch.zeros(0, 3),
        channels_last=numbers(torch.float32, 1, 2, 2, 3).to(memory_format=torch.channels_last),
        view=wide[1:3, ::2].t(),
        tied=wide,
        expanded=torch.ones(1, 1).expand(2, 3),
    )


class Python2Dict:
    """Pickled as Python 2 does an OrderedDict."""

    def __reduce__(self):
        return collections.OrderedDict, ([["weight", numbers(torch.float32, 3)], ["size", 7]],)


torch.save(tensors(), "types.pth")
old = {name: tensor for name, tensor in tensors().items() if not tensor.is_complex()}
torch.save({**old, "count": 3, 5: "five"}, "old.pth", _use_new_zipfile_serialization=False)
torch.save({"a": torch.ones(2, dtype=torch.complex64)}, "complex.pth", _use_new_zipfile_serialization=False)
torch.save(Python2Dict(), "python2.pth", _use_new_zipfile_serialization=False)
torch.save(torch.nn.Sequential(torch.nn.Linear(1, 1)), "module.pth")
torch.save({"epoch": 3}, "empty.pth")
torch.jit.script(torch.nn.Linear(1, 1)).save("script.pt")

module = torch.nn.DataParallel(torch.nn.BatchNorm2d(2))
checkpoint = {
    "epoch": 3,
    "arguments": argparse.Namespace(rate=0.1, names={"a", "b"}, bytes=b"\x80", large=1 << 70),
    "state_dict": module.state_dict(),
    "optimizer": torch.optim.Adam(module.parameters()).state_dict(),
    "seen": {1, 2},
    "best": 0.5,
}
torch.save(checkpoint, "checkpoint.pth")
for protocol in (3, 4, 5):
    checkpoint = {"model": module.state_dict(), "parameter": torch.nn.Parameter(torch.ones(1))}
    torch.save(checkpoint, f"protocol{protocol}.pth", pickle_protocol=protocol)

torch.serialization.set_crc32_options(False)
torch.save(tensors(), "unchecked.pth")
