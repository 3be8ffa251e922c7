"""Heads that only training has and that look at patches: they are called with the body and its images."""

import torch
from torch import Tensor, nn

from omlzoo.models._extractor import Extractor
from omlzoo.models._heads import Perceptron, PrototypeHead
from omlzoo.models._masking import block_masks, hidden_patches, patch_rows, visible_patches
from omlzoo.models._staged import as_grid
from omlzoo.models._transformer_blocks import Attention, Block, Mlp

__all__ = ["LabelledPatches", "MaskedPrototypes", "OverPatches", "PatchProjector", "PixelDecoder", "grid_positions"]


class OverPatches(nn.Module):
    """The base class of heads that are called with the body and images (B, 3, H, W) and return rows (B, D).

    What belongs to a picture stands side by side in its row, so that a batch can be cut and gathered as any other.
    """

    def forward(self, body: Extractor, images: Tensor) -> Tensor:
        raise NotImplementedError


class PatchProjector(OverPatches):
    """Projections of the embedding and of every place of the feature map (DenseCL, arXiv 2011.09157).

    A row has the embedding's projection, those of the S places, and the S places as they are, without gradients.

    Args:
        width: Dimension of the embedding.
        patch_width: Dimension of the feature map.
        hidden: Dimension of the hidden layers; None is that of what they take.
        dim: Dimension of the projections.
    """

    def __init__(self, width: int, patch_width: int, hidden: int | None, dim: int) -> None:
        super().__init__()
        self.whole, self.cells = (
            Perceptron([given, hidden or given, dim], norm=False, bias=True, last_bias=True)
            for given in (width, patch_width)
        )

    def forward(self, body: Extractor, images: Tensor) -> Tensor:
        outputs = body.features(images)
        cells = as_grid(outputs, images).flatten(2).transpose(1, 2)  # (B, S, width)
        projected = self.cells(cells)
        parts = [self.whole(outputs["embedding"]), projected.flatten(1), cells.detach().flatten(1).to(projected.dtype)]
        return torch.cat(parts, dim=1)


class LabelledPatches(OverPatches):
    """The embedding, every patch or place of the feature map, and its label, for losses over labels of patches.

    It is called with images (B, 4, H, W), the last of them the labels of the pixels. A row has the embedding, the
    vectors of the S patches (S x patch_width), and their labels (S), those of the pixels at their middles.

    Args:
        patch_width: Dimension of the patches.
    """

    def __init__(self, patch_width: int) -> None:
        super().__init__()
        self.patch_width = patch_width

    def forward(self, body: Extractor, images: Tensor) -> Tensor:
        pictures = images[:, :3].contiguous(memory_format=torch.channels_last)
        outputs = body.features(pictures)
        cells = as_grid(outputs, pictures)
        labels = nn.functional.interpolate(images[:, 3:].float(), cells.shape[2:], mode="nearest-exact")
        vectors = cells.flatten(2).transpose(1, 2).flatten(1)  # (B, S x width)
        return torch.cat([outputs["embedding"], vectors, labels.flatten(1)], dim=1)


