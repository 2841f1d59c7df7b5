"""One image file of any format as 8-bit RGB. Knows Pillow, but no data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pruneexp.data import fetch
from pruneexp.errors import UserError

Colour = tuple[int, int, int]

_BITS_PER_SAMPLE = 258  # a TIFF tag; Pillow reads 12 bits per pixel as mode I;16 too


def read_rgb(path: Path, background: Colour | None = None) -> Image.Image:
    """The first frame of an image file, in mode RGB.

    Grey of 16 bits (in TIFF also of 12) is scaled to 8 by the range of its bits, so a file of 16 bits that uses 12 of
    them is dark. Pillow converts every other mode. What is transparent shows ``background``. An orientation in EXIF
    is ignored: pixels are taken as the file stores them.

    Raises:
        UserError: the file cannot be read or is damaged; it is not opaque, and no background is given; or it holds
            32-bit numbers, which have no known range to scale to 8 bits.
    """
    with fetch.reading(path, "replace or delete it"), path.open("rb") as file, Image.open(file) as image:
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
            return _scaled(image, path, background)
        if image.mode in ("I", "F"):
            raise UserError(
                f"{path} holds 32-bit numbers (mode {image.mode}), and which of them is white is not known; save it "
                "with 8 or 16 bits per pixel"
            )
        if image.has_transparency_data:
            return _opaque(image, path, background)
        return image.convert("RGB")


def _scaled(image: Image.Image, path: Path, background: Colour | None) -> Image.Image:
    grey = np.asarray(image).astype(np.int64)
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    white = 2**bits - 1
    whole = Image.fromarray(((grey * 255 + white // 2) // white).astype(np.uint8)).convert("RGBA")
    clear = grey == image.info.get("transparency", -1)
    whole.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
    return _on(whole, background, path, image.mode)


def _opaque(image: Image.Image, path: Path, background: Colour | None) -> Image.Image:
    mode, transparent = image.mode, image.info.get("transparency")
    if mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:  # of 16 bits; the pixels have 8
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    whole = (image.convert("LA") if mode == "La" else image).convert("RGBA")
    return _on(whole, background, path, mode)


def _on(whole: Image.Image, background: Colour | None, path: Path, mode: str) -> Image.Image:
    """An RGBA image without its alpha channel: on a background, unless all of it is opaque."""
    if whole.getchannel("A").getextrema() == (255, 255):
        return whole.convert("RGB")
    if background is None:
        raise _transparent(path, mode)
    return Image.alpha_composite(Image.new("RGBA", whole.size, (*background, 255)), whole).convert("RGB")


def _transparent(path: Path, mode: str) -> UserError:
    return UserError(
        f"{path} is transparent in places (mode {mode}), and its background is not known; save it as RGB on a "
        "background of your choice"
    )
