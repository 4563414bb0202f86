# docker build -t persam-video --build-arg TORCH_INDEX=URL .    processors
# docker build -t persam-video:cuda .                           NVIDIA GPUs
#
# URL is the package index of PyTorch's builds for processors, as its install page gives it. Without it the
# image takes torch from the default index, which on Linux brings the CUDA libraries.
#
# docker run --rm -v "$PWD:/data" persam-video track clip.mp4 --mask first.png --out result
#
# The CUDA image needs NVIDIA's container toolkit on the host and `--gpus all`.
FROM python:3.12-slim AS build
WORKDIR /source
RUN pip install --no-cache-dir build
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY persam_video persam_video
RUN python -m build --wheel --outdir /dist

FROM python:3.12-slim
ARG TORCH=2.13.0
ARG TORCH_INDEX=
ARG EXTRAS=parquet
RUN pip install --no-cache-dir "torch==$TORCH" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY --from=build /dist/*.whl /tmp/
RUN pip install --no-cache-dir "$(ls /tmp/*.whl)[$EXTRAS]" && rm /tmp/*.whl
# downloaded weights, which any user may put there: keep them with -v persam-video-weights:/weights
ENV TORCH_HOME=/weights
RUN useradd --create-home tracker && mkdir -m 1777 /weights
USER tracker
WORKDIR /data
ENTRYPOINT ["persam-video"]
CMD ["--help"]
