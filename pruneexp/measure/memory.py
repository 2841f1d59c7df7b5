"""The peak of memory that a form takes, its weights included, by the measure that its program allows.

What torch allocates is counted to the byte: by the allocator of a GPU, and on a CPU by the profiler, which gives the
same number every time; scratch memory that libraries such as oneDNN take from the system escapes it. Other programs are
asked for their resident memory, in a process of their own and less what it had before they loaded the graph: twelve
megabytes of it are onnxruntime itself, so that it compares with its like alone. The highest number of
``resource.getrusage`` would not do: a process begins with that of the one that started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

#: Prints the bytes by which a graph of ONNX raises the peak of its process; arguments: graph, inputs, threads.
_GRAPH = """
import sys
import numpy, onnxruntime
def resident(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
graph, inputs, threads = sys.argv[1], numpy.load(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
before = resident("VmRSS:")
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
for _ in range(3):
    session.run(["outputs"], {"inputs": inputs})
print(resident("VmHWM:") - before)
"""


def peak_of_call(call: Callable[[], object], device: torch.device) -> int:
    """Bytes that a call takes from torch's allocator at most, beyond those that it held before."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it complains of machines without a GPU
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    assert profile.profiler is not None
    assert profile.profiler.kineto_results is not None
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def peak_of_graph(graph: Path, inputs: Tensor, threads: int) -> int | None:
    """Bytes by which running a graph of ONNX raises the peak of a process of its own; None where no system tells."""
    if not Path("/proc/self/status").exists():
        return None
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
        np.save(Path(folder) / "inputs.npy", inputs.cpu().numpy())
        words = [sys.executable, "-c", _GRAPH, str(graph), str(Path(folder) / "inputs.npy"), str(threads)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None
