"""What the peers have in common: their arguments, their images, and printing each step's seconds."""

import argparse
import time

import numpy as np


def arguments(description, works):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("work", choices=works)
    parser.add_argument("--weights", help="what convert-model wrote (default: initial weights)")
    parser.add_argument("--tasks", type=int, default=2, help="2 (seg, sn) or 5")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--size", type=int, default=160, help="rows and columns of an image")
    parser.add_argument("--steps", type=int, default=3, help="steps to time, after one to warm up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="torch.compile (expert.py)")
    return parser.parse_args()


def images(options):
    """Raw 8-bit values as float32, N×3×H×W."""
    shape = options.batch_size, 3, options.size, options.size
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)


def timed(step, steps):
    step()  # warm up
    for _ in range(steps):
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)
