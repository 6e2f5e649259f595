"""CROMA's encoders (arXiv 2311.00566), under the published keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rsweep.core.settings import NetworkSettings
from rsweep.models.croma.card import CARD, GROUPS, PATCH_PX
from rsweep.models.layers import chosen
from rsweep.models.protocol import TileBatch, TokenMaps
from rsweep.models.vit import encoder_state, run_blocks

BANDS = {"s1": 2, "s2": 12}


class FeedForward(nn.Module):
    """Perceptron of four times the width, after a norm.

    Args:
        width: width of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(width)
        self.net = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """What is added to tokens [B, N, D]."""
        change: Tensor = self.net(self.input_norm(tokens))
        return change


class Attention(nn.Module):
    """Attention of tokens to each other, after a norm.

    Args:
        width: width of a token.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input_norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """What is added to tokens [B, N, D], with a bias [1, heads, N, N] on the scores."""
        query, key, value = self.to_qkv(self.input_norm(tokens)).chunk(3, dim=-1)
        change: Tensor = self.to_out(attend(query, key, value, self.heads, bias))
        return change


class CrossAttention(nn.Module):
    """Attention of tokens to others of the same places; one norm serves both.

    Args:
        width: width of a token.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.input_norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: Tensor, bias: Tensor) -> Tensor:
        """What is added to tokens [B, N, D], of others [B, N, D]."""
        tokens, others = self.input_norm(tokens), self.input_norm(others)
        query, key, value = self.to_q(tokens), self.to_k(others), self.to_v(others)
        change: Tensor = self.to_out(attend(query, key, value, self.heads, bias))
        return change


class Block(nn.ModuleList):
    """Attention and perceptron, numbered as in the published files.

    Args:
        width: width of a token.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__([Attention(width, heads), FeedForward(width)])

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Tokens [B, N, D] after this block."""
        tokens = tokens + self[0](tokens, bias)
        found: Tensor = tokens + self[1](tokens)
        return found