class MaskedPrototypes(OverPatches):
    """Cosines of the embedding and of every patch to prototypes, with some patches hidden (iBOT, arXiv 2111.07832).

    A row has the cosines of the embedding (K), the embedding where it is asked for, the cosines of the patches (S x K)
    and which of them were hidden (S), as 0 and 1. Patches are hidden in training mode only. Images with another number
    of patches are small views: nothing is hidden, and the row ends before the patches.

    Args:
        widths: The dimension of the embedding, of the head's hidden layers, and of the bottleneck.
        patch_width: Dimension of the tokens.
        prototypes: K.
        count: S, the number of patches of images that are no small views.
        chance: Share of the images that have hidden patches.
        share: The smallest and the largest share of them.
        norm: Whether hidden layers have batch norms.
        separate: Whether patches have a head of their own; otherwise their tokens are as wide as the embedding.
        beside: Whether the row has the embedding.

    Attributes:
        token: (patch_width,), stands for hidden patches.
        masking: Whether patches are hidden; a teacher hides none.
    """

    def __init__(
        self, widths: list[int], patch_width: int, prototypes: int, count: int, chance: float,
        share: tuple[float, float], norm: bool, separate: bool, beside: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.whole = PrototypeHead(widths, prototypes, norm=norm)
        self.cells = PrototypeHead([patch_width, *widths[1:]], prototypes, norm=norm) if separate else None
        self.token = nn.Parameter(torch.zeros(patch_width))
        self.count, self.chance, self.share, self.beside = count, chance, share, beside
        self.masking = True

    def forward(self, body: Extractor, images: Tensor) -> Tensor:
        grid = patch_rows(body, images)
        if grid[0] * grid[1] != self.count:
            return torch.cat(self._whole(body.features(images)), dim=1)
        mask = torch.zeros(len(images), self.count, dtype=torch.bool, device=images.device)
        if self.masking and self.training:
            mask = block_masks(len(images), grid, self.chance, self.share).to(images.device)
            with hidden_patches(body, mask, self.token):
                outputs = body.features(images)
        else:
            outputs = body.features(images)
        shown = (self.cells or self.whole)(outputs["tokens"].flatten(0, 1))
        parts = [*self._whole(outputs), shown.unflatten(0, mask.shape).flatten(1)]
        return torch.cat([*parts, mask.to(shown.dtype)], dim=1)

    def _whole(self, outputs: dict[str, Tensor]) -> list[Tensor]:
        cosines: Tensor = self.whole(outputs["embedding"])
        return [cosines, outputs["embedding"].to(cosines.dtype)] if self.beside else [cosines]


class PixelDecoder(OverPatches):
    """Draws the patches that the body did not see (MAE, arXiv 2111.06377); most are left out at random.

    A row has the embedding of what is seen, without gradients, then the guessed pixels of the patches that are left
    out, and then their pixels.

    Args:
        patch_width: Dimension of the body's tokens.
        pixels: Numbers of an image that a patch shows.
        share: The share of patches that are left out.
        hidden: Dimension of the decoder's tokens, a multiple of 4.
        depth: Number of its blocks.
        heads: Number of its attention heads.
    """

    def __init__(self, patch_width: int, pixels: int, share: float, hidden: int, depth: int, heads: int) -> None:
        super().__init__()
        self.share = share
        self.begin = nn.Linear(patch_width, hidden)
        self.token = nn.Parameter(torch.randn(hidden) * 0.02)
        self.blocks = nn.Sequential(
            *(
                Block(
                    hidden, lambda: Attention(hidden, heads, True), lambda: Mlp(hidden, 4 * hidden, nn.GELU), 1e-6, None
                )
                for _ in range(depth)
            )
        )
        self.norm = nn.LayerNorm(hidden, 1e-6)
        self.end = nn.Linear(hidden, pixels)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)

    def forward(self, body: Extractor, images: Tensor) -> Tensor:
        grid = patch_rows(body, images)
        count = grid[0] * grid[1]
        seen = max(1, int(count * (1 - self.share)))
        order = torch.rand(len(images), count).argsort(dim=1).to(images.device)
        with visible_patches(body, order[:, :seen], count):
            outputs = body.features(images)
        guessed = self.decoded(outputs, order, grid)
        left = order[:, seen:, None]
        guessed = guessed.gather(1, left.expand(-1, -1, guessed.shape[2]))
        pixels = as_patches(images, grid)
        wanted = pixels.gather(1, left.expand(-1, -1, pixels.shape[2]))
        return torch.cat([outputs["embedding"].detach(), guessed.flatten(1), wanted.flatten(1)], dim=1)

    def decoded(self, outputs: dict[str, Tensor], order: Tensor, grid: tuple[int, int]) -> Tensor:
        """Guessed pixels (B, S, pixels) of all S patches.

        Args:
            outputs: The body's outputs, of which the tokens are those of the first patches in ``order``.
            order: (B, S), a permutation of the patches.
            grid: Their rows and columns.
        """
        shown = self.begin(outputs["tokens"])
        missing = self.token.to(shown.dtype).expand(len(shown), order.shape[1] - shown.shape[1], -1)
        place = order.argsort(dim=1)[:, :, None].expand(-1, -1, shown.shape[2])
        tokens = torch.cat([shown, missing], dim=1).gather(1, place)
        tokens = tokens + grid_positions(grid, shown.shape[2]).to(tokens)
        if "class_token" in outputs:
            tokens = torch.cat([self.begin(outputs["class_token"])[:, None], tokens], dim=1)
        guessed: Tensor = self.end(self.norm(self.blocks(tokens)))[:, -order.shape[1] :]
        return guessed


def as_patches(images: Tensor, grid: tuple[int, int]) -> Tensor:
    """The pixels (B, S, height x width x 3) of the patches of images (B, 3, H, W), row by row, channels last."""
    rows, columns = grid
    height, width = images.shape[2] // rows, images.shape[3] // columns
    cut = images.reshape(len(images), 3, rows, height, columns, width)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(len(images), rows * columns, -1)


def grid_positions(grid: tuple[int, int], dim: int) -> Tensor:
    """Fixed positions (S, dim) of patches row by row: sines and cosines of the column, then of the row.

    Args:
        grid: Rows and columns.
        dim: A multiple of 4.
    """
    waves = 10_000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    row, column = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in grid), indexing="ij")
    angles = [place.flatten()[:, None] * waves for place in (column, row)]
    return torch.cat([part for each in angles for part in (each.sin(), each.cos())], dim=1)
