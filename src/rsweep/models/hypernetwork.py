"""Patch kernels that a small transformer generates for the bands at hand, as in DOFA."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.models.torchvision_shim import ensure_torchvision

ensure_torchvision()

from timm.layers.patch_embed import PatchEmbedResamplerFixedOrigSize  # noqa: E402

KERNEL_PX = 16  # side of the generated kernel, resized to the patch in use
WAVE_WIDTH = 128
WEIGHT_TOKENS = 128
KERNEL_SCALE = 0.01


class WaveMixer(nn.Module):
    """Residual two-layer perceptron over the encoded wavelengths [C, 128]."""

    def __init__(self) -> None:
        super().__init__()
        self.w1 = nn.Linear(WAVE_WIDTH, WAVE_WIDTH)
        self.w2 = nn.Linear(WAVE_WIDTH, WAVE_WIDTH)

    def forward(self, waves: Tensor) -> Tensor:
        """Waves [C, 128], mixed."""
        mixed: Tensor = self.w2(self.w1(waves).relu()).relu()
        return waves + mixed


class KernelGenerator(nn.Module):
    """Transformer that turns encoded wavelengths into a patch kernel and bias.

    Args:
        width: width of a token, the kernel's number of outputs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WAVE_WIDTH, 4, activation="gelu", dropout=0.0)
        self.transformer_encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.fc_weight = nn.Linear(WAVE_WIDTH, KERNEL_PX**2 * width)
        self.fc_bias = nn.Linear(WAVE_WIDTH, width)
        self.weight_tokens = nn.Parameter(torch.randn(WEIGHT_TOKENS, WAVE_WIDTH) * 0.02)
        self.bias_token = nn.Parameter(torch.randn(1, WAVE_WIDTH) * 0.02)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [C, 16 * 16 * D] and bias [D] for bands of encoded wavelengths [C, 128]."""
        sequence = torch.cat([self.weight_tokens, waves, self.bias_token])
        read = self.transformer_encoder(sequence)
        return self.fc_weight(read[WEIGHT_TOKENS:-1] + waves), self.fc_bias(read[-1])


class GeneratedPatches(nn.Module):
    """Patch embedding with a kernel generated from encodings of the bands.

    Args:
        width: width of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight_generator = KernelGenerator(width)
        self.fclayer = WaveMixer()
        self.resize = PatchEmbedResamplerFixedOrigSize((KERNEL_PX, KERNEL_PX))

    def kernel(self, waves: Tensor, patch: int) -> tuple[Tensor, Tensor]:
        """Kernel [D, C, patch, patch] and bias [D] for bands of mixed encodings [C, 128]."""
        weights, bias = self.weight_generator(waves)
        kernel = weights.view(len(waves), KERNEL_PX, KERNEL_PX, -1).permute(3, 0, 1, 2)
        return self.resize(kernel * KERNEL_SCALE, [patch, patch]), bias * KERNEL_SCALE

    def cut(self, pixels: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        """Tokens [B, D, h, w] of pixels [B, C, H, W]; upstream pads one pixel on each side."""
        return functional.conv2d(pixels, kernel, bias, stride=kernel.shape[-1], padding=1)
