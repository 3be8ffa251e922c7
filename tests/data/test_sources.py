"""Arrays, bytes, generators and datasets as sources: what is taken of an item, and what is refused by which rule."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from omlzoo.data.images import to_rgb
from omlzoo.data.late_picture import LatePicture
from omlzoo.data.picture_list import Pictures, open_source, source_table
from omlzoo.data.sources._items import item_of, items_of
from omlzoo.data.sources._opened import Item, Stream, unread
from omlzoo.data.sources._pixels import check_pixels, is_array, pixels_of
from omlzoo.errors import BadImage, BadInput, OmlzooWarning

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 9, 3), np.uint8)  # N, H, W, 3


def shown(source: Any) -> list[np.ndarray]:
    """The pixels (H, W, 3) of all pictures of a source."""
    opened = open_source(source)
    pictures = [item.picture for item in opened.items] if isinstance(opened, Stream) else opened.pictures
    return [np.asarray(to_rgb(picture)) for picture in pictures or ()]


@pytest.mark.parametrize("make", [
    lambda x: x, lambda x: x.transpose(0, 3, 1, 2), torch.from_numpy, lambda x: torch.from_numpy(x).permute(0, 3, 1, 2),
    list, lambda x: [torch.from_numpy(one) for one in x], lambda x: x[:, ::-1][:, ::-1], lambda x: (one for one in x),
    lambda x: TensorDataset(torch.from_numpy(x)), lambda x: DataLoader(TensorDataset(torch.from_numpy(x)), batch_size=2),
])  # fmt: skip
def test_arrays_of_each_layout_are_the_same_pictures(make: Any) -> None:
    found = shown(make(PIXELS))
    assert len(found) == 5
    assert all((one == other).all() for one, other in zip(found, PIXELS, strict=True))


def test_one_array_is_one_picture() -> None:
    for one in (PIXELS[0], torch.from_numpy(PIXELS[0].transpose(2, 0, 1).copy())):
        (found,) = shown(one)
        assert (found == PIXELS[0]).all()


def test_where_both_layouts_fit_an_array_ends_and_a_tensor_begins_with_channels() -> None:
    both = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert (np.asarray(pixels_of(both)) == both).all()
    assert (np.asarray(pixels_of(torch.from_numpy(both))) == both.transpose(1, 2, 0)).all()


@pytest.mark.parametrize(("array", "said"), [
    (PIXELS.astype(np.float32) / 255, "is of type float32; pixels are uint8 from 0 to 255"),
    (torch.rand(2, 3, 4, 4), r"leave out ToTensor\(\) and Normalize\(\)"),
    (torch.rand(2, 3, 4, 4, dtype=torch.bfloat16), "is of type bfloat16"),
    (PIXELS.astype(np.int64), "is of type int64.*convert them"),
    (PIXELS[..., :2], r"has the shape \(5, 7, 9, 2\); it must be \(N, H, W, 3\) or \(N, 3, H, W\)"),
    (PIXELS[..., 0], "for grey pictures repeat the channel three times"),
    (PIXELS[..., :1], "for grey pictures repeat the channel three times"),
    (PIXELS[None], r"has the shape \(1, 5, 7, 9, 3\)"),
    (np.zeros((0, 4, 4, 3), np.uint8), "no picture"),
])  # fmt: skip
def test_arrays_that_are_no_pictures(array: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        open_source(array)
    assert "\n" not in str(caught.value)


def test_an_array_without_pixels_is_an_error_of_its_row() -> None:
    (picture,) = open_source(np.zeros((1, 0, 4, 3), np.uint8)).pictures or ()  # type: ignore[union-attr]
    with pytest.raises(BadImage, match="pixels"):
        to_rgb(picture)


def test_bytes_one_and_several() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(buffer, "PNG")
    for source in (buffer.getvalue(), bytearray(buffer.getvalue()), [buffer.getvalue()]):
        (found,) = shown(source)
        assert (found == PIXELS[0]).all()


@pytest.mark.parametrize(("value", "label"), [
    ((PIXELS[0], 3), 3), ((3, PIXELS[0]), 3), ((PIXELS[0], torch.tensor(4)), 4), ((PIXELS[0], np.int16(2), "x"), 2),
    ((PIXELS[0], "shoe"), "shoe"), ({"image": PIXELS[0], "id": 9, "label": 1}, 1), ({"a": "cat", "b": PIXELS[0]}, "cat"),
    ([PIXELS[0], PIXELS[1]], None), (PIXELS[0], None), ((PIXELS[0], True), None), ((Path("a.png"), 5), 5), (("a.png", 5), 5),
])  # fmt: skip
def test_which_part_of_an_item_is_its_label(value: Any, label: Any) -> None:
    item = item_of(value, 7, Path("root"))
    assert item.label == label
    if isinstance(item.picture, Path):
        assert (item.picture, item.name) == (Path("root/a.png"), "a.png")
    else:
        assert item.name == "image 7"
        assert (np.asarray(item.picture) == PIXELS[0]).all()


@pytest.mark.parametrize("value", [5, None, (1, 2), {}, (), [[1.0]], object()])
def test_an_item_without_a_picture(value: Any) -> None:
    with pytest.raises(BadInput, match="item 3 has no picture"):
        item_of(value, 3, Path())


def test_the_first_item_that_is_wrong_is_refused_a_later_one_is_a_row_with_an_error() -> None:
    with pytest.raises(BadInput, match=r"the list: item 0 is of type float32"):
        list(items_of([PIXELS[0].astype(np.float32)], "the list", Path()))
    items = list(items_of([PIXELS[0], PIXELS[1].astype(np.float32), PIXELS[2]], "the list", Path()))
    assert [item.name for item in items] == ["image 0", "item 1", "image 2"]
    with pytest.raises(BadImage, match="item 1: item 1 is of type float32"):
        to_rgb(items[1].picture)
    with pytest.raises(BadInput, match="gave no picture"):
        list(items_of([], "the list", Path()))


def breaking(count: int) -> Iterator[np.ndarray]:
    yield from PIXELS[:count]
    raise OSError("the disk is gone")


def test_a_generator_that_raises_keeps_what_came_before() -> None:
    with pytest.warns(OmlzooWarning, match="raised OSError: the disk is gone after 2 pictures; those are kept"):
        items = list(items_of(breaking(2), "the generator", Path()))
    assert len(items) == 3
    with pytest.raises(BadImage, match="item 2: OSError: the disk is gone"):
        to_rgb(items[2].picture)


def test_one_that_ends_early_is_said() -> None:
    with pytest.warns(OmlzooWarning, match="gave 2 pictures, and its length is 5"):
        list(items_of(PIXELS[:2], "the stream", Path(), count=5))


def test_labels_are_said_once() -> None:
    with pytest.warns(OmlzooWarning, match="the integer or text beside it as its label") as caught:
        list(items_of([(PIXELS[0], 1), (PIXELS[1], 2)], "the dataset", Path()))
    assert len(caught) == 1


def test_a_generator_that_fills_one_array_again_and_again() -> None:
    def same() -> Iterator[np.ndarray]:
        buffer = np.empty_like(PIXELS[0])
        for one in PIXELS:
            buffer[:] = one
            yield buffer

    assert all((one == other).all() for one, other in zip(shown(same()), PIXELS, strict=True))


class Faulty(Dataset[Any]):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, number: int) -> Any:
        if number == 2:
            raise KeyError("gone")
        return {"pixels": torch.from_numpy(PIXELS[number]), "label": number % 2}


class Counting(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from ((Image.fromarray(one), f"n{number}") for number, one in enumerate(PIXELS))


@pytest.mark.filterwarnings("ignore::omlzoo.errors.OmlzooWarning")
def test_datasets_of_torch() -> None:
    opened = open_source(Faulty())
    assert isinstance(opened, Stream)
    assert opened.count == 5
    items = list(opened.items)
    assert [item.label for item in items] == [0, 1, None, 1, 0]
    with pytest.raises(BadImage, match="item 2: KeyError: 'gone'"):
        to_rgb(items[2].picture)
    opened = open_source(Counting())
    assert isinstance(opened, Stream)
    assert opened.count is None
    assert [item.label for item in opened.items] == ["n0", "n1", "n2", "n3", "n4"]


@pytest.mark.filterwarnings("ignore::omlzoo.errors.OmlzooWarning")
@pytest.mark.parametrize("loader", [
    lambda data: DataLoader(data, batch_size=2), lambda data: DataLoader(data, batch_size=None),
    lambda data: DataLoader(data, batch_size=2, collate_fn=list),
    lambda data: DataLoader(data, batch_size=2, collate_fn=lambda items: [list(part) for part in zip(*items, strict=True)]),
])  # fmt: skip
def test_a_loader_is_taken_apart_into_items(loader: Any) -> None:
    for pictures in (torch.from_numpy(PIXELS).permute(0, 3, 1, 2), PIXELS):
        data = [(pictures[n], n) for n in range(5)]
        opened = open_source(loader(data))
        assert isinstance(opened, Stream)
        items = list(opened.items)
        assert [item.label for item in items] == [0, 1, 2, 3, 4]
        assert all((np.asarray(item.picture) == one).all() for item, one in zip(items, PIXELS, strict=True))


def test_datasets_of_hugging_face(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    buffers = []
    for one in PIXELS:
        Image.fromarray(one).save(buffer := io.BytesIO(), "PNG")
        buffers.append(buffer.getvalue())
    features = datasets.Features({"n": datasets.Value("int32"), "image": datasets.Image(),
                                  "label": datasets.ClassLabel(names=["cat", "dog"])})  # fmt: skip
    rows = {
        "n": [*range(5)],
        "image": [{"bytes": one, "path": f"/x/{n}.png"} for n, one in enumerate(buffers)],
        "label": [0, 1, 0, 1, 1],
    }
    data = datasets.Dataset.from_dict(rows, features=features)
    opened = open_source(data)
    assert isinstance(opened, Pictures)
    assert opened.table.frame.to_dict("list") == {
        "path": [f"{n}/{n}.png" for n in range(5)], "n": [0, 1, 2, 3, 4], "label": ["cat", "dog", "cat", "dog", "dog"]}  # fmt: skip
    assert all((one == other).all() for one, other in zip(shown(data), PIXELS, strict=True))
    assert all((one == other).all() for one, other in zip(shown(data.select([3, 1])), PIXELS[[3, 1]], strict=True))
    with pytest.warns(OmlzooWarning, match="as its label"):
        streamed = list(open_source(data.to_iterable_dataset()).items)  # type: ignore[union-attr]
    assert [(item.name, item.label) for item in streamed][:2] == [("0/0.png", "cat"), ("1/1.png", "dog")]
    with pytest.raises(BadInput, match="no column of the type Image"):
        open_source(data.remove_columns("image"))
    with pytest.raises(BadInput, match="it holds the datasets 'train'"):
        open_source(datasets.DatasetDict(train=data))
    elsewhere = datasets.Dataset.from_dict({"image": [{"bytes": None, "path": "https://x.example/a.png"}]},
                                           features=datasets.Features({"image": datasets.Image()}))  # fmt: skip
    with pytest.raises(BadImage, match="is an address, and those that stand in a dataset are not followed"):
        to_rgb((open_source(elsewhere).pictures or ())[0])  # type: ignore[union-attr]


def test_what_comes_once_has_no_table() -> None:
    with pytest.raises(BadInput, match="gives each picture once"):
        source_table(one for one in PIXELS)


def test_pictures_that_are_read_late() -> None:
    late = LatePicture("row 3", lambda: Image.fromarray(PIXELS[0]))
    assert str(late) == "row 3"
    assert to_rgb(late).size == (9, 7)
    with pytest.raises(BadImage, match="row 4: ZeroDivisionError"):
        to_rgb(LatePicture("row 4", lambda: 1 // 0))  # type: ignore[arg-type, return-value]
    with pytest.raises(BadImage, match="row 5: because"):
        to_rgb(unread("row 5", "because"))
    assert is_array(PIXELS)
    assert is_array(torch.zeros(1))
    assert not is_array([1])
    assert Item(Path("a"), "a").label is None
    check_pixels(PIXELS[0], "it", (3,))
