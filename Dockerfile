# Bun builds for other machines, too: this stage runs on the one that there is.
FROM --platform=$BUILDPLATFORM oven/bun:1.4.5 AS build
ARG TARGETARCH
WORKDIR /build
COPY . .
RUN bun build.ts --for "linux-$(echo "$TARGETARCH" | sed s/amd64/x64/)" && mkdir data

# glibc and nothing else that the program needs: no shell, no package manager.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /build/dist/memcacheq /usr/bin/memcacheq
COPY --from=build --chown=65532:65532 /build/data /data
# Settings are variables, so that the health check has them, too.
ENV MEMCACHEQ_HOME=/data
VOLUME /data
EXPOSE 22201
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/memcacheq", "--ping"]
ENTRYPOINT ["/usr/bin/memcacheq"]
