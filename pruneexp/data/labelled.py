"""Images and labels in memory, and a data set made of them. Knows no file format and no family."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pruneexp.data.augment import Augmentation
from pruneexp.data.dataset import Dataset
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.resident import ResidentSource
from pruneexp.data.split import stratified_split
from pruneexp.errors import UserError


@dataclass(frozen=True, eq=False)
class Labelled:
    """uint8 images (N, C, H, W) and their int64 classes (N,)."""

    images: Tensor
    labels: Tensor

    def take(self, indices: Tensor) -> Labelled:
        """Return a copy of the chosen images, in that order."""
        return Labelled(self.images.index_select(0, indices), self.labels.index_select(0, indices))


@dataclass(frozen=True, eq=False)
class Splits:
    """The three disjoint parts of a data set."""

    train: Labelled
    val: Labelled
    test: Labelled


def hold_out(official: Labelled, test: Labelled, val_images: int, name: str, train_images: int | None = None) -> Splits:
    """Hold a stratified ``val`` out of the official training images; ``test`` stays as it is.

    Of the rest ``train_images`` are trained on, stratified; all of them where it is ``None``.

    Raises:
        UserError: ``val_images`` leaves nothing to train on, or is below 1; ``train_images`` are more than are left, or
            none.
    """
    if not 1 <= val_images < len(official.labels):
        raise UserError(
            f"data.val_images is {val_images}; the {len(official.labels)} training images of data set '{name}' allow "
            f"1 to {len(official.labels) - 1}"
        )
    rest = len(official.labels) - val_images
    if train_images is not None and not 1 <= train_images <= rest:
        raise UserError(
            f"data.train_images is {train_images}; beside data.val_images={val_images} the training images of data set "
            f"'{name}' allow 1 to {rest}, or null for all"
        )
    few = [] if train_images in (None, rest) else [train_images]
    parts = stratified_split(official.labels, [val_images, *few])
    return Splits(official.take(parts[-1] if few else parts[0]), official.take(parts[1]), test)


def resident_dataset(
    name: str,
    classes: int,
    splits: Splits,
    normalisation: Normalisation,
    augmentation: Augmentation | None = None,
) -> Dataset:
    """A data set with all three splits in memory; only ``train`` has the augmentation.

    The ``repr`` of ``augmentation`` enters the fingerprint, so it must show all parameters, as a dataclass's does.

    Raises:
        UserError: the splits hold images of different shapes.
    """
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    shapes = {split: tuple(part.images.shape[1:]) for split, part in parts.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"the splits of data set '{name}' hold images of different shapes: {shapes}")
    channels, height, width = splits.train.images.shape[1:]
    arrays = {f"{split}.images": part.images.numpy() for split, part in parts.items()}
    arrays |= {f"{split}.labels": part.labels.numpy() for split, part in parts.items()}
    facts = {"name": name, "classes": classes, "normalisation": repr(normalisation), "augmentation": repr(augmentation)}
    return Dataset(
        name=name,
        classes=classes,
        shape=(channels, height, width),
        train=ResidentSource(splits.train.images, splits.train.labels, normalisation, augmentation),
        val=ResidentSource(splits.val.images, splits.val.labels, normalisation),
        test=ResidentSource(splits.test.images, splits.test.labels, normalisation),
        fingerprint=fingerprint(facts, arrays),
    )
