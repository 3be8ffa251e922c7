"""What a checkpoint is for, from facts of its entry: its family, its text tower, the data sets of its figures."""

from dataclasses import dataclass

from omlzoo.checkpoints.entry import Entry, Metric
from omlzoo.errors import BadInput

__all__ = ["BENCHMARKS", "TASKS", "Figure", "check_task", "figures", "made_for", "tasks_of", "trained_on"]

TASKS = {
    "products": "photos of goods, of one shop or across shops",
    "animals": "animals and plants, kinds and individuals",
    "vehicles": "cars and other vehicles",
    "landmarks": "buildings and places",
    "people": "the same person in other camera views, by the whole body",
    "faces": "the same face",
    "image-text": "pictures by words",
    "drawings": "characters, sketches, symbols",
    "general": "whatever is in a picture; no fact says more",
}


@dataclass(frozen=True)
class Benchmark:
    """A data set and a metric that say something about a task.

    Attributes:
        dataset: The beginning of the name that entries give to the data set.
        metric: Name of the metric.
        task: One of :data:`TASKS`.
        short: A name of a few letters for columns.
        suffix: How names of checkpoints that were trained on the data set end, in families that name them so.
    """

    dataset: str
    metric: str
    task: str
    short: str
    suffix: str | None = None

    def __contains__(self, measured: tuple[str, str]) -> bool:
        dataset, metric = measured
        return dataset.startswith(self.dataset) and metric.lower() == self.metric


# The one table from families and data sets to tasks. Within a task the first benchmark is the one that is shown first.
FAMILIES = {
    "fashion": "products", "bioclip": "animals", "megadescriptor": "animals", "miewid": "animals",
    "landmark": "landmarks", "reid": "people", "face": "faces",
}  # fmt: skip
NAMED_BY_TRAINING_DATA = ("oml",)  # families whose names end with the data set they were trained on
BENCHMARKS = (
    Benchmark("SOP", "cmc@1", "products", "SOP", "sop"),
    Benchmark("In-Shop", "cmc@1", "products", "In-Shop", "inshop"),
    Benchmark("six fashion sets", "category_to_product precision@1", "products", "fashion"),
    Benchmark("CUB-200-2011", "cmc@1", "animals", "CUB", "cub"),
    Benchmark("iNaturalist", "cmc@1", "animals", "iNaturalist"),
    Benchmark("Cars196", "cmc@1", "vehicles", "Cars", "cars"),
    Benchmark("VeRi", "map", "vehicles", "VeRi"),
    Benchmark("ROxford", "map", "landmarks", "ROxford"),
    Benchmark("RParis", "map", "landmarks", "RParis"),
    Benchmark("Market", "map", "people", "Market"),
    Benchmark("MSMT17", "map", "people", "MSMT17"),
    Benchmark("IJB-C", "tar@far=1e-4", "faces", "IJB-C"),
    Benchmark("LFW", "accuracy", "faces", "LFW"),
    Benchmark("COCO", "text_to_image", "image-text", "COCO"),
    Benchmark("Flickr", "text_to_image", "image-text", "Flickr"),
    Benchmark("Omniglot", "cmc@1", "drawings", "Omniglot"),
    Benchmark("ImageNet-1k", "knn_top1", "general", "k-NN"),
)
MEASURERS = ("OML", "authors")  # whose figure is taken where several measured; OML's compare more checkpoints


@dataclass(frozen=True)
class Figure:
    """The figure of a checkpoint in a benchmark."""

    benchmark: Benchmark
    metric: Metric

    def __str__(self) -> str:
        return f"{self.metric.value:.3f} {self.benchmark.short} {self.metric.by}"


def check_task(task: str) -> str:
    """The task itself.

    Raises:
        BadInput: There is no such task; all are listed.
    """
    if task not in TASKS:
        raise BadInput(f"task is {task[:100]!r}; it must be one of {', '.join(TASKS)}")
    return task


def trained_on(entry: Entry) -> str | None:
    """The data set that an entry's weights were trained on, where its name says so."""
    if entry.family not in NAMED_BY_TRAINING_DATA:
        return None
    return next((each.dataset for each in BENCHMARKS if each.suffix and entry.name.endswith(f"_{each.suffix}")), None)


def made_for(entry: Entry) -> tuple[str, ...]:
    """The tasks that an entry's weights were trained for, by its family, its name or its text tower; often none."""
    found = {FAMILIES.get(entry.family)}
    data = trained_on(entry)
    found |= {each.task for each in BENCHMARKS if each.dataset == data}
    if entry.text is not None:
        found.add("image-text")
    return tuple(task for task in TASKS if task in found)


def figures(entry: Entry, task: str | None = None) -> list[Figure]:
    """The figures of an entry in the benchmarks of a task, or of all: one for each, in the order of the table.

    Args:
        entry: The entry.
        task: One of :data:`TASKS`; None takes all.
    """
    found = []
    for each in BENCHMARKS:
        if task in (None, each.task):
            metrics = [m for m in entry.metrics if (m.dataset, m.metric) in each]
            metrics.sort(key=lambda metric: MEASURERS.index(metric.by) if metric.by in MEASURERS else len(MEASURERS))
            found += [Figure(each, metric) for metric in metrics[:1]]
    return found


def tasks_of(entry: Entry) -> tuple[str, ...]:
    """The tasks of an entry: those it was made for, then those it has a figure in; "general" where there are none.

    Without a text tower nobody can search by words, whatever was measured.
    """
    trained = made_for(entry)
    measured = {figure.benchmark.task for figure in figures(entry)} - ({"image-text"} if entry.text is None else set())
    return trained + tuple(task for task in TASKS if task in measured and task not in trained) or ("general",)
