# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # An agent that sees: CURL's contrast beside Q-learning (arXiv 2004.04136)
#
# A frame encoder is trained from raw pixels of CartPole, 40 x 40, three frames in grey as three channels, by a small
# double Q-network, with and without the contrast of random crops. Afterwards a linear probe asks both encoders, and one
# that was never trained, for the state that they never saw: positions, angles and their speeds.
#
# `python examples/curl_pixels.py [--frames 20000] [--seeds 3]`, after `pip install 'omlzoo[curl]'`; with those numbers
# it takes a quarter of an hour on two cores, without them one seed of 3,000 frames.

# %%
import argparse
import copy
import os
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # the frames are wanted, not a window

import gymnasium
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from omlzoo.objectives import CURL
from omlzoo.training.teacher import Teacher

SIDE, CROP, STACK, WIDTH = 40, 36, 3, 128
BATCH, DISCOUNT, RATE, EVERY, TARGET = 64, 0.99, 5e-4, 4, 400
SMALL = os.environ.get("OMLZOO_EXAMPLE") == "small"


# %% [markdown]
# ## The task: the last three frames, and the state that only the probe is told


# %%
class Frames:
    """CartPole as (3, 40, 40) uint8: the part of the picture that moves, in grey, the last three frames."""

    def __init__(self, seed: int) -> None:
        self.game: Any = gymnasium.make("CartPole-v1", render_mode="rgb_array")
        self.stack: deque[np.ndarray] = deque(maxlen=STACK)
        self.seed: int | None = seed

    def frame(self) -> np.ndarray:
        picture = Image.fromarray(self.game.render()[160:320]).convert("L")
        return 255 - np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))

    def reset(self) -> np.ndarray:
        self.state, _ = self.game.reset(seed=self.seed)
        self.seed = None
        self.stack.extend([self.frame()] * STACK)
        return np.stack(self.stack)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool]:
        self.state, reward, fell, late, _ = self.game.step(action)
        self.stack.append(self.frame())
        return np.stack(self.stack), float(reward), bool(fell), bool(late)


# %% [markdown]
# ## The agent


