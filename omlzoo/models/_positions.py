"""Position embeddings for other image sizes, resized as each family's authors do it."""

from typing import Literal

from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["Resizing", "patch_grid", "resize_positions"]

Resizing = Literal["offset", "antialias", "ratio"]


def patch_grid(images: Tensor, patch: int) -> tuple[int, int]:
    """Rows and columns of the patches of images (B, 3, H, W).

    Raises:
        BadInput: A side is no multiple of the patch; the nearest sizes that are get suggested.
    """
    height, width = images.shape[-2:]
    if height % patch or width % patch:
        near = [max(1, round(side / patch)) * patch for side in (height, width)]
        raise BadInput(
            f"images are {height} x {width} pixels; sides must be multiples of the patch, {patch}: "
            f"build the model with image_size=({near[0]}, {near[1]})"
        )
    return height // patch, width // patch


def resize_positions(positions: Tensor, trained: int, grid: tuple[int, int], resizing: Resizing) -> Tensor:
    """Position embeddings for another grid of patches, as the authors compute them.

    Args:
        positions: (1, trained * trained, width), of the patches only.
        trained: Side of the grid they were trained for.
        grid: Rows and columns of the grid wanted.
        resizing: All bicubic. "offset" is DINO's, iBOT's and DINOv2's: no antialias, by the factor
            (side + 0.1) / trained, which is not the ratio of the sizes. "ratio" is MSN's: no antialias, by the ratio.
            "antialias" is that of DINOv2 with registers, of open_clip and of timm: by the ratio, with antialias.

    Returns:
        (1, rows * columns, width).
    """
    if grid == (trained, trained):
        return positions
    image = positions.reshape(1, trained, trained, -1).permute(0, 3, 1, 2).float()
    if resizing == "offset":
        factor = ((grid[0] + 0.1) / trained, (grid[1] + 0.1) / trained)
        resized = nn.functional.interpolate(image, scale_factor=factor, mode="bicubic")
    else:
        resized = nn.functional.interpolate(image, size=grid, mode="bicubic", antialias=resizing == "antialias")
    return resized.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1).to(positions.dtype)
