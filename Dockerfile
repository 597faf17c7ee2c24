# syntax=docker/dockerfile:1
# The service, without torch.
#   CPU  docker build -t chiasm:cpu .
#   GPU  docker build -t chiasm:gpu --build-arg VARIANT=gpu .      needs an NVIDIA driver for CUDA 13 and the container toolkit
# Both variants stand on one base and differ in one lock: serve-gpu.txt brings CUDA 13 and cuDNN 9 as hash-locked wheels.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG VARIANT=cpu
WORKDIR /build
COPY requirements/serve-${VARIANT}.txt requirements.txt
# The environment gets no pip of its own: nothing can be installed into a running service.
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY models/ /srv/chiasm/models/
COPY service/ /srv/chiasm/service/
RUN python -m compileall -q /srv/chiasm

FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Chiasm" \
      org.opencontainers.image.description="Open inference service for multimodal medical imaging. Not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

RUN groupadd --gid 10001 chiasm \
 && useradd --uid 10001 --gid chiasm --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin chiasm \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/chiasm

WORKDIR /srv/chiasm
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/chiasm ./
COPY artifacts/ artifacts/
COPY examples/ examples/
COPY LICENSE README.md ./

# The last two folders exist in the GPU variant only; elsewhere the loader passes over them.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CHIASM_HOST=0.0.0.0 \
    CHIASM_PORT=8000 \
    LD_LIBRARY_PATH=/opt/venv/lib/python3.11/site-packages/nvidia/cu13/lib:/opt/venv/lib/python3.11/site-packages/nvidia/cudnn/lib

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['CHIASM_PORT']}/health/ready\", timeout=2)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]
