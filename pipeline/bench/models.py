"""The pruned networks to be measured: made by our tools once, and kept in data/bench/."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("TOOLS", ROOT / ".build/release"))
FOLDER = ROOT / "data/bench"


def make(path, tool, *arguments):
    print(f"making {path.name}", file=sys.stderr)
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run([TOOLS / tool, *map(str, arguments), "--quiet", "-o", path], check=True)


def scenes(tasks, count):
    path = FOLDER / f"{tasks}-tasks-{count}-scenes.h5"
    if not path.exists():
        names = ["seg", "sn", "depth", "keypoint", "edge"][:tasks]
        make(path, "prepare-data", "scenes", "--train", count, "--validation", 0, "--test", 0,
             "--height", 160, "--width", 160, "--tasks", ",".join(names))
    return path


def masks(tasks, sparsity):
    """By DiSparse before training."""
    path = FOLDER / f"{tasks}-tasks-masks-{sparsity}.h5"
    if not path.exists():
        scores = FOLDER / f"{tasks}-tasks-scores.h5"
        make(scores, "score-importance", "--data", scenes(tasks, 4), "--stages", "3,4,6,3",
             "--width", 64, "--head-width", 1024, "--batches", 2, "--batch-size", 2,
             "--no-augment")
        make(FOLDER / f"{tasks}-tasks-masks.h5", "merge-masks", scores, "--sparsity", "0.9,0.98")
        scores.unlink()
    return path


def model(tasks, sparsity, kind="h5"):
    """The published network with such masks, as .h5, .pth or .onnx."""
    path = FOLDER / f"{tasks}-tasks-{sparsity}.{kind}"
    if not path.exists():
        if kind == "h5":  # One step of training gives batch-norm its running statistics.
            make(path, "sparse-train", "--data", scenes(tasks, 4), "--masks",
                 masks(tasks, sparsity), "--steps", 1, "--batch-size", 2, "--no-augment")
        else:
            make(path, "convert-model", model(tasks, sparsity))
    return path
