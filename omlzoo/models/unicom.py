"""UNICOM (arXiv 2304.05884), a vision transformer without class token whose head reads the tokens of all patches."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor, adopt
from omlzoo.models._transformer import Transformer

__all__ = ["unicom_vitb16", "unicom_vitb32", "unicom_vitl14"]

PARTS = ("patch_embed", "pos_embed", "blocks", "norm")


def unicom_vitb32(normalize: bool = True) -> "Unicom":
    """ViT-B/32 of UNICOM, dim 512, for 224 pixels only."""
    return Unicom(image=224, patch=32, width=768, depth=12, heads=12, dim=512, normalize=normalize)


def unicom_vitb16(normalize: bool = True) -> "Unicom":
    """ViT-B/16 of UNICOM, dim 768, for 224 pixels only."""
    return Unicom(image=224, patch=16, width=768, depth=12, heads=12, dim=768, normalize=normalize)


def unicom_vitl14(normalize: bool = True, image: int = 224) -> "Unicom":
    """ViT-L/14 of UNICOM, dim 768, for 224 or 336 pixels only.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side of the images in pixels, 224 or 336; the model accepts no other size.
    """
    return Unicom(image=image, patch=14, width=1024, depth=24, heads=16, dim=768, normalize=normalize)


class Unicom(Extractor):
    """A UNICOM vision transformer. The embedding is computed by a head from the tokens of all patches.

    The head is Linear, BatchNorm, Linear, BatchNorm. The size of its first layer determines the size of the images.

    Args:
        image: Side of the images in pixels; the model accepts no other size.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens.
        depth: Number of blocks.
        heads: Number of attention heads.
        dim: Dimension of the embedding.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    blocks: nn.Sequential
    norm: nn.Module
    pos_embed: nn.Parameter

    def __init__(
        self, *, image: int, patch: int, width: int, depth: int, heads: int, dim: int, normalize: bool = True
    ) -> None:
        super().__init__(dim, normalize)
        body = Transformer(
            grid=(image // patch, image // patch), patch=patch, width=width, depth=depth, heads=heads,
            hidden=4 * width, activation=nn.ReLU6, bias=False, epsilon=1e-5, class_token=False,
        )  # fmt: skip
        adopt(self, body, PARTS)
        self.feature = nn.Sequential(
            nn.Linear(width * (image // patch) ** 2, width, bias=False), nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, dim, bias=False), nn.BatchNorm1d(dim, eps=2e-5),
        )  # fmt: skip
        self.image = image
        self.patch = patch

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch and position embeddings, each block, and the last norm with the head."""
        return [[self.patch_embed, self.pos_embed], *([block] for block in self.blocks), [self.norm, self.feature]]

    def steps(self) -> list[Callable[[Any], Any]]:
        return [self._begin, *self.blocks, self._end]

    def _begin(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.image, self.image):
            height, width = images.shape[-2:]
            raise BadInput(
                f"images are {height} x {width} pixels; this head takes {self.image} x {self.image} only: "
                f"build the model without image_size"
            )
        tokens: Tensor = self.patch_embed.proj(images).flatten(2).transpose(1, 2) + self.pos_embed  # (B, S, width)
        return tokens

    def _end(self, tokens: Tensor) -> dict[str, Tensor]:
        tokens = self.norm(tokens)
        return {"embedding": self.feature(tokens.flatten(1)), "tokens": tokens}
