"""Export of models as ONNX, TorchScript or ExecuTorch files, which contain their entry and are checked by a run."""

import copy
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo import catalog
from omlzoo.checkpoints.archives import read_extra
from omlzoo.checkpoints.engine_files import engine_file
from omlzoo.checkpoints.entry import Entry, dump_entry, without_address
from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.errors import BadInput, MissingExtra, WeightsMismatch, notice
from omlzoo.files import new_file
from omlzoo.jsonio import parse_json
from omlzoo.models._extractor import Extractor
from omlzoo.models._wrapped import MODULE
from omlzoo.zoo import executorch, fingerprint
from omlzoo.zoo.registry import open_model

__all__ = ["Exported", "export", "kept_onnx", "read_entry"]

KEY = "omlzoo_entry"
TOLERANCE = 1e-4  # of the embedding's largest absolute value; engines sum in different orders
LEAST_COSINE = 0.95  # least cosine on the checked images; below it the difference is not just rounding to int8
BATCHES = (1, 3)  # batch sizes with which an exported file is checked


@dataclass(frozen=True)
class Exported:
    """An exported file, and how well it agrees with the model.

    Attributes:
        path: The file.
        size: Height and width in pixels of the images that it takes. The batch size is free, except for ExecuTorch,
            where it is 1.
        difference: Largest absolute difference between its embeddings and the model's on the checked images, relative
            to the largest absolute value of the model's embeddings.
        cosine: Smallest cosine between its embeddings and the model's on the checked images.
    """

    path: Path
    size: tuple[int, int]
    difference: float
    cosine: float


class _Bare(nn.Module):
    """A module with the forward pass of an extractor alone, for tracing."""

    model: Extractor

    def __init__(self, model: Extractor) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)  # type: ignore[no-any-return]


def export(model: Extractor | str | Path, path: str | Path, *, int8: bool = False, overwrite: bool = False) -> Exported:
    """Export a model for another engine.

    The format follows from the suffix of the path: ``.onnx`` for ONNX Runtime, OpenVINO and others, ``.pt`` for
    TorchScript, or ``.pte`` for ExecuTorch, which runs on phones.

    The exported model maps normalised images (B, 3, H, W) float32 to embeddings (B, dim). H and W are those of the
    model's preprocessing; B is free, except for ExecuTorch, where it is 1. The file contains the model's entry, which
    describes the preprocessing, see :func:`read_entry`. Before the file is put in place, it is run on two batches and
    compared with the model.

    Args:
        model: An extractor, or a name, folder or address that ``omlzoo.get_model`` opens.
        path: The file to write, with the suffix .onnx, .pt or .pte.
        int8: Whether to store the weights of linear layers and convolutions as 8-bit integers and to quantize
            activations dynamically, for ONNX only. The file is smaller, and faster on some machines, but less exact;
            docs/results.md has the loss of accuracy.
        overwrite: Whether an exported file of another model is replaced. One of the same model always is, which is
            said, and a file that is not ours never.

    Raises:
        BadInput: There is a file of another model and ``overwrite`` is False, or one that is not ours.
        BadInput: The suffix is another one, ``int8`` is set for another format than ONNX, or the model has no entry.
        WeightsMismatch: The exported model computes something else than the model; nothing is written.
        MissingExtra: onnx, onnxscript or onnxruntime, or executorch, is not installed.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".onnx", ".pt", ".pte"):
        raise BadInput(f"{path}: the name must end in .onnx, .pt (TorchScript) or .pte (ExecuTorch)")
    if int8 and kind != ".onnx":
        raise BadInput(f"{path}: int8 is for .onnx")
    extractor = open_model(model)
    facts = extractor.entry
    if extractor.changed:
        facts = without_address(facts, source=f"weights of one's own, started from {facts.name}")
    _check_replaceable(path, facts, overwrite)
    entry, size = dump_entry(facts), facts.preprocess.crop
    bare = _Bare(copy.deepcopy(extractor).float().cpu().eval())
    for part in bare.modules():
        if isinstance(part, Extractor) and part.weights is None:
            part.weights = extractor.weights  # TorchScript asks each attribute; the body of a projection has no facts
    written = _Bare(bare.model.merged())  # what is compared with the model as it is
    with new_file(path) as temporary:
        if kind == ".onnx":
            _write_onnx(written, size, temporary, entry, int8)
        elif kind == ".pte":
            executorch.write_program(written, size, temporary, KEY, entry)
        else:
            _write_torchscript(written, size, temporary, entry)
        try:
            difference, cosine = _compare(bare, size, temporary, kind)
        except Exception as error:  # engines raise exception classes of their own
            reason = (str(error).splitlines() or [type(error).__name__])[-1]
            raise WeightsMismatch(f"{path}: what was exported does not run: {reason[:300]}") from error
        if cosine < LEAST_COSINE or (not int8 and difference > TOLERANCE):
            raise WeightsMismatch(
                f"{path}: what was exported differs from the model by {difference:.1e} of its largest number (cosine "
                f"{cosine:.4f}); this version of torch or onnxruntime computes something else: try another"
            )
    return Exported(path, size, difference, cosine)


def _check_replaceable(path: Path, facts: Entry, overwrite: bool) -> None:
    """Say that a file of ours will be replaced, or refuse to replace it."""
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        theirs = read_entry(path)
    except BadInput as error:
        raise BadInput(f"{path} exists and was not written by export; give another name, or remove it first") from error
    name, digest = theirs.get("name"), theirs.get("sha256")
    same = (name, digest) == (facts.name, facts.sha256)
    if not same and not overwrite:
        ours, other = f"{facts.name} ({str(facts.sha256)[:16]})", f"{name} ({str(digest)[:16]})"
        raise BadInput(f"{path} holds {other}, not {ours}; give another name, or overwrite (--overwrite) to replace it")
    notice(f"{path} held {name} and is replaced")


@contextmanager
def kept_onnx(model: Extractor) -> Iterator[Path]:
    """Yield the ONNX file of a model for the engines: images (B, 3, H, W) float32 to embeddings (B, dim).

    It is kept under ``OMLZOO_HOME`` and used again for the same weights and versions of the packages; that of a module
    of one's own is in a folder of its own and removed after the block, as its code may have changed.

    Raises:
        WeightsMismatch: The exported model computes something else than the model.
        MissingExtra: onnx, onnxscript or onnxruntime is not installed.
    """
    runtime, entry = _onnx("onnxruntime"), model.entry
    if MODULE in f"{entry.arch} {entry.arch_args}":
        with tempfile.TemporaryDirectory(prefix="omlzoo-engine-") as folder:
            export(model, Path(folder) / "model.onnx")
            yield Path(folder) / "model.onnx"
        return
    digest = state_digest(model.state_dict())
    facts = json.dumps([digest, entry.preprocess.crop, model.normalize, entry.arch, entry.arch_args, "", repr(model),
                        torch.__version__, runtime.__version__])  # fmt: skip
    sha256 = f"state:{digest}" if model.changed or entry.sha256 is None else entry.sha256
    path = engine_file(model.facts.address, sha256, entry.preprocess.crop, model.normalize, facts)
    if not path.is_file():
        logging.getLogger("omlzoo").info(
            "exporting the model for another engine; the result is kept in %s", path.parent
        )
        export(model, path)
    yield path


def read_entry(path: str | Path) -> dict[str, Any]:
    """Read the entry in an exported file, as nested dicts, lists and plain values.

    Of a TorchScript or ONNX file nothing is run. The entry in an ExecuTorch program is a method of it, which is run.

    Raises:
        BadInput: The file cannot be read, or has no entry.
        MissingExtra: The package that reads the format is not installed.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".pt":
            text: Any = read_extra(path, KEY)  # without torch.jit.load, which runs code of the file
        elif path.suffix.lower() == ".pte":
            text = executorch.read_text(path, KEY)
        else:
            properties = {
                each.key: each.value for each in _onnx("onnx").load(str(path), load_external_data=False).metadata_props
            }
            text = properties[KEY]
        entry: dict[str, Any] = parse_json(text, str(path))
    except MissingExtra:
        raise
    except Exception as error:  # readers of other formats raise exception classes of their own
        raise BadInput(f"{path}: has no entry of ours ({error}); give a file that `omlzoo export` wrote") from error
    return entry


