# docker build -t persam-video .                            processors
# docker build -t persam-video:cuda --build-arg DEVICE=cuda .   NVIDIA GPUs
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
ARG DEVICE=cpu
ARG TORCH=2.13.0
# On Linux, torch from PyPI brings the CUDA libraries; the build for processors is in PyTorch's index.
RUN case "$DEVICE" in \
      cpu) pip install --no-cache-dir "torch==$TORCH" --index-url https://download.pytorch.org/whl/cpu ;; \
      cuda) pip install --no-cache-dir "torch==$TORCH" ;; \
      *) echo "DEVICE is '$DEVICE': give cpu or cuda" >&2; exit 1 ;; \
    esac
COPY --from=build /dist/*.whl /tmp/
RUN pip install --no-cache-dir "$(ls /tmp/*.whl)[parquet]" && rm /tmp/*.whl
# downloaded weights, which any user may put there: keep them with -v persam-video-weights:/weights
ENV TORCH_HOME=/weights
RUN useradd --create-home tracker && mkdir -m 1777 /weights
USER tracker
WORKDIR /data
ENTRYPOINT ["persam-video"]
CMD ["--help"]
