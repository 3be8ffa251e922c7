"""omlzoo embed."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from omlzoo.cli.computing import DEFAULT, Computing
from omlzoo.cli.output import print_line
from omlzoo.cli.trusting import Trusted, allow
from omlzoo.errors import BadInput, counted

__all__ = ["embed_command"]

OTHER_FILES = (".arrow", ".csv", ".h5", ".json", ".jsonl", ".npy", ".npz", ".pkl", ".pt", ".pth", ".tsv", ".txt")


def embed_command(
    model: str,
    source: str,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    options: Computing = DEFAULT,
    form: Literal["float32", "float16", "int8"] = "float32",
    prune: bool = False,
    overwrite: bool = False,
    root: Path | None = None,
    remote: tuple[str, ...] = (),
    grid: int | None = None,
    engine: Literal["local", "ray"] = "local",
    cpus: float = 1.0,
    address: str | None = None,
    trust: Trusted = None,
) -> None:
    """Turn pictures into vectors. An interrupted run that is started again continues.

    Parameters
    ----------
    model
        A checkpoint of the zoo, a run folder, hf-hub:org/repo, or timm:NAME.
    source
        A folder of pictures, a csv or parquet table, a zip or tar archive, a Parquet file with bytes, one picture, or
        the address (https://, s3://, gs://) of one of these.
    out
        NAME.parquet, a file to write; or a folder of Parquet files that grows: pictures that it has already are not
        computed again.
    form
        Form of the vectors in a folder.
    prune
        Remove the rows of pictures that the source does not have from the folder.
    overwrite
        Replace the vectors that OUT holds, also those of another model or table. The old ones stay until the new ones
        are complete.
    root
        Where a table's relative paths start; its folder by default.
    remote
        Scheme and host, or bucket, of addresses in a table that are followed: --remote s3://shop-photos. No others are.
    grid
        Also embed so many parts of each picture in a row and in a column, 2 to 16, as rows with a box: a search then
        finds what is somewhere in a picture, and where.
    engine
        local, or ray: a Ray cluster, for a folder of Parquet files that all its machines see.
    cpus
        Processors of each of Ray's workers.
    address
        Address of the Ray cluster; a cluster of this machine alone by default.
    """
    allow(trust)
    from omlzoo.embedding.extraction import embed, embed_shards

    if out.suffix.lower() in OTHER_FILES:
        raise BadInput(f"{out} ends in {out.suffix}; vectors are written as .parquet, or as a folder without an ending")
    if out.suffix.lower() != ".parquet":
        if engine == "ray":
            if prune or remote or grid is not None:
                raise BadInput("--prune, --remote and --grid are for --engine local")
            from omlzoo.embedding.ray_cluster import embed_on_ray

            shards = embed_on_ray(
                model, source, out, root=root, form=form, cpus=cpus, address=address,
                overwrite=overwrite,
                **{**asdict(options), "workers": options.workers or 1},
            )  # fmt: skip
            print_line(_folder(out, shards))
            return
        shards = embed_shards(
            model,
            source,
            out,
            root=root,
            remote=remote,
            grid=grid,
            form=form,
            prune=prune,
            overwrite=overwrite,
            **asdict(options),
        )
        print_line(_folder(out, shards))
        return
    if prune or form != "float32" or engine == "ray":
        raise BadInput("--form, --prune and --engine ray are for a folder; do not end --out in .parquet")
    embeddings = embed(
        model, source, root=root, remote=remote, grid=grid, out=out, overwrite=overwrite, **asdict(options)
    )
    good = int(embeddings.good.sum())
    failed = f", {len(embeddings) - good} without a vector (column error says why)" if good < len(embeddings) else ""
    print_line(f"{out}: {counted(good, 'vector')} of {embeddings.record.dim} numbers{failed}")
    if embeddings.stats:
        print_line(where_time_went(embeddings.stats), error=True)


def _folder(out: Path, shards: Any) -> str:
    files = counted(len(shards.files()), "file")
    return f"{out}: {counted(len(shards), 'row')} of {shards.record.dim} numbers in {files}"


def where_time_went(stats: dict[str, float]) -> str:
    """Pictures per second and the shares of the threads' time."""
    shares = {name: stats[name] for name in ("decode", "transform", "model", "write")}
    whole = sum(shares.values()) or 1.0
    rate = (stats["rows"] - stats["resumed"]) / max(stats["seconds"], 1e-9)
    return f"{rate:.1f} pictures a second; " + ", ".join(f"{n} {s / whole:.0%}" for n, s in shares.items())
