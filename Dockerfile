# Two images: `docker build --target cpu -t omlzoo:cpu .` and `docker build --target cuda -t omlzoo:cuda .`
# They were not built where this was written, which has no docker; .github/workflows/container.yml builds the first.
#
#   docker run --rm -p 8765:8765 -v "$PWD/photos:/photos:ro" -v omlzoo:/home/omlzoo/.cache omlzoo:cpu \
#       serve /photos --host 0.0.0.0 --token SECRET
#   docker run --rm --gpus all -v "$PWD:/work" omlzoo:cuda finetune /work/products.csv --model vits16_dino -o /work/run

FROM python:3.11-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 1000 omlzoo && mkdir -p /home/omlzoo/.cache && chown omlzoo /home/omlzoo/.cache
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY omlzoo omlzoo
COPY weights_manifest weights_manifest

FROM base AS cpu
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu \
    && pip install ".[calibration,onnx,photos,plots,serve,text]"
USER omlzoo
WORKDIR /home/omlzoo
EXPOSE 8765
ENTRYPOINT ["omlzoo"]
CMD ["--help"]

FROM base AS cuda
RUN pip install ".[calibration,photos,plots,serve,text,train]"
USER omlzoo
WORKDIR /home/omlzoo
EXPOSE 8765
ENTRYPOINT ["omlzoo"]
CMD ["--help"]
