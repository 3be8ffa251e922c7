"""The parts of a run, built once from a model, a table and a recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.data.dataset import Batch, ImageTable, Item, Seeded, collate
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.table import Table
from omlzoo.data.transforms import Transform
from omlzoo.models._extractor import Extractor
from omlzoo.objectives._objective import Objective
from omlzoo.ops.all_gather import processes
from omlzoo.samplers.share import Share
from omlzoo.training.acts import described
from omlzoo.training.callbacks import Callbacks, make_callbacks
from omlzoo.training.captioning import Captioning
from omlzoo.training.defaults import loader_workers
from omlzoo.training.distributed import join, share_model
from omlzoo.training.freezing import check_cache, checkpoint_blocks, prepare
from omlzoo.training.frozen_features import FrozenFeatures
from omlzoo.training.inputs import Inputs
from omlzoo.training.lesson import Lesson, Taught
from omlzoo.training.loggers import Log, find_log, open_log
from omlzoo.training.monitors import Monitor, make_monitor
from omlzoo.training.objective import Captioned, OverViews, Supervised
from omlzoo.training.own_augment import try_first
from omlzoo.training.own_parts import is_own
from omlzoo.training.parts import make_augment, make_head, make_loss, make_sampler
from omlzoo.training.patch_loss import mask_head, over_rows, training_masks
from omlzoo.training.precision import decide_precision
from omlzoo.training.recipe import Recipe
from omlzoo.training.run_folder import CACHE, LAST
from omlzoo.training.split import Split, split_pictures, split_rows, split_taught, table_digest
from omlzoo.training.step import Optimization
from omlzoo.training.teacher import Teacher
from omlzoo.training.training_model import TrainingModel
from omlzoo.training.validation import Probe
from omlzoo.training.view_objective import make_objective

__all__ = ["Plan", "RunParts", "TrainingData", "build_data", "build_run", "build_step"]


@dataclass(frozen=True)
class Plan:
    """Rules by which a run ends, saves its state, and stops early.

    Attributes:
        epochs: Number of passes over the sampler.
        seed: Seed of dropout and other random numbers of training.
        save_seconds: Seconds between two saved states within an epoch.
        unreadable: Largest share of an epoch's pictures that may be unreadable.
        find_copies: Whether validation pictures that are also training pictures are looked for.
        decoded_gb: Largest size in GB of the decoded pictures that are kept while it trains; -1 chooses.
    """

    epochs: int
    seed: int
    save_seconds: float
    unreadable: float
    find_copies: bool
    decoded_gb: float


@dataclass(frozen=True)
class TrainingData:
    """The pictures of a run and the order in which they come.

    Attributes:
        pictures: The pictures, augmented.
        sampler: Row numbers of each batch.
        batches: Row numbers of each batch with a seed for each picture; its epoch is set before each pass.
        loader: Loads the batches.
        features: The outputs of frozen stages, if they are kept in a file; filled before the first pass.
        workers: Number of processes that load pictures.
        labels: Number of labels.
    """

    pictures: ImageTable
    sampler: Sampler[list[int]]
    batches: Seeded
    loader: DataLoader[Any]
    features: FrozenFeatures | None
    workers: int
    labels: int


@dataclass(frozen=True)
class RunParts:
    """Everything that a run is made of.

    Attributes:
        out: The run folder.
        plan: Rules by which the run ends, saves and stops early.
        split: The rows that train, choose the epoch and measure.
        data: The pictures and their order.
        inputs: Prepares the batches of the loader for the model.
        body: The extractor that is trained.
        model: What a step calls: the body and a head that only training has.
        frozen: Modules that stay in eval mode.
        frozen_stages: Computes the outputs of the frozen stages from pixels (B, 3, H, W) uint8.
        step: Optimizer, objective and precision.
        probe: Measures models.
        identity: Texts by name that a saved state has to agree with.
        start: The address of the model that the run began with.
        act: What the run is: "finetune", "pretrain" or "distil".
        source: What the entry says of the origin of the weights.
        entry: The entry of that model.
        recipe: The text of recipe.toml, with the command that runs it again.
        open_log: Opens the log that the recipe asks for.
        monitor: Watches for collapse, where the run learns without labels.
        callbacks: Called after steps, epochs and measurements.
        captioning: The text tower and the captions, where the run learns from them.
    """

    out: Path
    plan: Plan
    split: Split
    data: TrainingData
    inputs: Inputs
    body: Extractor
    model: TrainingModel
    frozen: list[nn.Module]
    frozen_stages: Callable[[Tensor], Tensor]
    step: Optimization
    probe: Probe
    identity: Mapping[str, str]
    start: str
    act: str
    source: str
    entry: Entry
    recipe: str
    open_log: Callable[[], Log]
    monitor: Monitor | None = None
    callbacks: Callbacks = field(default_factory=Callbacks)
    captioning: Captioning | None = None


def build_run(
    model: Extractor, table: Table, recipe: Recipe, out: Path, device: str, lesson: Lesson | None = None,
    captioning: Captioning | None = None,
) -> RunParts:  # fmt: skip
    """Every part of a run; torch's random numbers are seeded with the recipe's seed.

    Args:
        model: The extractor to train, in place.
        table: A table with the columns label and split.
        recipe: The settings.
        out: The run folder; nothing is written to it yet.
        device: "cpu", "cuda" or "auto".
        lesson: What a teacher teaches; None learns without one.
        captioning: The text tower that is trained beside the model, and the captions; None learns without them.

    Raises:
        BadInput: A setting does not suit the table or the model.
        UnknownName: There is no such loss, miner, sampler or augmentation.
        MissingExtra: A package that a setting needs is not installed.
    """
    log, address = find_log(recipe.log), model.facts.address
    callbacks = make_callbacks(recipe)
    where = join(torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device))
    act = "distil" if lesson is not None else "finetune" if recipe.objective == "none" else "pretrain"
    splits = {"distil": split_taught, "finetune": split_rows, "pretrain": split_pictures}
    split = splits[act](table, recipe) if captioning is None else captioning.split
    identity = {
        "recipe": recipe.to_toml(), "table": table_digest(table), "start": state_digest(model.state_dict()),
        "teacher": "none" if lesson is None else lesson.teacher.record.to_json(),
        **({} if captioning is None else {"captions": captioning.identity()}),
    }  # fmt: skip
    body = model.to(where).to(memory_format=torch.channels_last)
    recipe = decide_precision(body, recipe, split.fit, where, out / LAST)
    check_cache(body, recipe)
    torch.manual_seed(recipe.seed)
    joined = collate if captioning is None else captioning.collate
    data = build_data(split.fit, recipe, body.entry.preprocess, out / CACHE, where, lesson, joined)
    inputs = Inputs(Transform(body.entry.preprocess), where, data.features is not None)
    tower = None if captioning is None else captioning.model.tower
    frozen = prepare(body, recipe, tower)
    stage = recipe.freeze if recipe.cache else 0
    objective = make_objective(recipe, body, processes() > 1)
    head = make_head(recipe, body.dim) if objective is None else objective.make_projector()
    trained = TrainingModel(body, head if data.pictures.masks is None else mask_head(body), stage, tower).to(where)
    taught = None if lesson is None else lesson.objective(split.fit, recipe, body.dim, processes() > 1)
    step = build_step(trained, recipe, data, taught or objective or captioning)
    if recipe.recompute:
        for each in (body, tower):
            checkpoint_blocks([] if each is None else each.stages())
    how, command = described(act, table.name, address, "" if lesson is None else lesson.teacher.record.model)
    probe = Probe(recipe.select, "fp32" if recipe.precision == "fp16" else recipe.precision, where)
    return RunParts(
        out=out,
        plan=Plan(recipe.epochs, recipe.seed, 60 * recipe.save_minutes, recipe.unreadable, recipe.duplicates,
                  recipe.decoded_gb),
        split=split,
        data=data,
        inputs=inputs,
        body=body,
        model=trained,
        frozen=frozen,
        frozen_stages=partial(_frozen_stages, body, inputs, step, stage),
        step=step,
        probe=probe,
        identity=identity,
        start=address,
        act=act,
        source=f"{how} from {address}",
        entry=body.entry,
        recipe=recipe.to_toml(f"{command} --out <folder>"),
        open_log=partial(open_log, log, out, recipe),
        monitor=None if objective is None else make_monitor(split.fit, recipe, probe, inputs.transform,
                                                            objective.can_collapse),
        callbacks=callbacks,
        captioning=captioning,
    )  # fmt: skip


def build_data(
    rows: Table, recipe: Recipe, preprocess: Preprocess, cache: Path, device: torch.device,
    lesson: Lesson | None = None, joined: Callable[[Sequence[Item]], Batch] = collate,
) -> TrainingData:  # fmt: skip
    """The batches of training rows, augmented.

    Args:
        rows: The rows to train on.
        recipe: The settings, which name augmentation and sampler.
        preprocess: The model's preprocessing, which decides the size of the pictures.
        cache: The file for the outputs of frozen stages, if the recipe keeps them.
        device: The device of the model.
        lesson: What a teacher teaches, which needs batches of its own.
        joined: Makes a batch of its items.

    Raises:
        BadInput: The sampler cannot draw such batches from these rows.
    """
    augment, side = make_augment(recipe, preprocess)
    masks = training_masks(rows, recipe) if lesson is None else None
    pictures = ImageTable(rows, augment, side if recipe.decode == "fast" else None, masks)
    if is_own(recipe.augment):
        try_first(pictures)
    features = FrozenFeatures(pictures, recipe.cache, cache, recipe.seed) if recipe.cache else None
    sampler = make_sampler(rows, recipe) if lesson is None else lesson.batches(rows, recipe)
    batches = Seeded(sampler, recipe.seed)
    workers = recipe.workers if recipe.workers >= 0 else loader_workers(len(pictures))
    loader: DataLoader[Any] = DataLoader(
        features or pictures, batch_sampler=Share(batches) if processes() > 1 else batches, collate_fn=joined,
        num_workers=0 if features else workers, generator=torch.Generator().manual_seed(recipe.seed),
        pin_memory=device.type == "cuda",
    )  # fmt: skip
    return TrainingData(pictures, sampler, batches, loader, features, workers, int(pictures.codes.max()) + 1)


def build_step(
    model: TrainingModel, recipe: Recipe, data: TrainingData, beyond: Objective | Taught | Captioning | None = None
) -> Optimization:
    """Objective, optimizer and learning rates of a run.

    Args:
        model: The model on its device, with its frozen stages frozen.
        recipe: The settings, whose precision is decided.
        data: The training data, which decides the number of labels and of steps.
        beyond: An objective over views, or that of a lesson; otherwise the recipe's loss, of captions or labels.

    Raises:
        BadInput: The loss does not take the recipe's arguments.
        UnknownName: There is no such loss or miner.
    """
    device = next(model.parameters()).device
    steps, precision = recipe.epochs * -(-len(data.batches) // recipe.accumulate), recipe.precision
    if isinstance(beyond, Taught):
        return Optimization(share_model(model), beyond.to(device), recipe, steps, precision)
    if beyond is None or isinstance(beyond, Captioning):
        loss = make_loss(recipe, recipe.poincare or model.body.dim, data.labels, processes() > 1)
        loss = over_rows(loss, model.head, model.body.dim).to(device)
        if beyond is not None:
            beyond.begin(loss, recipe)
        supervised = Supervised(loss) if beyond is None else Captioned(loss)
        return Optimization(share_model(model), supervised, recipe, steps, precision)
    objective, teacher = OverViews(beyond.to(device)), None
    if beyond.teacher:
        teacher = Teacher(model, beyond.momentum, steps, beyond.constant_momentum)
    return Optimization(share_model(model), objective, recipe, steps, precision, teacher)


def _frozen_stages(body: Extractor, inputs: Inputs, step: Optimization, stage: int, pixels: Tensor) -> Tensor:
    with torch.no_grad(), step.autocast():
        return body.until(inputs.images(pixels), stage)
