# One image for every service; the command chooses which: lace serve NAME, lace db upgrade.

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
RUN sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.lock \
 && python -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement uv.lock \
 && /opt/uv/bin/uv venv --python /usr/local/bin/python /opt/lace
COPY libs libs
COPY services services
COPY clients clients
# Versions and hashes come from the lock, for what runs and for what builds; development tools stay outside.
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/lace/bin/python --compile-bytecode \
    --constraint requirements.lock --build-constraints requirements.lock \
    ./libs/lace_core ./libs/lace_proto ./libs/lace_platform ./services/* ./clients/*

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="LACE" \
      org.opencontainers.image.description="From a folder of documents to a cited, compiled document" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 lace \
 && useradd --uid 10001 --gid lace --home-dir /var/lib/lace --create-home --shell /usr/sbin/nologin lace
COPY --from=build /opt/lace /opt/lace
COPY LICENSE /usr/share/doc/lace/LICENSE
ENV PATH=/opt/lace/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LACE_DATA_DIR=/var/lib/lace
WORKDIR /var/lib/lace
USER 10001:10001
# No signal is lost on the way: the command is the process itself.
ENTRYPOINT ["lace"]
CMD ["--help"]
