"""The record of how vectors were made, which travels with them and is checked when it is read."""

import hashlib
import json
import re
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import numpy as np

from omlzoo.data.images import DECODER
from omlzoo.data.preprocess import Preprocess, Profiles
from omlzoo.errors import BadEntry, BadInput
from omlzoo.jsonio import build, parse_json
from omlzoo.ops.directions import directions

__all__ = ["Record"]

WIDEST = 1_000_000  # numbers of a vector
# What each decoder gives other pixels than the one before it.
DECODERS = {2: "pictures with grey of more than 8 bits, and with transparent colours of other depths than 8 bits"}
DIGEST = re.compile("[0-9a-f]{64}")
LARGEST_SIDE = 65_536  # pixels that pictures are resized to


@dataclass(frozen=True)
class Record:
    """How vectors were made; two sets can be compared where model, preprocessing and normalisation agree.

    Attributes:
        model: What ``omlzoo.get_model`` opens to get the same model again.
        sha256: The sha256 of the file of its weights. For weights that are in no file it is "state:" and the sha256 of
            their values.
        dim: Dimension of the vectors.
        preprocess: The evaluation preprocessing, as plain values.
        normalized: Whether the vectors have an L2 norm of 1.
        precision: The precision of the computation, "fp32", "bf16" or "int8".
        root: The folder that the table's relative paths start from.
        rows: The sha256 of the rows and of the sizes and times of change of their files, where the run was written to
            one file in parts. None elsewhere.
        full_dim: Dimension of the model's own vectors where these were truncated. None elsewhere.
        decoding: "exact", or "scaled" where large JPEGs were decoded at a smaller size.
        icc: "ignore", or "srgb" where pictures with another colour profile were converted to sRGB.
        calibrated: What tells the int8 model that made them from another one, 64 hex digits; None in other precisions.
        decoder: The number of the way in which pictures were decoded, from 1; that of this version by default.
    """

    model: str
    sha256: str
    dim: int
    preprocess: dict[str, Any]
    normalized: bool
    precision: str
    root: str
    rows: str | None = None
    full_dim: int | None = None
    decoding: str = "exact"
    icc: str = "ignore"
    calibrated: str | None = None
    decoder: int = DECODER

    @property
    def preprocess_hash(self) -> str:
        """sha256 of the preprocessing, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.preprocess, sort_keys=True).encode()).hexdigest()

    @property
    def profiles(self) -> Profiles:
        """What was done with colour profiles."""
        return "srgb" if self.icc == "srgb" else "ignore"

    def check_comparable(self, other: "Record") -> None:
        """Refuse vectors of another model, preprocessing or normalisation.

        Raises:
            BadInput: The model, the preprocessing, the normalisation or the dimension differs; the message names it.
        """
        for key in ("dim", "sha256", "preprocess_hash", "normalized"):
            ours, theirs = getattr(self, key), getattr(other, key)
            if ours != theirs:
                raise BadInput(
                    f"vectors of {other.model} cannot be searched among those of {self.model}: "
                    f"{key} is {theirs} there and {ours} here; embed both with the same model and settings"
                )

    def decoding_differs(self, other: "Record") -> str | None:
        """A line on pictures that the makers of another record decoded in another way; None where there are none."""
        if self.icc != other.icc:
            return f"colour profiles are {other.icc!r} in one and {self.icc!r} in the other (icc); their scores differ"
        if self.decoder == other.decoder:
            return None
        first = min(self.decoder, other.decoder)
        what = "; ".join(text for number, text in DECODERS.items() if number > first)
        numbers = f"decoder {self.decoder} made these vectors and decoder {other.decoder} the others"
        return f"{numbers}: {what} may differ; embed again to have all alike"

    def conform(self, vectors: np.ndarray) -> np.ndarray:
        """Cut the model's own vectors to the first ``dim`` numbers of this record, and normalise them again.

        Vectors of a record that was not truncated are returned as they are.

        Args:
            vectors: (N, D) float32, computed by the record's model.

        Returns:
            (N, dim) float32.
        """
        if self.full_dim is None:
            return vectors
        vectors = vectors[:, : self.dim]
        if self.normalized:
            vectors = directions(vectors)
        return np.ascontiguousarray(vectors)

    def to_json(self) -> str:
        """The record and the hash of its preprocessing as JSON.

        Raises:
            BadInput: :meth:`from_json` would refuse it.
        """
        text = json.dumps({**asdict(self), "preprocess_hash": self.preprocess_hash}, sort_keys=True)
        Record.from_json(text)
        return text

    def without_decoder(self) -> str:
        """As :meth:`to_json`, as it was before there were numbers of decoders: other pixels are no other rows."""
        values = {**asdict(self), "preprocess_hash": self.preprocess_hash}
        del values["decoder"]
        if self.icc == "ignore":
            del values["icc"]
        if self.calibrated is None:
            del values["calibrated"]
        return json.dumps(values, sort_keys=True)

    @staticmethod
    def from_json(text: str | bytes) -> "Record":
        """The record that :meth:`to_json` wrote.

        Raises:
            BadInput: The text is no record, or one that no run of ours writes.
        """
        where = "the record of the embeddings"
        raw = parse_json(text, where)
        later = {item.name: item.default for item in fields(Record) if item.default is not MISSING}
        later["decoder"] = 1  # of records that are older than the number
        try:
            given = {**raw}
            digest = given.pop("preprocess_hash")
            record = build(Record, {**later, **given}, "record")
            record.check()
        except (BadEntry, TypeError, KeyError, BadInput) as error:
            raise BadInput(f"{where} is damaged ({error}); embed again") from error
        if digest != record.preprocess_hash:
            raise BadInput(f"{where} is damaged (its preprocessing has another hash); embed again")
        return record

    def check(self) -> None:
        """Refuse values that no run of ours writes.

        Raises:
            BadInput: A dimension, size or name is not possible; the message names it.
        """
        pre = build(Preprocess, self.preprocess, "preprocess")
        sides, full = (*pre.resize, *pre.crop), self.full_dim
        if not 1 <= self.dim <= WIDEST or (full is not None and not self.dim <= full <= WIDEST):
            raise BadInput(
                f"dim is {self.dim}, full_dim {full}; they must be from 1 to {WIDEST:,}, and dim the smaller"
            )
        if min(sides) < 1 or max(sides) > LARGEST_SIDE or min(pre.std) <= 0:
            raise BadInput(
                f"preprocess has a size that is not from 1 to {LARGEST_SIDE:,}, or a std that is not above 0"
            )
        for name, allowed in (("precision", ("fp32", "bf16", "int8")), ("decoding", ("exact", "scaled")),
                              ("icc", ("ignore", "srgb"))):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise BadInput(f"{name} is {getattr(self, name)!r}; it must be {' or '.join(allowed)}")
        if (self.precision == "int8") != bool(self.calibrated and DIGEST.fullmatch(self.calibrated)):
            raise BadInput(f"precision is {self.precision} and calibrated {self.calibrated!r}; int8 alone has one")
        if not 1 <= self.decoder <= WIDEST:
            raise BadInput(f"decoder is {self.decoder}; it must be from 1 to {WIDEST:,}")
        if "\0" in self.root + self.model:
            raise BadInput("root or model has a character that no path has")

    def preprocessing(self) -> Preprocess:
        """The preprocessing as its own type."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in self.preprocess.items()
        }
        return Preprocess(**values)
