"""What an exported model costs in search: cosine to the model, CMC@1, pictures a second, megabytes.

python benchmarks/export.py [--model resnet_small_omniglot] [--table TABLE]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import torch
from measuring import show

import omlzoo
from omlzoo.metrics import retrieval
from omlzoo.zoo.exporting import export

if __name__ == "__main__":
    shared = Path(__file__).parent.parent.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet_small_omniglot")
    parser.add_argument("--table", type=Path, default=shared / "omniglot" / "omniglot.csv")
    args = parser.parse_args()
    frame = pd.read_csv(args.table)
    frame = frame[frame["split"] == "validation"]
    model = omlzoo.get_model(args.model)
    transform = model.transforms()
    from omlzoo.data.images import to_rgb

    images = torch.stack([transform(to_rgb(args.table.parent / path)) for path in frame["path"]])
    labels = frame["label"].to_numpy()

    def measure(name: str, run: object, megabytes: float) -> None:
        run(images[:32])  # type: ignore[operator]
        begun = time.perf_counter()
        vectors = np.concatenate([run(part) for part in images.split(32)])  # type: ignore[operator]
        rate = len(images) / (time.perf_counter() - begun)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosine = (vectors * whole).sum(axis=1) if name != "torch" else np.ones(len(vectors))
        show(name, pictures=len(images), pictures_per_second=rate, megabytes=megabytes, cmc=retrieval(vectors, labels)["cmc@1"],
             least_cosine=float(cosine.min()), mean_cosine=float(cosine.mean()))  # fmt: skip

    with torch.inference_mode():
        whole = np.concatenate([model(part).numpy() for part in images.split(32)])
        whole /= np.linalg.norm(whole, axis=1, keepdims=True)
        measure("torch", lambda part: model(part).numpy(), 0.0)
        with tempfile.TemporaryDirectory() as folder:
            for name, int8 in (("onnx", False), ("onnx int8", True)):
                done = export(model, Path(folder) / "m.onnx", int8=int8)
                session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
                run = lambda part: session.run(None, {"images": part.numpy()})[0]  # noqa: B023, E731
                measure(name, run, done.path.stat().st_size / 1e6)
