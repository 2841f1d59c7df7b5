"""Networks as people bring them, small: each does one thing that the shipped networks do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune

PIXELS = 12 * 12


def overrides(network: type[nn.Module], **arguments: Any) -> tuple[str, ...]:
    """What replaces the network of the small job, whose images are grey and 12 pixels wide."""
    given = [f"+model.{name}={value}" for name, value in arguments.items()]
    target = f"model._target_={network.__module__}.{network.__qualname__}"
    return (target, "~model.channels", "~model.image_size", "runtime.allow=[tests]", *given)


class Plain(nn.Module):
    """Two linear layers, to be changed by those below."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(PIXELS, 16), nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Any:
        return self.last(self.first(images.flatten(1)).relu())


class Keyword(Plain):
    """Takes an argument of the name that identities once gave to the digests of code."""

    def __init__(self, num_classes: int, sources: int) -> None:
        super().__init__(num_classes)
        self.sources = sources


class Convolutional(nn.Module):
    """Two convolutions, and a head on all of their outputs; ``order`` is how these become a row."""

    def __init__(self, num_classes: int, order: str = "flatten") -> None:
        super().__init__()
        self.order = order
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.head = nn.Linear(6 * 36, num_classes)

    def forward(self, images: Tensor) -> Any:
        x = functional.max_pool2d(self.conv1(images).relu(), 2)
        x = self.conv2(x).relu()
        if self.order == "view" or (self.order == "view in training" and self.training):
            return self.head(x.view(len(x), -1))
        if self.order == "memory":
            return self.head(x.as_strided((len(x), 216), (216, 1)))
        if self.order == "draws":
            x = functional.dropout(x, 0.5)  # in evaluation as well
        return self.head(x.flatten(1))


class Computed(Plain):
    """One layer's weight is computed by torch from others."""

    def __init__(self, num_classes: int, by: str) -> None:
        super().__init__(num_classes)
        if by == "pruning":
            prune.random_unstructured(self.first, "weight", 0.5)
        elif by == "a parametrization":
            parametrize.register_parametrization(self.first, "weight", Doubled())
        else:
            wraps: dict[str, Callable[[nn.Module], nn.Module]] = {
                "weight_norm": parametrizations.weight_norm,
                "spectral_norm": parametrizations.spectral_norm,
                "orthogonal": parametrizations.orthogonal,
                "the old weight_norm": nn.utils.weight_norm,
                "the old spectral_norm": nn.utils.spectral_norm,
            }
            wraps[by](self.first)


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class ByProperty(Plain):
    """A layer of the user's own whose weight is a new tensor whenever it is read."""

    class Centred(nn.Linear):
        """Keeps its weight under another name."""

        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__(inputs, outputs)
            self.raw = nn.Parameter(torch.empty(outputs, inputs).uniform_(-0.1, 0.1))
            del self._parameters["weight"]

        @property
        def weight(self) -> Tensor:  # type: ignore[override]
            return self.raw - self.raw.mean()

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.first = ByProperty.Centred(PIXELS, 16)


class Remembers(Plain):
    """Extra state in the state dict: plain data, or a tensor."""

    def __init__(self, num_classes: int, tensor: bool) -> None:
        super().__init__(num_classes)
        self.tensor = tensor

    def get_extra_state(self) -> Any:
        return torch.ones(1) if self.tensor else {"calls": 1}

    def set_extra_state(self, state: Any) -> None:
        assert isinstance(state, Tensor)


class Complex(Plain):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.first = nn.Linear(PIXELS, 16, dtype=torch.complex64)

    def forward(self, images: Tensor) -> Any:
        return self.last(self.first(images.flatten(1).to(torch.complex64)).abs())


class Sharing(nn.Module):
    """Two square layers in one piece of memory."""

    def __init__(self, num_classes: int, how: str) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(PIXELS, 16), nn.Linear(16, num_classes)
        self.there, self.back = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        if how == "one parameter":
            self.back.weight = self.there.weight
        elif how == "transposed":
            self.back.weight = nn.Parameter(self.there.weight.t())
        elif how == "expanded":
            self.back.weight = nn.Parameter(torch.ones(16, 1).expand(16, 16))
        else:  # overlapping
            both = 0.1 * torch.randn(16, 40)
            self.there.weight, self.back.weight = nn.Parameter(both[:, :16]), nn.Parameter(both[:, 10:26])

    def forward(self, images: Tensor) -> Any:
        x = self.first(images.flatten(1)).relu()
        return self.last(self.back(self.there(x).relu()).relu())


