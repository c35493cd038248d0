"""4D convolution, the 4D CNN and its peers, behind one registry."""

from .cnn4d import CNN4d
from .conv4d import Conv4d, conv4d_loop
from .registry import NETWORKS, build_network, initialise_paper

__all__ = ["NETWORKS", "CNN4d", "Conv4d", "build_network", "conv4d_loop", "initialise_paper"]
