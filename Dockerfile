FROM oven/bun:1.4.5 AS build
WORKDIR /build
COPY . .
RUN bun build.ts && mkdir data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/dist/memcacheq /usr/bin/memcacheq
COPY --from=build --chown=65532:65532 /build/data /data
VOLUME /data
EXPOSE 22201
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/memcacheq", "-H", "/data"]
