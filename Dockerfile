# The image of one controller:
#
#   docker build --build-arg PACKAGE=core --build-arg BASE=python:3.11-slim -t moorage/core .
#
# BASE has Python 3.11 or newer as `python3` and CA certificates; releases name it by digest.
# EXTRAS of the package: all, or some of them (aws,gcp). Without a package index: `nox -s images`.
ARG BASE
FROM ${BASE} AS base
# Some images of Python leave its own bytecode out; each start would then compile a second long.
RUN ["python3", "-m", "compileall", "-qq", "-x", "/(test|tests|idlelib|lib2to3|dist-packages|site-packages)/"]

# A wheelhouse for machines without an index takes the place of this stage: --build-context prepared=...
FROM scratch AS prepared

# As long as these lists stay as they are, nothing of others is installed again.
FROM base AS requirements
ARG PACKAGE
ARG EXTRAS=all
COPY pyproject.toml /build/source/
COPY packages /build/source/packages
COPY e2e/images/contents.py /build/
COPY e2e/images/locks /build/source/e2e/images/locks
RUN ["python3", "/build/contents.py", "requirements"]

FROM base AS third-party
COPY e2e/images/contents.py /build/
COPY --from=prepared / /build/prepared/
COPY --from=requirements /build/requirements /build/requirements
RUN ["python3", "/build/contents.py", "third-party"]

FROM base AS own
ARG PACKAGE
ARG EXTRAS=all
COPY --from=third-party /build/backend /build/backend
COPY --from=requirements /build/source /build/source
COPY e2e/images/contents.py /build/
RUN ["env", "PYTHONPATH=/build/backend", "python3", "/build/contents.py", "own"]

FROM base
COPY --from=third-party /build/site /opt/moorage
COPY --from=own /build/own /opt/moorage
# Nothing is written at run time: the root is read-only, and no user owns a file.
# The official client fails at its import where there is no home: this one holds nothing.
ENV HOME=/ \
    PATH=/opt/moorage/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/moorage \
    PYTHONDONTWRITEBYTECODE=1
ARG PACKAGE
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="moorage-${PACKAGE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.licenses="Apache-2.0"
# A number, so that a kubelet can see that it is not root. Any other works as well.
USER 65532:65532
ENTRYPOINT ["/opt/moorage/bin/moorage"]
