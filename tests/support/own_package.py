"""A package of modules as a user may have it, written into a folder that is put on sys.path."""

from pathlib import Path

__all__ = ["CODE", "write_package"]

CODE = """
from pathlib import Path

from torch import Tensor, nn
from torch.nn import Linear

Path(__file__).with_name("imported").touch()


class Net(nn.Module):
    def __init__(self, width: int = 8, sharp: float = -0.5, kind: str = "plain") -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, width, 3, 2), nn.BatchNorm2d(width), nn.Linear(width, width)
        self.sharp, self.kind = sharp, kind

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.norm(self.conv(images)).relu().mean(dim=(2, 3))) * self.sharp


class Tied(Net):
    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Linear(8, 8)
        self.again.weight = self.fc.weight


class Named(Net):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"last_hidden_state": images, "pooler_output": super().forward(images)[:, :, None, None]}


class Unpooled(Net):
    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images)


class Outer:
    class Inner(Net):
        pass


def make(width: int = 8) -> Net:
    return Net(width)


def local() -> nn.Module:
    class Hidden(Net):
        pass

    return Hidden()


alias = Net


class NoModule:
    def __init__(self, **arguments: object) -> None:
        Path(__file__).with_name("made").touch()
"""


def write_package(folder: Path, name: str = "mypackage") -> Path:
    """Write the package; ``imported`` appears beside its code as soon as somebody imports it."""
    home = folder / name
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("", encoding="utf-8")
    (home / "nets.py").write_text(CODE, encoding="utf-8")
    return home
