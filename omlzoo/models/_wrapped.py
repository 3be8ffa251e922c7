"""An extractor around a module that is not the zoo's, and how an entry names its class: ``module:package.Class``."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from omlzoo.errors import BadEntry, BadInput, OmlzooError, notice
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import handed_over, is_trusted

__all__ = ["MODULE", "Wrapped", "path_of", "vector_of", "wrapped"]

MODULE = "module:"  # before the import path of a class, where the name of an architecture stands
NAMED = ("embedding", "image_embeds", "pooler_output")  # outputs that are taken where a module gives several


class Wrapped(Extractor):
    """An extractor whose embedding is what a module returns. The names in its state dict are the module's own.

    Args:
        module: The module, from images (B, 3, H, W) to vectors (B, dim), or to named outputs with "embedding",
            "image_embeds" or "pooler_output" among them.
        dim: Dimension of the vectors.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    def __init__(self, module: nn.Module, dim: int, normalize: bool = False) -> None:
        super().__init__(dim, normalize)
        self.module = module
        self.register_load_state_dict_pre_hook(_under_module)  # type: ignore[no-untyped-call]

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The state dict of the module, without a prefix of ours."""
        state: dict[str, Any] = self.module.state_dict(*args, **kwargs)
        return state

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The module's own parameters, and its parts in the order in which they are registered."""
        whole: nn.Module = self.module
        while len(parts := [part for part in whole.children() if _has_tensors(part)]) == 1 and not _own(whole):
            whole = parts[0]
        stages: list[list[nn.Module | nn.Parameter]] = [[part] for part in parts]
        own: list[nn.Module | nn.Parameter] = [*_own(whole)]
        return [own, *stages] if own and stages else stages or [[whole]]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        return {"embedding": vector_of(self.module(images), type(self.module).__name__)}

    def check_saving(self) -> None:
        """Refuse to save what could never be opened again.

        Raises:
            BadInput: The module's class cannot be imported.
        """
        reason = _not_importable(type(self.module))
        if reason:
            raise BadInput(
                f"a {type(self.module).__qualname__} cannot be saved: {reason}; make it a class in a module of yours "
                "that can be imported"
            )


def wrapped(path: str, dim: int, arguments: dict[str, Any] | None = None, normalize: bool = False) -> Wrapped:
    """Build the class at an import path, or take the module that the user handed over in its place.

    Args:
        path: Import path of a subclass of nn.Module.
        dim: Dimension of the vectors.
        arguments: Arguments that the class is called with: numbers and texts; None is none.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        BadInput: The user has neither named the package of the class nor handed a module over.
        BadEntry: There is no such class, or it is no subclass of nn.Module.
    """
    handed = handed_over()
    if handed is None:
        return Wrapped(_called(_find(path), arguments or {}), dim, normalize)
    module = _called(handed, arguments or {}) if isinstance(handed, type) else handed
    if path_of(type(module)) != path:
        notice(f"the entry names the class {path}; the module handed over is a {path_of(type(module))}")
    return Wrapped(module, dim, normalize)


def path_of(kind: type) -> str:
    """The import path of a class, "package.module.Class"."""
    return f"{kind.__module__}.{kind.__qualname__}"


def vector_of(output: Any, name: str) -> Tensor:
    """The vectors (B, dim) in what a module returned.

    Args:
        output: A tensor (B, dim), or one with further sides of 1, or a mapping with one of the names of NAMED.
        name: Name of the module's class, for the error message.

    Raises:
        BadInput: It is something else.
    """
    if isinstance(output, Mapping):
        output = next((output[key] for key in NAMED if output.get(key) is not None), output)
    if isinstance(output, Tensor) and output.ndim >= 2 and all(side == 1 for side in output.shape[2:]):
        return output.flatten(1)
    found = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise BadInput(f"{name} gives {found}; an extractor gives (B, dim): pool it, and return that tensor alone")


def _find(path: str) -> type[nn.Module]:
    """Import a class, which must be defined where the path says."""
    place, _, name = path.rpartition(".")
    if not is_trusted(path):
        package = path.partition(".")[0]
        raise BadInput(
            f"its entry names the class {path}, and to open it imports {package}: if you trust that package, give "
            f"trust={package!r} (--trust {package}), or hand the class over: get_model(..., module={name}())"
        )
    try:
        found = getattr(import_module(place), name)
    except Exception as error:  # a package of others raises what it likes
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BadEntry(
            f"there is no class {path} here ({said}); install its package, or put it on PYTHONPATH"
        ) from error
    if not isinstance(found, type) or not issubclass(found, nn.Module) or path_of(found) != path:
        raise BadEntry(f"{path} is no subclass of torch.nn.Module that is defined there; only such a class is built")
    return found


def _called(kind: type[nn.Module], arguments: dict[str, Any]) -> nn.Module:
    try:
        return kind(**arguments)
    except (OmlzooError, TypeError):
        raise
    except Exception as error:  # a class of others raises what it likes
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BadEntry(f"{path_of(kind)} cannot be built with the arguments {arguments} ({said})") from error


def _not_importable(kind: type) -> str | None:
    """Why no import gives a class; None where one does."""
    place, name = kind.__module__, kind.__qualname__
    if place == "__main__":
        return "its class is in the script that runs, which nothing imports"
    if place.partition(".")[0] == "torch":
        return f"{kind.__name__} is torch's, and does not say what is inside"
    if "." in name:
        return "its class is inside another class or a function"
    try:
        found = getattr(import_module(place), name, None)
    except ImportError as error:
        return f"{place} cannot be imported ({error})"
    return None if found is kind else f"{place}.{name} is something else"


def _own(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


def _has_tensors(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None or next(module.buffers(), None) is not None


def _under_module(owner: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Put the keys of a state dict under the name of the attribute that holds the module."""
    for key in [key for key in state if key.startswith(prefix)]:
        state[f"{prefix}module.{key.removeprefix(prefix)}"] = state.pop(key)
