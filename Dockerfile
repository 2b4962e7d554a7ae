# The image for deploy/: the reconciler without its local cluster, Git and ssh, and nothing that compiles.
#   docker build -t registry.example.org/model-reconciler:0.1.0 .
# Tag and digest change together. `docker buildx imagetools inspect python:3.12-slim-trixie` tells the digest there is now.
ARG PYTHON_IMAGE=python:3.12.14-slim-trixie@sha256:f77ac9e44ae96ef2c90b8053ea08c31f8be030f824196b0ae4db6d462c84e51f

FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY reconciler reconciler
COPY schemas schemas
COPY examples/repo examples/repo
# Only our own package is built; what it needs comes as wheels, so that a compiler would be of no use.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -m venv --without-pip /opt/model-reconciler \
    && pip --python /opt/model-reconciler install --no-cache-dir --only-binary :all: /wheels/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="model-reconciler" \
      org.opencontainers.image.description="GitOps reconciler for model serving" \
      org.opencontainers.image.licenses="Apache-2.0"
# ssh refuses to work for a user that has no name.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 reconciler \
    && useradd --uid 65532 --gid 65532 --home-dir /home/reconciler --create-home --shell /usr/sbin/nologin reconciler
COPY --from=build /opt/model-reconciler /opt/model-reconciler
# The root file system may be read-only: modules were compiled when they were installed.
ENV PATH=/opt/model-reconciler/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /home/reconciler
ENTRYPOINT ["reconciler"]
CMD ["--help"]
