"""The scan on attention and recurrent layers."""

from __future__ import annotations

from torch import Tensor, nn

from pruneexp.sensitivity.groups import groups
from tests.unit.test_sensitivity_networks import built
from tests.unit.test_sensitivity_scan import agreed, images


class Attends(nn.Module):
    """Attention over the rows of an image, then a recurrent layer over them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.recurrent = nn.GRU(8, 8, batch_first=True)
        self.last = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images.flatten(1, 2))
        x = x + self.attention(x, x, x, need_weights=False)[0]
        logits: Tensor = self.last(self.recurrent(x)[0][:, -1])
        return logits


def test_attention_and_recurrent_layers() -> None:
    net = built(Attends)
    outcomes = agreed(net, images())
    assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == 3 * len(groups(net))
