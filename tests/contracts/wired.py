"""Small networks of every kind of wiring, and another way to find what matters in them: by values and gradients.

They are smooth, and made of linear layers and convolutions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

SHAPE = (4, 6, 6)


class Head(nn.Module):
    """``body`` before a pooling and a linear head."""

    def __init__(self, channels: int, pooled: int = 1) -> None:
        super().__init__()
        self.pool, self.head = nn.AdaptiveAvgPool2d(pooled), nn.Linear(channels * pooled**2, 3)

    def body(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pool(self.body(images)).flatten(1))
        return logits


class Skipping(Head):
    """A sum with what came before, batch normalisation, and a convolution of stride 2."""

    def __init__(self) -> None:
        super().__init__(5)
        self.first, self.second, self.third = (nn.Conv2d(n, 5, 3, padding=1) for n in (4, 5, 5))
        self.norm, self.down = nn.BatchNorm2d(5), nn.Conv2d(5, 5, 3, stride=2)

    def body(self, images: Tensor) -> Tensor:
        x = functional.softplus(self.norm(self.first(images)))
        x = x + self.third(functional.softplus(self.second(x)))
        return functional.softplus(self.down(x))


class Concatenating(Head):
    """What came before stands beside what came of it; a shuffle of channels and depthwise and grouped convolutions."""

    def __init__(self) -> None:
        super().__init__(12, 2)
        self.first, self.deep = nn.Conv2d(4, 6, 1), nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.grouped, self.shuffle = nn.Conv2d(12, 12, 1, groups=3), nn.ChannelShuffle(3)

    def body(self, images: Tensor) -> Tensor:
        x = functional.softplus(self.first(images))
        return functional.softplus(self.grouped(self.shuffle(torch.cat([x, functional.gelu(self.deep(x))], 1))))


class Gating(Head):
    """Squeeze and excitation: what is left of a channel depends on all channels."""

    def __init__(self) -> None:
        super().__init__(6)
        self.first, self.squeeze, self.excite = nn.Conv2d(4, 6, 3), nn.Conv2d(6, 3, 1), nn.Conv2d(3, 6, 1)

    def body(self, images: Tensor) -> Tensor:
        x = functional.softplus(self.first(images))
        return x * torch.sigmoid(self.excite(functional.softplus(self.squeeze(x.mean((2, 3), keepdim=True)))))


class Upsampled(Head):
    """Transposed convolutions, in groups too, and a copy of a smaller picture."""

    def __init__(self) -> None:
        super().__init__(6)
        self.first, self.up = nn.Conv2d(4, 6, 3, stride=2), nn.Conv2d(6, 6, 3)

    def body(self, images: Tensor) -> Tensor:
        x = functional.interpolate(functional.softplus(self.first(images)), scale_factor=3.0)
        return functional.softplus(self.up(x))


class Sharing(Head):
    """One layer used twice, with a normalisation across channels between."""

    def __init__(self) -> None:
        super().__init__(4)
        self.shared, self.norm = nn.Conv2d(4, 4, 1), nn.LocalResponseNorm(3, alpha=1.0)

    def body(self, images: Tensor) -> Tensor:
        return functional.softplus(self.shared(self.norm(functional.softplus(self.shared(images)))))


class Rows(nn.Module):
    """Reads an image's rows: 6 steps of 24 numbers, mapped to 6."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(24, 6), nn.Linear(6, 3)

    def steps(self, images: Tensor) -> Tensor:
        return functional.softplus(self.embed(images.transpose(1, 2).flatten(2)))


class Attending(Rows):
    """Layer normalisation and attention of two heads over the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.query, self.key, self.values, self.out = (nn.Linear(6, 6) for _ in range(4))

    def forward(self, images: Tensor) -> Tensor:
        x = self.steps(images)
        y = self.norm(x)
        query, key, values = (
            each(y).unflatten(2, (2, 3)).transpose(1, 2) for each in (self.query, self.key, self.values)
        )
        scores = (query @ key.transpose(2, 3) / 3**0.5).softmax(3)
        logits: Tensor = self.head((x + self.out((scores @ values).transpose(1, 2).flatten(2))).mean(1))
        return logits


class Remembering(Rows):
    """A recurrent layer by hand: ``lstm`` or ``gru``, as torch defines them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, gates = kind, {"lstm": 4, "gru": 3}[kind]
        self.inputs, self.hidden = nn.Linear(6, gates * 6), nn.Linear(6, gates * 6)

    def forward(self, images: Tensor) -> Tensor:
        state = cell = torch.zeros(len(images), 6, dtype=images.dtype)
        for step in self.steps(images).unbind(1):
            if self.kind == "lstm":
                i, f, g, o = (self.inputs(step) + self.hidden(state)).chunk(4, 1)
                cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
                state = o.sigmoid() * cell.tanh()
            else:
                (r, z, n), (hr, hz, hn) = self.inputs(step).chunk(3, 1), self.hidden(state).chunk(3, 1)
                update = (z + hz).sigmoid()
                state = (1 - update) * (n + (r + hr).sigmoid() * hn).tanh() + update * state
        logits: Tensor = self.head(state)
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "skipping": Skipping,
    "concatenating": Concatenating,
    "gating": Gating,
    "upsampled": Upsampled,
    "sharing": Sharing,
    "attending": Attending,
    "lstm": partial(Remembering, "lstm"),
    "gru": partial(Remembering, "gru"),
}


def prune_(network: nn.Module, density: float, seed: int) -> None:
    """Draw all parameters anew, and set matrices to zero but for this share of them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
            if parameter.ndim > 1:
                parameter.mul_(torch.rand(parameter.shape, generator=generator) < density)


def effective_by_gradients(network: nn.Module) -> dict[str, Tensor]:
    """By parameter: weights with an input that differs between two images, and a gradient there that is not zero.

    ``network`` is in double precision.
    """
    images = torch.randn(2, 2, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs: dict[nn.Module, list[Tensor]] = {}
    outputs: dict[nn.Module, list[Tensor]] = {}
    layers = {n: m for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}

    def note(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        result.retain_grad()
        inputs.setdefault(module, []).append(given[0].detach())
        outputs.setdefault(module, []).append(result)

    hooks = [layer.register_forward_hook(note) for layer in layers.values()]
    logits = torch.cat([network(batch) for batch in images])
    (logits * torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for hook in hooks:
        hook.remove()
    found: dict[str, Tensor] = {}
    for name, layer in layers.items():
        calls = len(inputs[layer]) // 2
        paths = torch.zeros_like(layer.weight)
        for one, other, result in zip(inputs[layer], inputs[layer][calls:], outputs[layer], strict=False):
            assert result.grad is not None
            differs, reads = one.ne(other).double(), result.grad.ne(0).double()
            paths += _paths(layer, differs, reads)
        found[f"{name}.weight"] = (paths > 0.5) & (layer.weight != 0)
    return found


def _paths(layer: nn.Linear | nn.Conv2d, differs: Tensor, reads: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return reads.flatten(0, -2).T @ differs.flatten(0, -2)
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    result = functional.conv2d(differs, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    (result * reads).sum().backward()
    assert weight.grad is not None
    return weight.grad