class JointBlock(nn.ModuleList):
    """A block that lets radar tokens read optical ones, numbered as in the published files.

    Args:
        width: width of a token.
        heads: attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(
            [Attention(width, heads), CrossAttention(width, heads), FeedForward(width)]
        )

    def forward(self, tokens: Tensor, others: Tensor, bias: Tensor) -> Tensor:
        """Tokens [B, N, D] after this block; others [B, N, D] are the optical ones."""
        tokens = tokens + self[0](tokens, bias)
        tokens = tokens + self[1](tokens, others, bias)
        found: Tensor = tokens + self[2](tokens)
        return found


class Transformer(nn.Module):
    """Blocks and the norm after them.

    Args:
        blocks: the blocks.
        width: width of a token.
    """

    def __init__(self, blocks: Iterable[nn.Module], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(blocks)
        self.norm_out = nn.LayerNorm(width)


class Encoder(nn.Module):
    """Patches of one sensor and a transformer over them.

    Args:
        bands: number of channels.
        width: width of a token.
        depth: number of blocks.
        heads: attention heads per block.
    """

    def __init__(self, bands: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.bands = bands
        self.linear_input = nn.Linear(bands * PATCH_PX**2, width)
        self.transformer = Transformer((Block(width, heads) for _ in range(depth)), width)

    def patches(self, pixels: Tensor) -> Tensor:
        """Projected patches [B, N, D] of pixels [B, C, H, W]; a patch counts band by band."""
        kernel = self.linear_input.weight.view(-1, self.bands, PATCH_PX, PATCH_PX)
        grid = functional.conv2d(pixels, kernel, self.linear_input.bias, stride=PATCH_PX)
        return grid.flatten(2).mT.float()  # or half precision would keep the sums of blocks in half


class Croma(nn.Module):
    """The encoders that a choice of sensors needs.

    Args:
        width: width of a token.
        depth: blocks of the optical encoder; the other two have half as many.
        heads: attention heads per block.
        sensors: "s1", "s2", or both, which the joint encoder then joins.
    """

    def __init__(self, width: int, depth: int, heads: int, sensors: Sequence[str]) -> None:
        super().__init__()
        self.heads = heads
        if "s1" in sensors:
            self.s1_encoder = Encoder(BANDS["s1"], width, depth // 2, heads)
            self.s1_GAP_FFN = _head(width)
        if "s2" in sensors:
            self.s2_encoder = Encoder(BANDS["s2"], width, depth, heads)
            self.s2_GAP_FFN = _head(width)
        if len(sensors) > 1:
            blocks = (JointBlock(width, heads) for _ in range(depth // 2))
            self.joint_encoder = Transformer(blocks, width)

    def forward(self, pixels: Mapping[str, Tensor], layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, N, D] of the blocks numbered `layers` (from 1), of one sensor or of both.

        Args:
            pixels: sensor -> [B, C, H, W].
            layers: numbers of blocks.
        """
        if len(pixels) == 2:
            return self.joint(pixels["s1"], pixels["s2"], layers)
        ((sensor, only),) = pixels.items()
        return self.alone(sensor, only, layers)

    def alone(self, sensor: str, pixels: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, N, D] of a sensor's blocks numbered `layers` (from 1), before its norm.

        Args:
            sensor: "s1" or "s2".
            pixels: [B, C, H, W].
            layers: numbers of blocks.
        """
        encoder = self.s1_encoder if sensor == "s1" else self.s2_encoder
        blocks, tokens = encoder.transformer.layers, encoder.patches(pixels)
        return run_blocks(blocks, tokens, layers, bias=self.bias(pixels))

    def joint(self, radar: Tensor, optical: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Outputs [B, N, D] of the joint blocks numbered `layers`, before their norm.

        Args:
            radar: pixels [B, 2, H, W].
            optical: pixels [B, 12, H, W].
            layers: numbers of blocks from 1.
        """
        first = self._encode("s1", self.s1_encoder, radar)
        second = self._encode("s2", self.s2_encoder, optical)
        blocks, bias = self.joint_encoder.layers, self.bias(radar)
        return run_blocks(blocks, first, layers, others=second, bias=bias)

    def _encode(self, sensor: str, encoder: Encoder, pixels: Tensor) -> Tensor:
        (tokens,) = self.alone(sensor, pixels, [len(encoder.transformer.layers)])
        normed: Tensor = encoder.transformer.norm_out(tokens)
        return normed

    def bias(self, pixels: Tensor) -> Tensor:
        """Attention bias [1, heads, N, N] for pixels [B, C, H, W]: minus slope times distance.

        Distances are in patches; the slope of head h, from 1, is 2 to the power of -h / 2, as of
        16 heads.
        """
        h, w = (side // PATCH_PX for side in pixels.shape[2:])
        rows, cols = (torch.arange(n, dtype=torch.float32, device=pixels.device) for n in (h, w))
        places = torch.cartesian_prod(rows, cols)
        steps = places[:, None] - places[None]
        slopes = 2 ** (torch.arange(1, self.heads + 1, device=pixels.device) * (-8 / self.heads))
        return -slopes[None, :, None, None] * steps.square().sum(-1).sqrt()


class CromaEmbedder:
    """CROMA as an inference job runs it."""

    def __init__(self, settings: NetworkSettings) -> None:
        size = CARD.variants[settings["variant"]]
        self.sensors = sorted(settings["bands"])
        self.modality = "+".join(self.sensors)
        self.network = Croma(size.width, size.depth, size.heads, self.sensors)
        self.norm, self.head = self._ending()
        depth = size.depth if self.modality == "s2" else size.depth // 2
        self.layers = chosen(settings["layer"], depth)
        self.final_norm: bool = settings["final_norm"]

    def _ending(self) -> tuple[nn.Module, nn.Module]:
        """The norm of the encoder whose tokens are wanted, and the head on their mean."""
        if self.modality == "s1+s2":
            return self.network.joint_encoder.norm_out, nn.Identity()
        if self.modality == "s1":
            return self.network.s1_encoder.transformer.norm_out, self.network.s1_GAP_FFN
        return self.network.s2_encoder.transformer.norm_out, self.network.s2_GAP_FFN

    def rename(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The encoders that are needed, of a published file's five."""
        return encoder_state(state, self.network, ())

    @torch.inference_mode()
    def embed(self, batch: TileBatch) -> TokenMaps:
        """The map of the modality's tokens, and upstream's pooled vector."""
        pixels = {sensor: batch.pixels[sensor][:, 0] for sensor in self.sensors}
        outputs = self.network(pixels, self.layers)
        normed = [self.norm(tokens) for tokens in outputs]
        pooled = [self.head(tokens.mean(1)) for tokens in normed]
        tokens = torch.cat(normed if self.final_norm else outputs, dim=2)
        h, w = (side // PATCH_PX for side in pixels[self.sensors[0]].shape[2:])
        grid = torch.unflatten(tokens, 1, (h, w))
        return TokenMaps({GROUPS[self.modality]: grid}, {"model": torch.cat(pooled, dim=1)})


def build(settings: NetworkSettings) -> CromaEmbedder:
    """CROMA with fresh parameters."""
    return CromaEmbedder(settings)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, bias: Tensor) -> Tensor:
    """Attention [B, N, D] of heads that lie side by side in the width."""
    q, k, v = (torch.unflatten(x, -1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
    return mixed.transpose(1, 2).flatten(2)


def _head(width: int) -> nn.Sequential:
    """The perceptron that upstream puts on the mean token."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
    )
