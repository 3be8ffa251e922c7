"""What views, layers, whitening and ensembles bring: CMC@1 and MAP@R over validation rows, and the time of each.

python benchmarks/composites.py TABLE [--model efficientnet_lite0_in1k] [--second resnet_small_omniglot] [--size 160]
"""

import argparse
import time
from pathlib import Path

import omlzoo
from omlzoo.models._extractor import Extractor


def measure(name: str, model: Extractor, table: Path) -> None:
    begun = time.process_time()
    report = omlzoo.evaluate(model, table, thorough=False)
    values = report.metrics
    print(
        f"| {name} | {model.dim} | {values['cmc@1']:.4f} | {values['map@r']:.4f} | {time.process_time() - begun:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", default="efficientnet_lite0_in1k")
    parser.add_argument("--second", default=None, help="a second model for the ensemble")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--few", action="store_true", help="four rows")
    args = parser.parse_args()
    model = omlzoo.get_model(args.model, image_size=args.size)
    print("| model | numbers | CMC@1 | MAP@R | processor s |\n|---|---|---|---|---|")
    measure("plain", model, args.table)
    measure("mirrored", model.with_views(mirror=True), args.table)
    if args.few:
        measure("scales 1, 1.4", model.with_views((1.0, 1.4), mirror=False), args.table)
        measure("map 4 by gem, and its own", model.with_layers([4], pooling="gem"), args.table)
        raise SystemExit
    measure("scales 1, 0.7071", model.with_views((1.0, 0.7071), mirror=False), args.table)
    measure("scales 1, 1.4", model.with_views((1.0, 1.4), mirror=False), args.table)
    measure("scales 1, 1.4 mirrored", model.with_views((1.0, 1.4), mirror=True), args.table)
    for layers in ([3], [4], [3, 4], [2, 3, 4]):
        for pooling in ("mean", "gem"):
            longer = model.with_layers(layers, pooling=pooling)
            measure(f"maps {layers} by {pooling}, and its own", longer, args.table)
    if args.second:
        second = omlzoo.get_model(args.second)
        for weight in (0.25, 0.5):
            name = f"with {args.second}, {weight} of the similarity"
            measure(name, omlzoo.ensemble([model, second], weights=[1 - weight, weight]), args.table)
