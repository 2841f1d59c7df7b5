"""Image files of every mode and depth: the pixels that a network sees, or a sentence with the file and its mode."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.datasets.folder import default_loader
from torchvision.transforms import functional as transform

from pruneexp.errors import UserError
from tests.contracts.image_folders import first_pixels, with_first

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
COLOUR = np.dstack([GREY, GREY.T, 255 - GREY])
OPAQUE = np.full((8, 8), 255, np.uint8)
DEEP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def seen(root: Path, suffix: str, save: Callable[[Path], object], side: int = 8) -> Tensor:
    with_first(root, suffix, save, side)
    return first_pixels(root, side)


def grey(values: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(values).expand(3, -1, -1)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("1", ".png"), ("L", ".png"), ("P", ".png"), ("RGB", ".png"), ("RGB", ".jpg"), ("L", ".jpg"), ("CMYK", ".jpg"),
     ("CMYK", ".tif"), ("YCbCr", ".tif"), ("LAB", ".tif"), ("P", ".bmp"), ("RGB", ".webp")],
)  # fmt: skip
def test_images_of_eight_bits_are_converted_as_by_torchvision(mode: str, suffix: str, tmp_path: Path) -> None:
    path = with_first(tmp_path, suffix, Image.fromarray(COLOUR).convert(mode).save)
    with Image.open(path) as stored:
        assert stored.mode == mode
    assert torch.equal(first_pixels(tmp_path), transform.pil_to_tensor(default_loader(str(path))))


def sixteen_bits(suffix: str, order: str) -> Callable[[Path], object]:
    return Image.fromarray(DEEP.astype(f"{order}u2")).save if suffix != ".pgm" else _pgm


def _pgm(path: Path) -> None:
    path.write_bytes(b"P5 256 256 65535\n" + DEEP.astype(">u2").tobytes())


@pytest.mark.parametrize(("suffix", "order"), [(".png", "<"), (".tif", "<"), (".tif", ">"), (".pgm", ">")])
def test_grey_of_sixteen_bits_is_scaled_by_its_range(suffix: str, order: str, tmp_path: Path) -> None:
    pixels = seen(tmp_path, suffix, sixteen_bits(suffix, order), side=256)
    assert torch.equal(pixels, grey(np.round(DEEP / 257).astype(np.uint8)))


def test_grey_of_twelve_bits_is_scaled_by_its_range(tmp_path: Path) -> None:
    values = (np.arange(64) * 65).reshape(8, 8)  # to 4095
    packed = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.reshape(-1, 2).tolist())

    def save(path: Path) -> None:
        tags = [(256, 8), (257, 8), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, len(packed))]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        head = struct.pack("<2sHI", b"II", 42, 8 + len(packed))
        path.write_bytes(head + packed + struct.pack("<H", len(tags)) + entries + bytes(4))

    assert torch.equal(seen(tmp_path, ".tif", save), grey(np.round(values * 255 / 4095).astype(np.uint8)))


@pytest.mark.parametrize(("mode", "values"), [("I", np.int32), ("F", np.float32)], ids=["whole numbers", "fractions"])
def test_numbers_of_32_bits_are_refused(mode: str, values: type, tmp_path: Path) -> None:
    path = with_first(tmp_path, ".tif", Image.fromarray(GREY.astype(values)).save)
    with pytest.raises(UserError, match=rf"{path} holds 32-bit numbers \(mode {mode}\)"):
        first_pixels(tmp_path)


def banded(mode: str, alpha: NDArray[np.uint8]) -> Image.Image:
    colours = Image.fromarray(GREY if mode == "LA" else COLOUR).convert("P" if mode == "PA" else mode[:-1])
    return Image.merge(mode, (*colours.split(), Image.fromarray(alpha))) if mode != "PA" else _palette(colours, alpha)


def _palette(colours: Image.Image, alpha: NDArray[np.uint8]) -> Image.Image:
    both = colours.convert("PA")
    both.putalpha(Image.fromarray(alpha))
    return both


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", ".png"), ("LA", ".png"), ("PA", ".tif"), ("RGBA", ".webp")])
def test_alpha_is_dropped_where_all_is_opaque_and_refused_elsewhere(mode: str, suffix: str, tmp_path: Path) -> None:
    holed = OPAQUE.copy()
    holed[3, 4] = 254

    def save(alpha: NDArray[np.uint8]) -> Callable[[Path], object]:
        return lambda path: banded(mode, alpha).save(path, lossless=True)

    path = with_first(tmp_path / "opaque", suffix, save(OPAQUE))
    assert torch.equal(first_pixels(tmp_path / "opaque"), transform.pil_to_tensor(default_loader(str(path))))
    if suffix == ".webp":
        holed[:4] = 0
    path = with_first(tmp_path / "holed", suffix, save(holed))
    with pytest.raises(UserError, match=rf"{path} is transparent in places \(mode {mode}\)"):
        first_pixels(tmp_path / "holed")


@pytest.mark.parametrize(
    ("picture", "unused", "used"),
    [
        (Image.fromarray(GREY), 3, 4),
        (Image.fromarray(GREY).convert("1"), None, 1),
        (Image.fromarray(COLOUR), (1, 1, 1), tuple(COLOUR[0, 0].tolist())),
        (Image.fromarray(DEEP[:8, :8]), 9, 256),
        (Image.fromarray(COLOUR).quantize(60), 77, 5),
        (Image.fromarray(COLOUR).quantize(60), b"\xff" * 60, b"\xff" * 5 + b"\x80"),
    ],
    ids=["L", "1", "RGB", "I;16", "P", "P with a table"],
)
def test_a_transparent_colour_matters_where_it_is_used(
    picture: Image.Image, unused: object, used: object, tmp_path: Path
) -> None:
    if unused is not None:
        plain = seen(tmp_path / "plain", ".png", picture.save)
        extra = seen(tmp_path / "unused", ".png", lambda path: picture.save(path, transparency=unused))
        assert torch.equal(plain, extra)
    path = with_first(tmp_path / "used", ".png", lambda path: picture.save(path, transparency=used))
    with pytest.raises(UserError, match=rf"{path} is transparent in places"):
        first_pixels(tmp_path / "used")


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "P",
        "PA",
        "LA",
        "La",
        "RGB",
        "RGBA",
        "RGBa",
        "RGBX",
        "CMYK",
        "YCbCr",
        "LAB",
        "HSV",
        "I;16",
        "I;16L",
        "I;16B",
        "I;16N",
    ],
)
def test_black_is_black_in_every_mode_that_pillow_has(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file has some of these modes; code that reads files must not depend on that."""
    black = {
        "CMYK": (0, 0, 0, 255),
        "YCbCr": (0, 128, 128),
        "LAB": (0, 128, 128),
        "La": (0, 255),
        "RGBa": (0, 0, 0, 255),
    }
    picture = Image.new(mode, (8, 8), black.get(mode, 0))
    if mode in ("PA", "LA", "RGBA"):
        picture.putalpha(255)
    with_first(tmp_path, ".png", Image.fromarray(COLOUR).save)
    monkeypatch.setattr(Image, "open", lambda file: picture)
    assert int(first_pixels(tmp_path).max()) <= 1  # of LAB, black is almost black


