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
from measuring import Results

import omlzoo
from omlzoo.metrics import retrieval
from omlzoo.zoo.exporting import export

if __name__ == "__main__":
    shared = Path(__file__).parent.parent.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet_small_omniglot")
    parser.add_argument("--table", type=Path, default=shared / "omniglot" / "omniglot.csv")
    parser.add_argument("--size", type=int, help="pictures; 320 by default, all with --large")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--oml", help="not needed")
    args = parser.parse_args()
    if not args.table.exists():
        raise SystemExit(f"{args.table} is not here; give --table")
    results, rates = Results("export"), dict[str, float]()
    frame = pd.read_csv(args.table)
    frame = frame[frame["split"] == "validation"]
    frame = frame if args.large else frame.iloc[:: max(1, len(frame) // (args.size or 320))]
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
        rates[name] = rate
        cmc = retrieval(vectors, labels)["cmc@1"]
        peer = {"peer": rates["torch"], "peer_name": "torch"} if name != "torch" else {}
        results.add(
            f"{args.model}, {name}",
            rate,
            "pictures/s",
            more=True,
            **peer,
            megabytes=megabytes,
            cmc=cmc,
            pictures=len(images),
        )
        if peer:
            results.add(
                f"{args.model}, {name}: worst cosine to torch",
                float(cosine.min()),
                "",
                more=True,
                limit=1.0,
                mean=float(cosine.mean()),
            )

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
    results.write()
