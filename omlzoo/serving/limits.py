"""What one client may ask for."""

from dataclasses import dataclass, fields, replace
from typing import Self

from omlzoo.errors import BadInput

__all__ = ["LARGEST", "Limits"]

SMALLEST, LARGEST = 0.01, 1_000_000_000  # of any limit; what lies outside switches the limit or the server off


@dataclass(frozen=True)
class Limits:
    """What one client may ask for. Counts are integers from 1, the others are numbers from 0.01; all are at most 1e9.

    Attributes:
        megabytes: The largest size of a request, in millions of bytes.
        megapixels: The largest picture, in millions of pixels; a larger one is refused before it is decoded.
        decoded_megabytes: The most that a picture's pixels may take once they are decoded, in millions of bytes, as its
            header has it: 1 byte for a pixel of grey or of a palette, 4 of colour, 8 of 16 bits with transparency.
        per_second: Mean number of requests a second that one address may send.
        burst: Number of requests that one address may send at once.
        seconds: Seconds that a request has to arrive, that it may wait for its turn to be decoded, that the model has
            to answer it, and that the client has to read the answer.
        hits: The largest number of hits, k, of a search.
        waiting: The largest number of requests that wait for the model; further ones are refused.
        connections: The largest number of connections at the same time; a further one takes the place of the one that
            has been without a request the longest, and is refused where there is none.
        connections_per_address: The largest number of connections of one address; further ones are refused.

    Raises:
        BadInput: A limit is no number, or lies outside its range.
    """

    megabytes: float = 16
    megapixels: float = 50
    decoded_megabytes: float = 200
    per_second: float = 20
    burst: int = 60
    seconds: float = 20
    hits: int = 200
    waiting: int = 256
    connections: int = 256
    connections_per_address: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            counts, value = field.type is int, getattr(self, field.name)
            least, kind = (1, int) if counts else (SMALLEST, int | float)
            if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= LARGEST:
                must = f"{'an integer' if counts else 'a number'} from {least} to {LARGEST}"
                raise BadInput(f"{field.name.replace('_', '-')} is {value!r}; it must be {must}")

    def with_burst(self) -> Self:
        """The same limits, where one address may send at once what it may send in three seconds."""
        return replace(self, burst=int(min(3 * self.per_second, LARGEST)) or 1)
