"""The transformer: scikit-learn's own checks, its pipelines, and the vectors of embed()."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from omlzoo.sklearn import Embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model."""
    made = tmp_path_factory.mktemp("model") / "m"
    toy("resnet_toy").save(made)
    return made


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Twelve pictures, dark ones and light ones in turn."""
    home, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(12):
        levels = random.integers(0, 60, (40, 40, 3)) + 190 * (number % 2)
        Image.fromarray(levels.astype(np.uint8)).save(home / f"{number}.png")
    return [str(home / f"{number}.png") for number in range(12)]


LIGHT = np.arange(12) % 2


@pytest.mark.filterwarnings("ignore:Can't test estimator Embedder which requires input")
def test_scikit_learns_checks_pass(folder: Path) -> None:
    """The suite runs what takes no numbers at all; the tests below do with pictures what its others do with those."""
    found = check_estimator(Embedder(str(folder)), on_skip=None)
    assert {one["status"] for one in found} <= {"passed", "skipped"}
    assert any(one["status"] == "passed" for one in found)


@pytest.mark.parametrize("name", [
    "estimator_cloneable", "estimator_tags_renamed", "valid_tag_types", "estimator_repr", "no_attributes_set_in_init",
    "mixin_order", "get_params_invariance", "set_params",
])  # fmt: skip
def test_each_check_that_needs_no_numbers_passes(name: str, folder: Path) -> None:
    getattr(estimator_checks, f"check_{name}")("Embedder", Embedder(str(folder)))


def test_vectors_are_those_of_embed_whatever_the_column_is(folder: Path, paths: list[str]) -> None:
    wanted = omlzoo.embed(str(folder), paths, progress=False).vectors
    embedder = Embedder(str(folder))
    frame = pd.DataFrame({"photo": paths, "price": range(12)})
    columns = [paths, np.array(paths), np.array(paths, dtype=object)[:, None], frame["photo"], frame[["photo"]],
               frame[["photo"]].rename(columns={"photo": "path"}), [Image.open(path) for path in paths]]  # fmt: skip
    for column in columns:
        found = embedder.fit(column, LIGHT).transform(column)
        assert found.dtype == np.float32
        assert np.array_equal(found, wanted)
    assert np.array_equal(embedder.fit_transform(paths), wanted)
    assert np.array_equal(Embedder(str(folder)).transform(paths), wanted)  # there is nothing to learn
    assert np.array_equal(Embedder(omlzoo.get_model(str(folder))).transform(paths), wanted)
    alone = Embedder(str(folder), root=Path(paths[0]).parent).transform(["3.png"])
    assert alone == pytest.approx(wanted[3:4], abs=1e-5)


def test_settings_are_read_set_cloned_and_pickled(folder: Path, paths: list[str]) -> None:
    embedder = Embedder(str(folder), batch_size=3).fit(paths)
    assert embedder.get_params() == {
        "model": str(folder), "root": None, "batch_size": 3, "precision": "auto", "workers": None, "device": "auto", "runtime": "torch",
    }  # fmt: skip
    assert clone(embedder).get_params() == embedder.get_params()
    assert embedder.set_params(batch_size=5).batch_size == 5
    text = pickle.dumps(embedder)
    assert len(text) < 2000  # the name, not the weights
    assert np.array_equal(pickle.loads(text).transform(paths[:2]), embedder.transform(paths[:2]))
    assert repr(Embedder("m")) == "Embedder(model='m')"


def test_it_is_a_step_of_pipelines_and_searches(folder: Path, paths: list[str]) -> None:
    pipeline = make_pipeline(Embedder(str(folder)), LogisticRegression())
    assert pipeline.fit(paths, LIGHT).score(paths, LIGHT) == 1.0
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(np.array(paths), LIGHT)
    assert search.best_score_ == 1.0
    frame = pd.DataFrame({"photo": paths, "price": np.arange(12.0)}, index=np.arange(12) + 100)
    both = ColumnTransformer([("photo", Embedder(str(folder)), "photo"), ("rest", "passthrough", ["price"])])
    both.set_output(transform="pandas")
    table = both.fit_transform(frame)
    dim = omlzoo.get_model(str(folder)).dim
    assert list(table.columns) == [f"photo__embedder{number}" for number in range(dim)] + ["rest__price"]
    assert table.index.tolist() == frame.index.tolist()


def test_bad_input_is_one_line(folder: Path, paths: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("none")
    with pytest.warns(OmlzooWarning, match=r"broken\.png"):
        found = Embedder(str(folder)).transform([paths[0], str(tmp_path / "broken.png")])
    assert np.isnan(found).all(axis=1).tolist() == [False, True]
    with pytest.raises(BadInput, match=r"the column has 1.0; an Embedder takes paths"):
        Embedder(str(folder)).transform(np.ones((3, 1)))
    with pytest.raises(UnknownName):
        Embedder("no_such_model").fit(paths)
