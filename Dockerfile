# One image for all roles: docker build --tag bwvisu . && docker run bwvisu serve ROLE, with /etc/bwvisu mounted.
# Nothing is written at run time: it runs with --read-only, --cap-drop=ALL and no user of its own beyond the number.
# `scripts/image.py` carries these steps out without a container engine; tests/heavy/test_image.py serves from the result.
# A site that wants the same bytes again gives the base by digest: --build-arg BASE=debian@sha256:...
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# Debian's own security updates are wanted, so no versions.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates gcc libc6-dev libldap-dev libsasl2-dev python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY constraints.txt constraints-image.txt ./
RUN python3 -m venv /opt/bwvisu \
    && /opt/bwvisu/bin/pip install --no-cache-dir --require-hashes --requirement constraints-image.txt \
    && python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes --requirement constraints.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY frontend ./frontend
COPY job_templates ./job_templates
COPY src ./src
# pip has no business in the image; compiled files cannot be written there later.
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheel . \
    && /opt/bwvisu/bin/pip install --no-cache-dir --no-deps --no-index wheel/*.whl \
    && /opt/bwvisu/bin/pip uninstall --yes setuptools pip \
    && ln -s "$(/opt/bwvisu/bin/python -c 'import bwvisu; print(bwvisu.__path__[0])')/job_templates" \
        /opt/bwvisu/applications \
    && /opt/bwvisu/bin/python -m compileall -q /opt/bwvisu/lib

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libldap-2.5-0 python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin bwvisu
COPY --from=build /opt/bwvisu /opt/bwvisu
COPY deploy/health.py /opt/bwvisu/health.py
ENV PATH=/opt/bwvisu/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 4242 4243 4280
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "/opt/bwvisu/health.py"]
ENTRYPOINT ["bwvisu"]
CMD ["serve", "all"]
