"""Swin transformers (arXiv 2103.14030), the architecture of MegaDescriptor (arXiv 2311.09118)."""

from collections.abc import Callable
from typing import Any

from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor, adopt

__all__ = ["swin_b", "swin_l", "swin_s", "swin_t"]


def swin_t(normalize: bool = False) -> "Swin":
    """Swin-T, window 7, dim 768, for 224 pixels only."""
    return Swin(image=224, width=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window=7, normalize=normalize)


def swin_s(normalize: bool = False) -> "Swin":
    """Swin-S, window 7, dim 768, for 224 pixels only."""
    return Swin(image=224, width=96, depths=(2, 2, 18, 2), heads=(3, 6, 12, 24), window=7, normalize=normalize)


def swin_b(normalize: bool = False) -> "Swin":
    """Swin-B, window 7, dim 1024, for 224 pixels only."""
    return Swin(image=224, width=128, depths=(2, 2, 18, 2), heads=(4, 8, 16, 32), window=7, normalize=normalize)


def swin_l(normalize: bool = False, image: int = 224, window: int = 7) -> "Swin":
    """Swin-L, dim 1536, for 224 pixels with window 7 or for 384 pixels with window 12.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side of the images in pixels; the model accepts no other size.
        window: Side of an attention window in tokens: 7 for 224 pixels, 12 for 384 pixels.
    """
    return Swin(
        image=image, width=192, depths=(2, 2, 18, 2), heads=(6, 12, 24, 48), window=window, normalize=normalize
    )  # fmt: skip


class Swin(Extractor):
    """A Swin transformer. The embedding is the mean of the last feature map after the last norm.

    Args:
        image: Side of the images in pixels; the model accepts no other size.
        width: Dimension of the tokens of the first stage. It doubles at each further stage.
        depths: Number of blocks of each stage.
        heads: Number of attention heads of each stage.
        window: Side of an attention window in tokens.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    layers: Any
    norm: nn.Module

    def __init__(
        self,
        *,
        image: int,
        width: int,
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        window: int,
        normalize: bool = False,
    ) -> None:
        super().__init__(width * 2 ** (len(depths) - 1), normalize)
        body = SwinTransformer(
            img_size=image, embed_dim=width, depths=depths, num_heads=heads, window_size=window, num_classes=0,
            drop_path_rate=0.0,
        )  # fmt: skip
        adopt(self, body, ("patch_embed", "layers", "norm"))
        self.image = image

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch embedding, each block with the downsampling before it, if any, and the last norm."""
        blocks: list[list[nn.Module | nn.Parameter]] = []
        for layer in self.layers:
            first, *others = layer.blocks
            blocks += [[layer.downsample, first], *([block] for block in others)]
        return [[self.patch_embed], *blocks, [self.norm]]

    def steps(self) -> list[Callable[[Any], Any]]:
        blocks = [self._block(layer, index) for layer in self.layers for index in range(len(layer.blocks))]
        return [self._begin, *blocks, self._end]

    def _block(self, layer: Any, index: int) -> Callable[[Any], Any]:
        block = layer.blocks[index]
        return block if index else lambda map_: block(layer.downsample(map_))

    def _begin(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.image, self.image):
            height, width = images.shape[-2:]
            raise BadInput(
                f"images are {height} x {width} pixels; its windows fit {self.image} x {self.image} only: "
                f"build the model without image_size"
            )
        map_: Tensor = self.patch_embed(images)  # (B, h, w, C)
        return map_

    def _as_map(self, hidden: Tensor, last: Tensor) -> Tensor:
        return hidden if hidden is last else hidden.permute(0, 3, 1, 2)

    def _end(self, map_: Tensor) -> dict[str, Tensor]:
        map_ = self.norm(map_)
        return {"embedding": map_.mean(dim=(1, 2)), "map": map_.permute(0, 3, 1, 2)}