def _write_onnx(bare: nn.Module, size: tuple[int, int], path: Path, entry: str, int8: bool) -> None:
    onnx, _ = _onnx("onnx"), _onnx("onnxscript")
    whole = path.with_name(f"{path.name}.float") if int8 else path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                bare, (torch.zeros(2, 3, *size),), dynamo=True, input_names=["images"], output_names=["embeddings"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},), verbose=False,
            )  # fmt: skip
        program.save(str(whole))
        if int8:
            quantization = _onnx("onnxruntime.quantization")
            quantization.quantize_dynamic(str(whole), str(path), weight_type=quantization.QuantType.QInt8)
    finally:
        if int8:
            whole.unlink(missing_ok=True)
    proto = onnx.load(str(path))
    onnx.helper.set_model_props(proto, {KEY: entry})
    onnx.save(proto, str(path))


def _write_torchscript(bare: nn.Module, size: tuple[int, int], path: Path, entry: str) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; what tracing misses, the comparison finds
        traced = torch.jit.trace(bare, torch.zeros(2, 3, *size), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files={KEY: entry})


def _compare(bare: nn.Module, size: tuple[int, int], path: Path, kind: str) -> tuple[float, float]:
    """Largest relative difference and smallest cosine between an exported file and the model, on two batch sizes."""
    images = torch.randn(max(BATCHES), 3, *size, generator=torch.Generator().manual_seed(0))
    images[0] = bare.model.transforms()(fingerprint.picture())  # type: ignore[operator,union-attr]
    difference, cosine = 0.0, 1.0
    with torch.inference_mode():
        run = _runner(path, kind)
        for batch in BATCHES:
            expected, actual = bare(images[:batch]), run(images[:batch])
            if actual.shape != expected.shape or not torch.isfinite(actual).all():
                return float("inf"), 0.0
            difference = max(difference, float((actual - expected).abs().max() / expected.abs().max()))
            cosine = min(cosine, float(nn.functional.cosine_similarity(actual, expected).min()))
    return difference, cosine


def _runner(path: Path, kind: str) -> Any:
    if kind == ".pt":
        return _load_torchscript(path)
    if kind == ".pte":
        return executorch.load_program(path)
    session = _onnx("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(np.asarray(session.run(None, {"images": images.numpy()})[0]))


def _load_torchscript(path: Path) -> Any:
    """The module of an archive that this process has written. Code of the archive runs, so no other is loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        return torch.jit.load(str(path))  # type: ignore[no-untyped-call]


def _onnx(package: str) -> Any:
    return catalog.optional(package, "onnx")
