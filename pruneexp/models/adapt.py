"""Images resized to fit a network, batch by batch on their device; knows neither data sets nor networks by name."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pruneexp.errors import UserError


def input_shape_of(network: nn.Module, data_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The (C, H, W) in a network's attribute ``input_shape``, or the data's own shape if it has none.

    Raises:
        UserError: the attribute is not three positive integers, or the data are no images.
    """
    shape = getattr(network, "input_shape", None)
    if shape is None:
        return data_shape
    try:
        channels, height, width = (int(side) for side in shape)
    except (TypeError, ValueError):
        channels = height = width = 0
    if min(channels, height, width) < 1:
        raise UserError(
            f"{type(network).__name__}.input_shape is {shape!r}, "
            "must be three positive integers (channels, height, width)"
        )
    if len(data_shape) != 3:
        raise UserError(
            f"{type(network).__name__} takes images of shape {(channels, height, width)}, and the data have inputs of "
            f"shape {data_shape}: choose a network without input_shape, or images"
        )
    return channels, height, width


def adapt(images: Tensor, input_shape: tuple[int, ...]) -> Tensor:
    """Resize a batch (B, c, h, w) to (B, C, H, W), bilinearly, without antialiasing; repeat grey C times.

    Returns a batch that already fits unchanged; the repeated channels share memory.

    Raises:
        UserError: the images have several channels, and the network takes another number of them.
    """
    channels, height, width = input_shape
    if images.shape[1] not in (1, channels):
        raise UserError(
            f"the images have {images.shape[1]} channels and the network takes {channels}: "
            f"only grey images can be expanded, so build the network with channels={images.shape[1]}"
        )
    if images.shape[2:] != (height, width):
        images = functional.interpolate(images, (height, width), mode="bilinear", align_corners=False, antialias=False)
    return images if images.shape[1] == channels else images.expand(-1, channels, -1, -1)
