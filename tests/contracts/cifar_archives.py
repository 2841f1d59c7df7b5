"""Archives of CIFAR in their real layout, with small generated images and the MD5 sums that belong to them."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision

Origin = type[torchvision.datasets.CIFAR10]
PER_FILE = {torchvision.datasets.CIFAR10: 40, torchvision.datasets.CIFAR100: 400}


def publish(origin: Origin, root: Path, patch: pytest.MonkeyPatch) -> None:
    """Write an archive into ``root`` and give torchvision its sums, so that it is checked as the real one is."""
    random = np.random.default_rng(0)
    classes, key = (10, "labels") if origin is torchvision.datasets.CIFAR10 else (100, "fine_labels")
    count = PER_FILE[origin]
    files = {str(origin.meta["filename"]): pickle.dumps({origin.meta["key"]: [f"class {c}" for c in range(classes)]})}
    for name, _ in (*origin.train_list, *origin.test_list):
        pixels = random.integers(0, 256, (count, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": pixels, key: [i % classes for i in range(count)]})
    sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    with tarfile.open(root / origin.filename, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{origin.base_folder}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    patch.setattr(origin, "train_list", [[name, sums[name]] for name, _ in origin.train_list])
    patch.setattr(origin, "test_list", [[name, sums[name]] for name, _ in origin.test_list])
    patch.setattr(origin, "meta", origin.meta | {"md5": sums[str(origin.meta["filename"])]})
    patch.setattr(origin, "tgz_md5", hashlib.md5((root / origin.filename).read_bytes()).hexdigest())
