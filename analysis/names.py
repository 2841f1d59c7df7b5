"""How people write the names of networks, data sets and other choices, and counts, for everything that is to be read.

Records, CSV files and command lines keep the names that are typed; so do choices of a user's own. Knows no record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

#: By column of the records, then by the value there.
DISPLAY_NAMES: Mapping[str, Mapping[str, str]] = {
    "model": {
        "lenet_300_100": "LeNet-300-100",
        "lenet5": "LeNet-5",
        "alexnet": "AlexNet",
        "alexnet_torchvision": "AlexNet (torchvision)",
        "vgg16": "VGG-16",
        "vgg16_torchvision": "VGG-16 (torchvision)",
        "vgg_small": "VGG (small)",
        "vgg16_cifar": "VGG-16 (CIFAR)",
        "vgg16_cifar_a": "VGG-16-A",
        "vgg19_cifar": "VGG-19",
        "resnet20": "ResNet-20",
        "resnet56": "ResNet-56",
        "resnet56_a": "ResNet-56-A",
        "resnet56_b": "ResNet-56-B",
        "resnet110": "ResNet-110",
        "resnet110_a": "ResNet-110-A",
        "resnet110_b": "ResNet-110-B",
        "preresnet110": "PreResNet-110",
        "preresnet164": "PreResNet-164",
        "densenet40": "DenseNet-40",
        "densenet_bc_100": "DenseNet-BC-100",
        "faster_rcnn": "Faster R-CNN",
        "faster_rcnn_small": "Faster R-CNN (small)",
        "lstm": "LSTM",
        "transformer": "Transformer",
        "neuraltalk": "NeuralTalk",
    },
    "data": {
        "mnist": "MNIST",
        "mnist5k": "MNIST (5,000 digits)",
        "fashion_mnist": "Fashion-MNIST",
        "cifar10": "CIFAR-10",
        "cifar100": "CIFAR-100",
        "imagenet": "ImageNet",
        "voc2007": "PASCAL VOC 2007",
        "topics": "Python's help topics",
        "caption_shapes": "made-up scenes",
    },
    "reg": {
        "none": "no penalty",
        "l1": "L1",
        "l2": "L2",
        "l1_then_l2": "L1 then L2",
        "l1_and_l2": "L1 and L2",
        "weight_decay": "weight decay",
    },
    "criterion": {
        "erk": "ERK",
        "lamp": "LAMP",
        "n_of_m": "N:M",
        "snip": "SNIP",
        "guided": "guided pruning",
        "guided_weights": "guided sparsifying",
    },
    "schedule": {"one_shot": "one-shot"},
    "mode": {
        "prune": "fine-tuning",
        "rewind": "weight rewinding",
        "lr_rewind": "LR rewinding",
        "scratch_e": "Scratch-E",
        "scratch_b": "Scratch-B",
        "scratch_b_retraining": "Scratch-B and retraining",
    },
}


def display_name(column: str, value: object) -> str:
    """How people write a value of a column of the records: ``LeNet-5`` for ``lenet5`` of ``model``."""
    text = str(value)
    return DISPLAY_NAMES.get(column, {}).get(text, text)


def display_subject(model: str, data: str) -> str:
    """``LeNet-5 on MNIST (5,000 digits)``."""
    return f"{display_name('model', model)} on {display_name('data', data)}"


def counted(count: int, noun: str) -> str:
    """``1 curve``, ``3 curves``, ``2 searches``."""
    ending = "" if count == 1 else "es" if noun.endswith("ch") else "s"
    return f"{count} {noun}{ending}"


def extent(values: Iterable[float]) -> str:
    """The lowest and the highest of several: ``3 to 5``; ``3`` where they are the same."""
    each = list(values)
    low, high = min(each), max(each)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def listed(texts: Sequence[str], most: int, between: str = ", ") -> str:
    """``a, b, c and 2 more``: no more than ``most`` by themselves."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return between.join(texts[:most]) + more
