"""Changed images give another fingerprint, and unchanged ones are not read a second time."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pruneexp.data import digests
from pruneexp.errors import UserError
from tests.contracts.image_folders import FIRST, loaded, two_classes


@pytest.fixture(autouse=True)
def working(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with images in ``images``, whose entries count as settled at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**18))
    two_classes(tmp_path / "images", suffix=".bmp")
    return tmp_path


def fingerprint(images: Path = Path("images")) -> str:
    return loaded(images).fingerprint


def memory() -> Path:
    (found,) = Path(".pruneexp/digests").iterdir()
    return found


def rewrite(path: Path) -> None:
    """Write other pixels into the file, which keeps its size and the time of its content."""
    entry = path.stat()
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        last = file.read(3)
        file.seek(-3, os.SEEK_END)
        file.write(bytes(255 - value for value in last))
    os.utime(path, ns=(entry.st_atime_ns, entry.st_mtime_ns))
    assert path.stat().st_size == entry.st_size


@pytest.mark.parametrize("split", ["train/b/2", "val/a/0"])
def test_an_image_written_in_place_is_noticed(split: str) -> None:
    before = fingerprint()
    rewrite(Path("images", f"{split}.bmp"))
    after = fingerprint()
    assert after != before
    rewrite(Path("images", f"{split}.bmp"))
    assert fingerprint() == before


def test_an_image_replaced_by_another_of_its_size_and_time_is_noticed() -> None:
    before = fingerprint()
    path = Path(f"images/{FIRST}.bmp")
    shutil.copy2(path, "other.bmp")
    rewrite(Path("other.bmp"))
    os.replace("other.bmp", path)
    assert fingerprint() != before


def test_an_image_that_was_just_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of its clock a file system gives two versions the same times."""
    monkeypatch.setattr(digests, "SETTLED_NS", 60 * 10**9)
    fingerprint()
    with np.load(memory()) as kept:
        assert len(kept["files"]) == 0


def test_unchanged_images_are_not_read_again() -> None:
    before = fingerprint()
    with np.load(memory()) as kept:
        forged = {**kept, "digests": kept["digests"] ^ 1}
    with memory().open("wb") as file:
        np.savez(file, **forged)
    assert fingerprint() != before  # believed, so not read
    os.utime(f"images/{FIRST}.bmp")
    with np.load(memory()) as kept:
        stale = kept["digests"]
    fingerprint()
    with np.load(memory()) as kept:
        assert int((kept["digests"] != stale).any(axis=1).sum()) == 1


def test_new_images_are_read_and_the_old_ones_remembered() -> None:
    fingerprint()
    with np.load(memory()) as kept:
        before = dict(zip(kept["files"].tolist(), kept["digests"].tolist(), strict=True))
    shutil.copy(f"images/{FIRST}.bmp", "images/train/a/00.bmp")
    fingerprint()
    with np.load(memory()) as kept:
        after = dict(zip(kept["files"].tolist(), kept["digests"].tolist(), strict=True))
    assert after == before | {b"train/a/00.bmp": before[f"{FIRST}.bmp".encode()]}


def test_the_same_images_elsewhere_have_the_same_fingerprint(working: Path) -> None:
    shutil.copytree("images", "copies")
    assert fingerprint(working / "copies") == fingerprint()
    assert len(list(Path(".pruneexp/digests").iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nonsense", b"\x93NUMPY"])
def test_a_damaged_memory_is_made_anew(content: bytes) -> None:
    before = fingerprint()
    good = memory().read_bytes()
    memory().write_bytes(content)
    assert fingerprint() == before
    assert memory().stat().st_size == len(good)


def test_a_memory_of_another_make_is_made_anew() -> None:
    before = fingerprint()
    with memory().open("wb") as file:
        np.savez(file, files=np.array([b"x"]), entries=np.zeros((2, 4)), digests=np.zeros((1, 32), np.uint8))
    assert fingerprint() == before


def test_a_memory_that_cannot_be_written_is_not_missed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".pruneexp").write_text("a file where the folder belongs")
    before = fingerprint()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(digests, "_SILENT_SECONDS", 0.0)
    assert fingerprint() == before
    assert "cannot be written, so the next command reads all files again" in capsys.readouterr().err


def test_long_reading_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_SILENT_SECONDS", 0.0)
    fingerprint()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "pruneexp: 10 of 10 files in images read, to detect later changes; about 0 s left"
    assert said[1].endswith("the next command reads only changed files")
    fingerprint()
    assert capsys.readouterr().err == ""


def test_jobs_side_by_side_leave_one_whole_memory() -> None:
    with ThreadPoolExecutor(4) as jobs:
        found = set(jobs.map(lambda _: fingerprint(), range(8)))
    assert len(found) == 1
    with np.load(memory()) as kept:
        assert len(kept["files"]) == 10


def test_an_image_that_cannot_be_read_is_named(working: Path) -> None:
    path = working / f"images/{FIRST}.bmp"
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(UserError, match=f"{path} cannot be read: No such file or directory"):
        fingerprint(working / "images")
