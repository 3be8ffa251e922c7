"""All-triplets loss, forward and backward, dim 384, eight items per label."""

import torch
from measuring import arguments, forget_peak, memory, peer, ratio, seconds, show

from omlzoo.losses import TripletLoss
from omlzoo.miners import AllTriplets

if __name__ == "__main__":
    args = arguments(__doc__)
    batch = args.size or 256
    torch.manual_seed(0)
    embeddings = torch.randn(batch, 384, requires_grad=True)
    labels = torch.arange(batch) // 8
    loss = TripletLoss(0.2, AllTriplets())

    def step() -> float:
        embeddings.grad = None
        value = loss(embeddings, labels)
        value.backward()
        return float(value.detach())

    TripletLoss(0.2, AllTriplets())(embeddings[:16], labels[:16]).backward()
    forget_peak()
    before = memory()
    value = step()
    peak = memory("VmHWM") - before
    ours = 1000 * seconds(step, runs=15)
    theirs = peer(args.oml, "triplets", batch)
    show("losses", batch=batch, milliseconds=ours, limit=20, peak_mb=peak, peak_limit=60, loss=value,
         oml_milliseconds=theirs and theirs["milliseconds"], times_oml=ratio(theirs, "milliseconds", ours),
         oml_loss=theirs and theirs["loss"])  # fmt: skip