def test_pixels_are_taken_as_they_are_stored_for_any_exif_orientation(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[274] = 6
    pixels = seen(tmp_path, ".png", lambda path: Image.fromarray(COLOUR).save(path, exif=turned))
    assert torch.equal(pixels, torch.from_numpy(COLOUR).permute(2, 0, 1))


# --- damaged files ---


def chunk_of_nonsense(path: Path) -> None:
    content = path.read_bytes()
    place = content.index(b"IDAT")
    path.write_bytes(content[:place] + b"A\t\x84\xc1" + content[place + 4 :])


def bomb(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:16] + struct.pack(">II", 60_000, 60_000) + content[24:])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [chunk_of_nonsense, bomb, emptied])
def test_a_damaged_image_is_named_for_any_exception_of_pillow(harm: Callable[[Path], None], tmp_path: Path) -> None:
    path = with_first(tmp_path, ".png", Image.fromarray(COLOUR).save)
    harm(path)
    with pytest.raises(UserError) as caught:
        first_pixels(tmp_path)
    assert str(caught.value).startswith(f"{path} is damaged")
    assert str(caught.value).endswith("; replace or delete it")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp", ".pgm"])
def test_random_damage_leads_to_pixels_or_to_a_sentence(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4096)  # or a wrong size would cost time and memory
    path = with_first(tmp_path, suffix, Image.fromarray(COLOUR if suffix != ".pgm" else GREY).save)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    said = []
    for _ in range(30):
        content = np.frombuffer(whole, np.uint8).copy()
        content[random.integers(0, min(len(whole), 120), 3)] = random.integers(0, 256, 3, dtype=np.uint8)
        path.write_bytes(content.tobytes()[: random.integers(len(whole) // 2, len(whole) + 1)])
        try:
            first_pixels(tmp_path)
        except UserError as error:
            said.append(str(error))
    assert said
    assert [sentence for sentence in said if not sentence.startswith(str(path))] == []
