"""Pictures of invented alphabets: characters of a few strokes, each drawn by several drawers.

They replace a user's photos in the demo and in tests, as they are small, free of licences, and the same for a seed.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["draw_character", "write_alphabets"]

POINTS = np.linspace(0, 1, 24)[:, None]  # positions along a stroke


def write_alphabets(
    folder: Path, *, alphabets: int = 6, characters: int = 12, drawers: int = 8, size: int = 96, seed: int = 0
) -> Path:
    """Draw the pictures as PNG files and write their table.

    Args:
        folder: Where ``images/<alphabet>/<character>/<drawer>.png`` and ``alphabets.csv`` are written.
        alphabets: The number of alphabets. The last third of them, at least one, is the validation split.
        characters: The number of characters of each alphabet; each character is a label.
        drawers: The number of drawers, which is the number of pictures of each character.
        size: Width and height of the pictures in pixels.
        seed: Seed of all random numbers.

    Returns:
        The path of the csv table, in the format of :mod:`omlzoo.data.table`.
    """
    rows = []
    for alphabet in range(alphabets):
        held_out = alphabet >= alphabets - max(1, alphabets // 3)
        for character in range(characters):
            for drawer in range(drawers):
                path = Path(f"images/alphabet{alphabet}/character{character:02d}/{drawer:02d}.png")
                (folder / path.parent).mkdir(parents=True, exist_ok=True)
                draw_character((seed, alphabet, character), drawer, size).save(folder / path)
                flag = "True" if held_out else ""
                split = "validation" if held_out else "train"
                rows.append([f"{alphabet}-{character:02d}", path.as_posix(), split, flag, flag, f"alphabet{alphabet}"])
    table = folder / "alphabets.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "path", "split", "is_query", "is_gallery", "category"])
        writer.writerows(rows)
    return table


def draw_character(character: tuple[int, int, int], drawer: int, size: int) -> Image.Image:
    """Draw one character as one drawer would, as an RGB picture.

    Drawers differ in pen, ink, paper and scratches on it, and in how they slant, rotate, scale and distort a character.

    Args:
        character: Seed, number of the alphabet, and number of the character; they decide the strokes.
        drawer: Number of the drawer.
        size: Width and height of the picture in pixels.
    """
    shape = np.random.default_rng(character)
    hand = np.random.default_rng((*character, drawer, 1))
    strokes = [shape.uniform(0.12, 0.88, size=(shape.integers(3, 5), 2)) for _ in range(shape.integers(2, 5))]
    large = 2 * size  # drawn at twice the size and then reduced, for smooth edges
    paper = hand.integers(185, 256, size=3)
    ink = hand.integers(0, 120, size=3)
    page = Image.new("RGB", (large, large), tuple(int(v) for v in paper))
    draw = ImageDraw.Draw(page)
    for _ in range(hand.integers(1, 4)):  # scratches in other colours
        ends = [float(v) for v in hand.uniform(0, large, size=4)]
        colour = tuple(int(v) for v in paper - hand.integers(10, 110, size=3))
        draw.line(ends, fill=colour, width=int(hand.integers(1, 4)))
    turn, slant = hand.normal(0, 0.16), hand.normal(0, 0.18)
    zoom = hand.uniform(0.72, 1.05, size=2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[1, slant], [0, 1]] * zoom
    pen = int(hand.integers(large // 48, large // 16))
    shift = hand.normal(0, 0.04, size=2)
    for stroke in strokes:
        trembling = stroke + hand.normal(0, 0.035, size=stroke.shape)
        line = (_curve(trembling) - 0.5) @ matrix.T + 0.5 + shift
        points = [(float(x), float(y)) for x, y in line * large]
        draw.line(points, fill=tuple(int(v) for v in ink), width=pen, joint="curve")
    return page.resize((size, size), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(float(hand.uniform(0, 0.8))))


def _curve(points: np.ndarray) -> np.ndarray:
    """Points (24, 2) of the Bezier curve with control points (n, 2), by de Casteljau's algorithm."""
    layers = np.repeat(points[:, None, :], len(POINTS), axis=1)  # (n, 24, 2)
    while len(layers) > 1:
        layers = layers[:-1] * (1 - POINTS) + layers[1:] * POINTS
    return np.asarray(layers[0])
