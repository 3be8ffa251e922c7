"""Invented characters of strokes, for the training of the bundled checkpoint: 136 real characters are too few.

A character is a few strokes: lines, curves, corners, arcs and dots, most of them attached to an earlier one. It comes
with a near twin in which one stroke differs, so that details matter. A drawer draws every stroke a little differently
and the whole turned, slanted and scaled. The characters of the demo (``omlzoo.data.synthetic``) come from another
generator and stay unseen.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

STEPS = np.linspace(0, 1, 20)[:, None]  # along a stroke
KINDS = {"line": 0.3, "curve": 0.27, "corners": 0.2, "arc": 0.18, "dot": 0.05}
FINE = 3  # pictures are drawn so much larger, then shrunk
TREMBLE = 0.006  # of a side, sidewise along the pen's way


@dataclass(frozen=True)
class Attachment:
    """Where a stroke hangs on an earlier one: ``at`` of that one's length meets ``own`` of its own, both in [0, 1]."""

    stroke: int
    at: float
    own: float


@dataclass(frozen=True)
class Stroke:
    """One movement of the pen, in units of the character's side.

    Attributes:
        kind: One of KINDS.
        points: Control points (n, 2); of an arc the radii, then (start, sweep) in radians.
        centre: Where its middle lies, if it hangs on nothing.
        attachment: What it hangs on.
    """

    kind: str
    points: np.ndarray
    centre: np.ndarray
    attachment: Attachment | None


Character = tuple[Stroke, ...]


def group(seed: int, labels: int, drawers: int, side: int) -> np.ndarray:
    """Pictures (labels, drawers, side, side) uint8 of dark strokes on white; labels 2i and 2i + 1 are near twins."""
    random = np.random.default_rng(seed)
    characters: list[Character] = []
    while len(characters) < labels:
        character = invent(random)
        characters += [character, twin(random, character)]
    return np.stack([
        np.stack([draw(character, np.random.default_rng((seed, number, drawer)), side) for drawer in range(drawers)])
        for number, character in enumerate(characters[:labels])
    ])  # fmt: skip


def invent(random: np.random.Generator) -> Character:
    """A new character of one to five strokes."""
    count = random.choice([1, 2, 3, 4, 5], p=[0.12, 0.3, 0.3, 0.2, 0.08])
    return tuple(invent_stroke(random, number) for number in range(count))


def invent_stroke(random: np.random.Generator, number: int) -> Stroke:
    """The stroke of that number, counted from 0; later ones are shorter and mostly attached."""
    kind = str(random.choice(list(KINDS), p=list(KINDS.values())))
    attachment = None
    if number and random.random() < 0.65:
        at = random.choice([0, 1, 0.5, random.random()], p=[0.25, 0.25, 0.2, 0.3])
        attachment = Attachment(
            int(random.integers(number)), float(at), float(random.choice([0, 1, 0.5], p=[0.6, 0.1, 0.3]))
        )
    length = random.uniform(0.3, 0.9) * (0.6 if number else 1)
    if kind == "line":
        upright = [0, np.pi / 2, np.pi / 4, -np.pi / 4, random.uniform(-np.pi, np.pi)]
        angle = random.choice(upright, p=[0.25, 0.3, 0.1, 0.1, 0.25])
        points = np.array([[0, 0], [np.cos(angle), np.sin(angle)]]) * length
    elif kind == "curve":
        points = random.normal(0, 0.35, (4, 2)).cumsum(axis=0) * length
    elif kind == "corners":
        points = random.normal(0, 0.5, (random.integers(3, 7), 2)).cumsum(axis=0) * length
    elif kind == "arc":
        sweep = random.choice([2 * np.pi, random.uniform(2, 5.5)], p=[0.4, 0.6]) * random.choice([-1, 1])
        points = np.array([random.uniform(0.12, 0.4, 2), [random.uniform(0, 2 * np.pi), sweep]])
    else:
        points = np.array([[0, 0], [0.04, 0.04]])
    return Stroke(kind, points, random.uniform(0.2, 0.8, 2), attachment)


