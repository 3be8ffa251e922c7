"""The recipe: all settings of a fine-tuning run, as a dataclass, a TOML file, or flags of the command."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self

from omlzoo.errors import BadInput, UnknownName
from omlzoo.jsonio import read_toml
from omlzoo.training.own_parts import OwnPart, is_own, own_part

__all__ = ["OWN", "Recipe"]

READY = Path(__file__).parent / "recipes"
CHOICES = {  # of settings that may also be an own part
    "optimizer": ("AdamW", "Adam", "SGD"),
    "sampler": (
        "Balanced",
        "CategoryBalanced",
        "DistinctCategoryBalanced",
        "FullCoverage",
        "NearestLabels",
        "HardNegatives",
    ),
    "augment": ("photo", "hypvit", "rich", "drawing", "none"),
}
SAMPLED = {"MarginLoss": "DistanceWeighted"}  # losses whose paper has a miner of its own
OWN = ("loss", "miner", "objective", *CHOICES)


@dataclass(frozen=True)
class Recipe:
    """Settings of a run.

    Loss, miner, sampler, augment, optimizer and callbacks may be parts of one's own: an object, or the text
    "module:Name" or "module:Name(argument=value)". An object is recorded as such a text.

    Attributes:
        epochs: Passes over the sampler.
        optimizer: AdamW, Adam, or SGD with Nesterov's momentum of 0.9; an own one makes it from groups of parameters.
        lr: Peak learning rate.
        weight_decay: Weight decay of matrices and filters; biases, norms and tokens have none.
        schedule: The learning rate after its rise: it falls to 0 as a cosine or linearly, or stays constant.
        warmup: Share of all steps in which the learning rate rises.
        layer_decay: The learning rate of a stage as a share of that of the stage after it; 1 trains all alike.
        loss_lr: The learning rate of the loss's own parameters as a multiple of the model's.
        loss: A name of omlzoo.losses, or an own loss of embeddings (B, D) and labels (B,); CLIPLoss and SigLIPLoss
            train image and text tower together, by the captions in the table's column text.
        loss_args: Arguments of the loss; the text "none" is None (``margin = "none"`` is the soft triplet loss).
        add_losses: Further losses by name, each with its weight; the sum is trained.
        miner: A name of omlzoo.miners for losses that take one, or an own miner; "none" is that of an own loss.
        memory: How many past embeddings a loss with references also compares a batch with; 0 is none.
        sampler: Balanced, CategoryBalanced, DistinctCategoryBalanced, FullCoverage, NearestLabels, which embeds the
            training pictures before each epoch but the first, or HardNegatives, which embeds them before each and mines
            them all; an own one makes it from the labels of the training rows.
        sampler_args: Further arguments of the sampler, such as relative_margin of HardNegatives.
        n_labels: Labels in a batch; for CategoryBalanced and DistinctCategoryBalanced, labels of each category.
        n_instances: Pictures of each label in a batch.
        n_categories: Categories in a batch, for CategoryBalanced and DistinctCategoryBalanced.
        labels: Share of the training labels that is learned from, each with all its pictures, drawn by the seed and
            evenly from the categories; in distil the other pictures are still taught.
        n_taught: Pictures in a batch of distil that are drawn from all training rows, with a label or without.
        teacher_weight: Weight of what the teacher says in distil, above 0; the loss of the labels has the rest to 1.
        teacher_args: What distil makes of the teacher's similarities: temperature, teacher_temperature, regression,
            unscaled as in omlzoo.losses.SimilarityDistillation, and queue, how many of the teacher's vectors rows are
            compared with; 0 compares the rows of a batch with each other.
        augment: photo, hypvit, rich, drawing or none, or an own augmentation of a PIL image.
        callbacks: Own objects with any of on_step, on_epoch and on_measure; "stop" as their answer ends the run.
        objective: A name of omlzoo.objectives, which learns from views of pictures without labels; "none" takes loss.
        objective_args: Arguments of the objective.
        views: How views are drawn, a name of omlzoo.data.views.
        globals: Views of the whole picture, for objectives.
        locals: Small views of parts of it, for objectives that take them.
        alarm: Whether pre-training stops where the model collapses.
        decode: "fast": pictures several times larger than the model needs are reduced while they are decoded, to twice
            its size or more; "whole": every picture is decoded at its full size.
        decoded_gb: Largest size in GB of the decoded pictures that are kept in the run folder while it trains; 0 keeps
            none, and -1 chooses: none where decoding takes no time, otherwise at most a quarter of what is free.
        normalize: Whether embeddings have L2 norm 1: "yes", "no", or "model", which keeps what the model does.
        image_size: Side of the model's input images in pixels; 0 keeps the model's.
        freeze: Number of first stages that are not trained (the stem, then blocks or layers); 0 trains all.
        project: Dimension of a linear projection that is added after the model and kept; 0 adds none.
        poincare: Dimension of a Poincare head that only training has, for HyperbolicContrastive; 0 adds none.
        cache: Views of each picture that go through the frozen stages once, on disk; 0 computes them in each step.
        lora: Rank of low-rank updates of the linear layers (arXiv 2106.09685), which alone are trained; 0 is none.
        towers: Which towers a loss over pictures and captions trains, lora or not: both, image or text.
        drop_path: Probability that the last block is left out in a step (arXiv 1603.09382); it rises with depth from 0.
        accumulate: Number of batches whose mean gradient makes a step.
        chunk: Pictures that go through the model at once; the loss is that of the whole batch; 0 takes the whole batch.
        recompute: Whether blocks are computed again in the backward pass, for less memory.
        clip: Largest L2 norm of the gradient; 0 does not clip.
        ema: Decay of the average of the weights that is measured and kept; 0 keeps the weights themselves.
        selection: Share of the training labels that is set apart to choose the best epoch; 0 keeps the last one.
        selection_by: Whether labels or whole categories are set apart.
        select: The metric that chooses the best epoch.
        precision: "fp32", "bf16", "fp16" (with a scaled loss), or "auto": bf16 where a rehearsal of steps finds it
            at least 1.25 times as fast and as exact; the run and its recipe.toml keep what was decided.
        unreadable: Largest share of an epoch's pictures that may be unreadable; above it the run stops.
        duplicates: Whether training pictures that are also validation pictures are looked for.
        log: Log of the curves: tensorboard, wandb, mlflow, none, or "auto": TensorBoard if it is installed.
        save_minutes: Minutes from one saved state to the next within an epoch.
        workers: Number of processes that load pictures; -1 chooses by the number of pictures and cores.
        seed: Seed of all random numbers.
    """

    epochs: int = 10
    optimizer: str = "AdamW"
    lr: float = 1e-4
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.1
    layer_decay: float = 1.0
    loss_lr: float = 1.0
    loss: str = "TripletLoss"
    loss_args: dict[str, Any] = field(default_factory=dict)
    add_losses: dict[str, float] = field(default_factory=dict)
    miner: str = ""  # HardTriplets, DistanceWeighted with MarginLoss, or none with an own loss
    memory: int = 0
    sampler: str = "Balanced"
    sampler_args: dict[str, Any] = field(default_factory=dict)
    n_labels: int = 8
    n_instances: int = 4
    n_categories: int = 2
    labels: float = 1.0
    n_taught: int = 128
    teacher_weight: float = 1.0
    teacher_args: dict[str, Any] = field(default_factory=dict)
    augment: str = "photo"
    callbacks: list[str] = field(default_factory=list)
    objective: str = "none"
    objective_args: dict[str, Any] = field(default_factory=dict)
    views: Literal["mild", "photo", "simclr", "byol", "dino", "swav", "crop", "drawing"] = "mild"
    globals: int = 2
    locals: int = 0
    alarm: bool = True
    decode: Literal["fast", "whole"] = "fast"
    decoded_gb: float = -1.0
    normalize: Literal["model", "yes", "no"] = "model"
    image_size: int = 0
    freeze: int = 0
    project: int = 0
    poincare: int = 0
    cache: int = 0
    lora: int = 0
    towers: Literal["both", "image", "text"] = "both"
    drop_path: float = 0.0
    accumulate: int = 1
    chunk: int = 0
    recompute: bool = False
    clip: float = 0.0
    ema: float = 0.0
    selection: float = 0.15
    selection_by: Literal["label", "category"] = "label"
    select: str = "map@r"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    unreadable: float = 0.1
    duplicates: bool = True
    log: Literal["auto", "tensorboard", "wandb", "mlflow", "none"] = "auto"
    save_minutes: float = 10.0
    workers: int = -1
    seed: int = 0

    def __post_init__(self) -> None:
        self._name_own()
        rules = {
            "epochs": (1, None), "lr": (0, None), "weight_decay": (0, None), "warmup": (0, 1), "n_labels": (1, None),
            "n_instances": (1, None), "n_categories": (1, None), "memory": (0, None), "image_size": (0, None),
            "freeze": (0, None), "project": (0, None), "poincare": (0, None), "cache": (0, None),
            "clip": (0, None), "selection": (0, 0.9), "workers": (-1, None), "seed": (0, None),
            "layer_decay": (0.01, 1), "loss_lr": (0, None), "lora": (0, None), "drop_path": (0, 0.9),
            "accumulate": (1, None), "chunk": (0, None), "ema": (0, 0.99999), "unreadable": (0, 1),
            "labels": (0, 1), "n_taught": (2, None), "teacher_weight": (0, 1),
            "save_minutes": (0, None), "decoded_gb": (-1, None), "globals": (1, 16), "locals": (0, 32),
        }  # fmt: skip
        for name, (low, high) in rules.items():
            value = getattr(self, name)
            whole = type(getattr(type(self), name)) is int
            kind = int if whole else int | float
            right = isinstance(value, kind) and not isinstance(value, bool) and isfinite(value)
            if not right or value < low or (high is not None and value > high):
                rule = f"{low} or more" if high is None else f"between {low} and {high}"
                raise BadInput(f"{name} is {value!r}; it must be a {'whole ' * whole}number, {rule}")
        for name, weight in self.add_losses.items() if isinstance(self.add_losses, dict) else [("add_losses", None)]:
            if not isinstance(weight, int | float) or not weight >= 0:
                raise BadInput(
                    f"add_losses has {name} = {weight!r}; give names of losses, each with a weight of 0 or more"
                )
        for name in ("loss_args", "objective_args", "teacher_args", "sampler_args"):
            if not isinstance(getattr(self, name), dict):
                rule = "it must be a table of arguments, such as {'margin': 0.2}"
                raise BadInput(f"{name} is {getattr(self, name)!r}; {rule}")
        for item in fields(self):
            allowed = getattr(item.type, "__args__", ()) if getattr(item.type, "__origin__", None) is Literal else ()
            if allowed and getattr(self, item.name) not in allowed:
                raise BadInput(f"{item.name} is {getattr(self, item.name)!r}; it must be one of {', '.join(allowed)}")
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known and not is_own(value):
                raise BadInput(f"{name} is {value!r}; it must be one of {', '.join(known)}, or module:Name")

    def _name_own(self) -> None:
        """Objects become texts that carry them; texts stay as they are, and import nothing."""
        if self.miner == "":
            own = not isinstance(self.loss, str) or is_own(self.loss)
            object.__setattr__(self, "miner", "none" if own else SAMPLED.get(self.loss, "HardTriplets"))
        for name in OWN:
            if not isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, own_part(value, name))
        if not isinstance(self.callbacks, list | tuple):
            raise BadInput(f"callbacks is {self.callbacks!r}; it must be a list")
        named = [each if isinstance(each, str) else own_part(each, "callbacks") for each in self.callbacks]
        object.__setattr__(self, "callbacks", named)
        if bare := [each for each in named if not is_own(each)]:
            raise BadInput(f"callbacks has {bare[0]!r}; it must be module:Name, or an object")

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """The recipe with the values that a user gives in this call; own parts that they name are imported.

        Raises:
            UnknownName: There is no such setting; similar names are suggested.
            BadInput: A value breaks its rule.
        """
        known = [item.name for item in fields(self)]
        for name in settings:
            if name not in known:
                raise UnknownName("the recipe", name, known)
        given = {name: own_part(value, name) if name in OWN and isinstance(value, str) and is_own(value) else value
                 for name, value in settings.items()}  # fmt: skip
        if isinstance(given.get("callbacks"), list | tuple):
            given["callbacks"] = [own_part(each, "callbacks") for each in given["callbacks"]]
        return self._replaced(given)

    def _replaced(self, settings: Mapping[str, Any]) -> Self:
        """The recipe with other values; another loss has the miner that goes with it, unless one is named."""
        loss = settings.get("loss", "")
        if "miner" not in settings and (not isinstance(loss, str) or is_own(loss)):
            settings = {**settings, "miner": "none"}
        elif loss in SAMPLED and self.miner == "HardTriplets":
            settings = {"miner": SAMPLED[loss], **settings}
        return replace(self, **settings)

    def own(self) -> list[tuple[str, OwnPart]]:
        """The own parts that are objects in this process, each with its setting."""
        parts = [(name, getattr(self, name)) for name in OWN] + [("callbacks", each) for each in self.callbacks]
        return [(name, part) for name, part in parts if isinstance(part, OwnPart)]

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The recipe of a TOML file, or the ready one of that name: cars, cub, few_photos, inshop, product_search, ...

        Raises:
            BadInput: It cannot be read, or a value breaks its rule.
            UnknownName: A key is no setting, or there is no ready recipe of that name.
        """
        ready = {file.stem: file for file in READY.glob("*.toml")}
        if isinstance(path, str) and not path.endswith(".toml") and not Path(path).exists():
            if path not in ready:
                raise UnknownName("the ready recipes", path, ready)
            path = ready[path]
        values = read_toml(Path(path))
        cls().changed({name: None for name in values if name not in {item.name for item in fields(cls)}})
        return cls()._replaced(values)

    def to_toml(self, command: str = "") -> str:
        """The text of the TOML file of all settings, below a comment with the ``command`` that runs them again."""
        lines, tables = [f"# {command}"] * bool(command), []
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                tables += ["", f"[{name}]", *(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())]
            else:
                lines.append(f"{name} = {_toml(value)}")
        return "\n".join([*lines, *tables]) + "\n"


def _toml(value: Any) -> str:
    """A plain value; TOML has no None, so it is the text "none"."""
    return json.dumps("none" if value is None else value)