class Answering(Plain):
    """Gives something else than logits, in training alone or always."""

    def __init__(self, num_classes: int, what: str) -> None:
        super().__init__(num_classes)
        self.what = what

    def forward(self, images: Tensor) -> Any:
        logits = super().forward(images)
        if self.what == "a dict":
            return {"logits": logits}
        if self.what == "classes":
            return logits.argmax(1)
        if self.what == "no gradient":
            return logits.detach()
        return (logits, logits) if self.training else logits


class Frozen(Plain):
    def __init__(self, num_classes: int, whole: bool) -> None:
        super().__init__(num_classes)
        for parameter in (self if whole else self.first).parameters():
            parameter.requires_grad_(False)


class Lazy(nn.Module):
    """Layers that take their sizes from the first images; one may never be called. ``lazy=false``: the same."""

    def __init__(self, num_classes: int, lazy: bool = True, idle: bool = False) -> None:
        super().__init__()
        first = nn.LazyConv2d(3, 3) if lazy else nn.Conv2d(1, 3, 3)
        norm = nn.LazyBatchNorm2d() if lazy else nn.BatchNorm2d(3)
        last = nn.LazyLinear(num_classes) if lazy else nn.Linear(300, num_classes)
        self.layers = nn.Sequential(first, norm, nn.ReLU(), nn.Flatten(), last)
        if idle:
            self.idle = nn.LazyLinear(3)

    def forward(self, images: Tensor) -> Any:
        return self.layers(images)


class Empty(Plain):
    """Holds a layer without weights, and one that no code calls."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.empty, self.idle = nn.Linear(0, 3), nn.Linear(5, 5)


class Squeezing(nn.Module):
    """Loses the dimension of the batch where there is one image; ``strict``: and then fails."""

    def __init__(self, num_classes: int, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict
        self.conv, self.pool, self.head = nn.Conv2d(1, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Any:
        x = self.head(self.pool(self.conv(images).relu()).squeeze())
        return x[:, :] if self.strict else x


class Functional(Plain):
    """Uses the weight of its first layer, or of both, without calling the layer."""

    def __init__(self, num_classes: int, both: bool) -> None:
        super().__init__(num_classes)
        self.both = both

    def forward(self, images: Tensor) -> Any:
        x = functional.linear(images.flatten(1), self.first.weight, self.first.bias).relu()
        return functional.linear(x, self.last.weight, self.last.bias) if self.both else self.last(x)


class Branching(Plain):
    """Heeds the values of its activations."""

    def forward(self, images: Tensor) -> Any:
        return super().forward(images if images.mean() > 0 else -images)


class Mixed(nn.Module):
    """Attention, recurrence and bare parameters before a linear head; a scale is a vector in three dimensions."""

    def __init__(self, num_classes: int, bare: int = 1) -> None:
        super().__init__()
        self.attention, self.rows = nn.MultiheadAttention(12, 2, batch_first=True), nn.GRU(12, 8, batch_first=True)
        self.bare = nn.ParameterList([nn.Parameter(torch.eye(8)) for _ in range(bare)])
        self.scale, self.head = nn.Parameter(torch.ones(1, 1, 12)), nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Any:
        x = self.scale * images.mean(1)
        x = self.rows(x + self.attention(x, x, x, need_weights=False)[0])[0][:, -1]
        for matrix in self.bare:
            x = x @ matrix
        return self.head(x)


class Neck(nn.Module):
    """Batch normalisation after everything was pooled: one image has no variance. Fails above ``most`` images."""

    def __init__(self, num_classes: int, most: int = 1000) -> None:
        super().__init__()
        self.most = most
        self.first, self.norm, self.last = nn.Linear(PIXELS, 16), nn.BatchNorm1d(16), nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Any:
        if self.training and len(images) > self.most:
            raise RuntimeError("out of memory")
        return self.last(self.norm(self.first(images.flatten(1))).relu())


class Half(Plain):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.to(torch.bfloat16)

    def forward(self, images: Tensor) -> Any:
        return super().forward(images.to(torch.bfloat16))