def twin(random: np.random.Generator, character: Character) -> Character:
    """The same but for one stroke: another one, one more, one less, bent, or elsewhere."""
    change = random.choice(["other", "more", "less", "bent", "moved"], p=[0.3, 0.25, 0.15, 0.15, 0.15])
    count = len(character)
    chosen = int(random.integers(count))
    stroke = character[chosen]
    if change == "less" and count > 1:
        return character[:-1]
    if change == "more" and count < 6:
        return (*character, invent_stroke(random, count))
    if change == "bent" and stroke.kind != "arc":
        stroke = replace(stroke, points=stroke.points * random.uniform(0.4, 1.6, 2) * random.choice([-1, 1], 2))
    elif change == "moved":
        hangs = stroke.attachment is None and chosen > 0
        attachment = Attachment(int(random.integers(chosen)), random.random(), 0.0) if hangs else None
        stroke = replace(stroke, centre=random.uniform(0.2, 0.8, 2), attachment=attachment)
    else:
        stroke = invent_stroke(random, chosen)
    return (*character[:chosen], stroke, *character[chosen + 1 :])


def draw(character: Character, hand: np.random.Generator, side: int) -> np.ndarray:
    """One drawer's picture (side, side) uint8."""
    looseness = abs(hand.normal(0.036, 0.016))
    traces: list[np.ndarray] = []
    for stroke in character:
        traces.append(trace(stroke, traces, hand, looseness))
    low, high = np.concatenate(traces).min(axis=0), np.concatenate(traces).max(axis=0)
    turn = hand.normal(0, 0.08)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[1, hand.normal(0, 0.1)], [0, 1]]) * np.exp(hand.normal(0, 0.1, 2))
    matrix = matrix * hand.uniform(0.38, 0.66) / max(float((high - low).max()), 0.25)
    shift = 0.5 + hand.normal(0, 0.04, 2)
    large = side * FINE
    pen = round(large * hand.uniform(0.03, 0.042))
    page = Image.new("L", (large, large), 255)
    pencil = ImageDraw.Draw(page)
    for way in traces:
        shaken = np.repeat(hand.normal(0, TREMBLE, len(way) // 3 + 2), 3)[: len(way)]
        shaken = np.convolve(shaken, np.ones(3) / 3, "same")[:, None] * np.array([1, -1]) * hand.choice([-1, 1])
        points = [(float(x), float(y)) for x, y in ((way - (low + high) / 2) @ matrix.T + shaken + shift) * large]
        pencil.line(points, fill=0, width=pen, joint="curve")
        for x, y in (points[0], points[-1]):
            pencil.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=0)
    return np.asarray(page.resize((side, side), Image.Resampling.BOX))


def trace(stroke: Stroke, earlier: list[np.ndarray], hand: np.random.Generator, looseness: float) -> np.ndarray:
    """The way (n, 2) of the pen."""
    if stroke.kind == "arc":
        radii = stroke.points[0] * np.exp(hand.normal(0, 2 * looseness, 2))
        start, sweep = stroke.points[1] + hand.normal(0, looseness, 2) * [3, stroke.points[1, 1]]
        angles = start + sweep * STEPS
        way = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * radii
    else:
        points = stroke.points + hand.normal(0, looseness, stroke.points.shape) * (0.5 + np.abs(stroke.points).max())
        if stroke.kind == "curve":
            layers = np.repeat(points[:, None, :], len(STEPS), axis=1)
            while len(layers) > 1:  # de Casteljau's
                layers = layers[:-1] * (1 - STEPS) + layers[1:] * STEPS
            way = layers[0]
        else:
            lines = [_bowed(a, b, hand.normal(0, 1.2 * looseness)) for a, b in pairwise(points)]
            way = np.concatenate(lines)
    if stroke.attachment is None:
        return np.asarray(way - way.mean(axis=0) + stroke.centre + hand.normal(0, looseness, 2))
    other = earlier[stroke.attachment.stroke]
    at = np.clip(stroke.attachment.at + hand.normal(0, 1.2 * looseness), 0, 1)
    meeting = other[int(at * (len(other) - 1))] + hand.normal(0, 0.4 * looseness, 2)
    return np.asarray(way - way[int(stroke.attachment.own * (len(way) - 1))] + meeting)


def _bowed(start: np.ndarray, end: np.ndarray, bow: float) -> np.ndarray:
    """A line that bends aside by that share of its length."""
    aside = np.array([start[1] - end[1], end[0] - start[0]])
    return np.asarray(start + (end - start) * STEPS + aside * np.sin(np.pi * STEPS) * bow)
