"""Position embeddings for other image sizes, resized as the authors of each model family do it."""

from typing import Literal

from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["Resizing", "patch_grid", "resize_positions", "trained_grid"]

Resizing = Literal["offset", "antialias", "ratio"]


def patch_grid(images: Tensor, patch: int) -> tuple[int, int]:
    """The numbers of rows and columns of patches in images.

    Args:
        images: Images (B, 3, H, W).
        patch: Side of a patch in pixels.

    Raises:
        BadInput: H or W is not a multiple of the patch; the message suggests the nearest size that is.
    """
    height, width = images.shape[-2:]
    if height % patch or width % patch:
        near = [max(1, round(side / patch)) * patch for side in (height, width)]
        raise BadInput(
            f"images are {height} x {width} pixels; sides must be multiples of the patch, {patch}: "
            f"build the model with image_size=({near[0]}, {near[1]})"
        )
    return int(height) // patch, int(width) // patch  # not the tensors of a trace


def trained_grid(image: int | tuple[int, int], patch: int) -> tuple[int, int]:
    """The rows and columns of patches that position embeddings were trained for.

    Args:
        image: Side of the images in pixels, or their height and width.
        patch: Side of a patch in pixels.
    """
    height, width = (image, image) if isinstance(image, int) else image
    return int(height) // patch, int(width) // patch  # not the tensors of a trace


def resize_positions(
    positions: Tensor, trained: int | tuple[int, int], grid: tuple[int, int], resizing: Resizing
) -> Tensor:
    """Resize position embeddings to another grid of patches, as the authors of the model do it.

    Args:
        positions: Position embeddings of the patches (1, rows * columns, width), without those of other tokens.
        trained: Rows and columns of the grid that they were trained for, one number if it is a square.
        grid: Rows and columns of the new grid.
        resizing: Kind of the bicubic interpolation. "offset", of DINO, iBOT and DINOv2, has no antialiasing and scales
            by the factor (side + 0.1) / trained, which is not the ratio of the grids. "ratio", of MSN, has no
            antialiasing and scales by the ratio. "antialias", of DINOv2 with registers, open_clip and timm, scales by
            the ratio with antialiasing.

    Returns:
        Position embeddings of the new grid (1, rows * columns, width).
    """
    rows, columns = (trained, trained) if isinstance(trained, int) else trained
    if grid == (rows, columns):
        return positions
    image = positions.reshape(1, rows, columns, -1).permute(0, 3, 1, 2).float()
    if resizing == "offset":
        factor = ((grid[0] + 0.1) / rows, (grid[1] + 0.1) / columns)
        resized = nn.functional.interpolate(image, scale_factor=factor, mode="bicubic")
    else:
        resized = nn.functional.interpolate(image, size=grid, mode="bicubic", antialias=resizing == "antialias")
    return resized.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1).to(positions.dtype)
