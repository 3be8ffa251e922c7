"""The least that one would write oneself: FastAPI, the model, torch's top-k. ``python benchmarks/bare_server.py PORT INDEX``"""

import io
import sys
from typing import Annotated, Any

import torch
import uvicorn
from fastapi import FastAPI, File, Form, UploadFile
from PIL import Image

import omlzoo

torch.set_num_threads(1)
index = omlzoo.open_index(sys.argv[2])
model = omlzoo.get_model(index.embeddings.record.model).eval()
transform = model.transforms()
rows = torch.from_numpy(index.embeddings.vectors)
table = index.embeddings.table.to_dict("records")
app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {}


@app.post("/search")
def search(image: Annotated[UploadFile, File()], k: Annotated[int, Form()] = 10) -> dict[str, Any]:
    picture = Image.open(io.BytesIO(image.file.read())).convert("RGB")
    with torch.inference_mode():
        vector = torch.nn.functional.normalize(model(transform(picture)[None]))
        scores, ids = (vector @ rows.T).topk(k)
    return {
        "hits": [{"id": i, "score": s, **table[i]} for i, s in zip(ids[0].tolist(), scores[0].tolist(), strict=True)]
    }


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