# %%
class Encoder(nn.Sequential):
    """Four convolutions to (B, 128); frames (B, 3, 36, 36) from 0 to 1."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Conv2d(STACK, 32, 3, 2), nn.ReLU()]
        for _ in range(3):
            layers += [nn.Conv2d(32, 32, 3, 2 if len(layers) == 2 else 1), nn.ReLU()]
        super().__init__(*layers, nn.Flatten(), nn.Linear(32 * 4 * 4, WIDTH), nn.LayerNorm(WIDTH))


def crops(frames: Tensor) -> Tensor:
    """(B, 3, 36, 36) from 0 to 1: a window for each picture, the same for its three frames."""
    rows, columns = (torch.randint(SIDE - CROP + 1, (len(frames), 1)) + torch.arange(CROP) for _ in "yx")
    picked = frames[torch.arange(len(frames))[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2).float() / 255


def centre(frames: Tensor) -> Tensor:
    """(B, 3, 36, 36) from 0 to 1: the middle of each picture."""
    edge = (SIDE - CROP) // 2
    return frames[:, :, edge : edge + CROP, edge : edge + CROP].float() / 255


@dataclass
class Memory:
    """What happened: frames, action, reward, next frames, and whether the pole fell."""

    rows: deque[tuple[np.ndarray, int, float, np.ndarray, bool]] = field(default_factory=lambda: deque(maxlen=20_000))

    def draw(self) -> tuple[Tensor, ...]:
        before, action, reward, after, fell = zip(*random.sample(self.rows, BATCH), strict=True)
        return (torch.from_numpy(np.stack(before)), torch.tensor(action), torch.tensor(reward),
                torch.from_numpy(np.stack(after)), torch.tensor(fell, dtype=torch.float32))  # fmt: skip


def learn(seed: int, frames: int, contrast: bool) -> tuple[Encoder, list[tuple[int, float]]]:
    """An encoder after so many frames, and the return of each game with the frame in which it ended."""
    random.seed(seed)
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    body, values, task, memory = Encoder(), nn.Linear(WIDTH, 2), Frames(seed), Memory()
    target = copy.deepcopy(nn.Sequential(body, values)).requires_grad_(False)
    objective = CURL(WIDTH)
    student = nn.Sequential(body, objective.make_projector())
    teacher = Teacher(student, objective.momentum, steps=frames, constant=True)
    trained = [*student.parameters(), *values.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adam(trained, lr=RATE)
    seen, total, returns = task.reset(), 0.0, list[tuple[int, float]]()
    for number in range(frames):
        explore = max(0.05, 1 - number / (0.3 * frames))
        with torch.no_grad():
            best = int(values(body(centre(torch.from_numpy(seen)[None]))).argmax())
        action = int(chance.integers(2)) if chance.random() < explore else best
        after, reward, fell, late = task.step(action)
        memory.rows.append((seen, action, reward, after, fell))
        total, seen = total + reward, after
        if fell or late:
            returns.append((number + 1, total))
            seen, total = task.reset(), 0.0
        if len(memory.rows) >= 4 * BATCH and number % EVERY == 0:
            then, did, gained, afterwards, ended = memory.draw()
            query = crops(then)
            with torch.no_grad():
                following = crops(afterwards)
                chosen = values(body(following)).argmax(1, keepdim=True)  # double Q-learning (arXiv 1509.06461)
                wanted = gained + DISCOUNT * (1 - ended) * target(following).gather(1, chosen)[:, 0]
            loss = nn.functional.smooth_l1_loss(values(body(query)).gather(1, did[:, None])[:, 0], wanted)
            if contrast:  # a query finds the teacher's key of another crop of the same frames
                loss = loss + objective([None, student(query)], [teacher(crops(then))], torch.arange(BATCH))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            teacher.follow(student, number)
        if number % TARGET == 0:
            target.load_state_dict(nn.Sequential(body, values).state_dict())
    return body, returns


# %% [markdown]
# ## The probe: ridge regression from vectors to the state, on games that were played at random


# %%
def played(seed: int, frames: int) -> tuple[Tensor, np.ndarray]:
    """Frames (N, 3, 40, 40) of a random player, and the states (N, 4): position, speed, angle, angular speed."""
    task, chance, seen, states = Frames(seed), np.random.default_rng(seed), list[np.ndarray](), list[np.ndarray]()
    task.reset()
    for _ in range(frames):
        now, _, fell, late = task.step(int(chance.integers(2)))
        seen.append(now)
        states.append(task.state)
        if fell or late:
            task.reset()
    return torch.from_numpy(np.stack(seen)), np.stack(states)


@torch.no_grad()
def probe(body: Encoder, known: tuple[Tensor, np.ndarray], asked: tuple[Tensor, np.ndarray]) -> float:
    """The share of the states' variance (R squared, at most 1) that a linear map from vectors explains, in the mean."""
    (one, told), (two, wanted) = ((body(centre(frames)).double().numpy(), states) for frames, states in (known, asked))
    mean, spread = one.mean(0), told.mean(0)
    one, two = one - mean, two - mean
    weights = np.linalg.solve(one.T @ one + np.eye(WIDTH), one.T @ (told - spread))
    missed = ((two @ weights + spread - wanted) ** 2).mean(0) / wanted.var(0)
    return float(1 - missed.mean())


# %%
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=400 if SMALL else 3_000)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    known, asked = (played(seed, 150 if SMALL else 2_000) for seed in (1_000, 1_001))
    heads = ("seed", "contrast", "last ten games", "best ten", "probe", "untrained probe", "seconds")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for seed in range(args.seeds):
        torch.manual_seed(seed)
        untrained = probe(Encoder(), known, asked)
        for contrast in (False, True):
            start = time.perf_counter()
            body, returns = learn(seed, args.frames, contrast)
            games = [value for _, value in returns] or [0.0]
            tens = [float(np.mean(games[place : place + 10])) for place in range(max(1, len(games) - 9))]
            figures = np.mean(games[-10:]), max(tens), probe(body, known, asked), untrained
            cells = [str(seed), "yes" if contrast else "no", *(f"{each:.3f}" for each in figures)]
            print(f"| {' | '.join(cells)} | {time.perf_counter() - start:.0f} |")


if __name__ == "__main__":
    main()
