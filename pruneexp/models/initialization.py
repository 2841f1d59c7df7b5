"""Initial weights of the shipped networks; knows only torch's layers, not the networks.

The papers' networks start from small Gaussian weights (Caffe: std 0.01), with which training needs a million images.
Weights scaled by fan-in train the same shapes on a few thousand. Two rules differ in the numerator of the variance:

- He et al. 2015 (arXiv 1502.01852, eq. 10) take 2, which keeps the second moment through a ReLU. But a max pooling
  after the ReLU raises it again, and a few poolings in a shallow network overshoot. On 4,000 digits, momentum 0.9,
  AlexNet at 67 px starts with a loss of 10 and peaks at 45 within 60 steps (learning rate 0.01), and LeNet-5 at
  learning rate 0.05 has an error of 22 % after five epochs.
- LeCun et al. 1998 ("Efficient BackProp") take 1: the same AlexNet starts with 2.4 and peaks at 2.7, the same LeNet-5
  has 3.8 %. In VGG-16 the signal would fade: logits have std 0.01 instead of 1.5.

Networks with batch normalisation keep their signal by themselves. Theirs follow the code of Liu et al. 2019, which
scales by fan-out, so that gradients keep their size on their way back.
"""

from __future__ import annotations

from typing import Literal

from torch import nn


def lecun_(network: nn.Module) -> None:
    """Draw every convolution and linear weight from N(0, 1 / fan_in), and zero the biases; see ``he_``."""
    _draw_(network, "linear")


def he_(network: nn.Module) -> None:
    """Draw every convolution and linear weight from N(0, 2 / fan_in), in registration order, and zero the biases.

    The numbers come from torch's default generator of the weights' device: seed it before building a network. Fan-in
    counts the actual inputs of one output, so a grouped convolution is scaled by its own group.
    """
    _draw_(network, "relu")


def he_fan_out_(network: nn.Module, gamma: float = 1.0, linear_std: float | None = None) -> None:
    """Draw every convolution's weight from N(0, 2 / fan_out), as Liu et al. 2019 do in networks for CIFAR.

    ``gamma`` is the first scale of batch normalisation, whose shift starts from 0. ``linear_std`` is the standard
    deviation of linear weights, whose biases then start from 0; None leaves linear layers as torch draws them.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.constant_(module.weight, gamma)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, 0.0, linear_std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _draw_(network: nn.Module, nonlinearity: Literal["linear", "relu"]) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity=nonlinearity)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
