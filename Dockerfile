# One image for API, worker and every `pri` command. Nothing is installed that the lock file doesn't name with its hash.
FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src

RUN python -m venv /app
COPY requirements.lock requirements-dev.lock ./
RUN /app/bin/pip install --require-hashes -r requirements.lock

# The build tool comes from the development lock, by its hash too, and stays in this stage.
RUN awk '/^[a-z]/ { keep = /^setuptools==/ } keep' requirements-dev.lock > build.lock \
    && python -m venv /tools && /tools/bin/pip install --require-hashes -r build.lock
COPY . .
RUN /tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /app/bin/pip install --no-deps /wheels/*.whl \
    && /app/bin/python -m compileall -q --invalidation-mode unchecked-hash /app/lib


FROM python:3.11.14-slim-bookworm

RUN groupadd --system --gid 10001 pri && useradd --system --uid 10001 --gid 10001 --no-create-home pri
COPY --from=build /app /app

ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
ENV API_HOST=0.0.0.0 API_PORT=8000
WORKDIR /app
USER 10001:10001
EXPOSE 8000

# Alive, not ready: webhooks must be taken in and stored while Temporal is away.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"API_PORT\"]}/healthz', timeout=2)"]

CMD ["pri", "api"]
