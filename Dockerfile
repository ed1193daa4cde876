# docker build -t tidegate .
# docker run -p 8443:8443 -p 8080:8080 -v ./my.yaml:/etc/tidegate/tidegate.yaml:ro -v ./certs:/etc/tidegate/certs:ro tidegate
# The paths in the configuration are relative to /etc/tidegate; what it writes goes to /var/lib/tidegate (global.state_dir).

FROM rust:1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --release --locked --bin tidegate

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /var/lib/tidegate --shell /usr/sbin/nologin tidegate \
    && install -d -o tidegate -g tidegate /etc/tidegate /var/lib/tidegate
COPY --from=build /src/target/release/tidegate /usr/local/bin/tidegate
USER tidegate
WORKDIR /etc/tidegate
VOLUME /var/lib/tidegate
EXPOSE 8080 8443
# SIGTERM drains; give it longer than global.shutdown_grace (docker stop -t 40).
STOPSIGNAL SIGTERM
ENTRYPOINT ["tidegate"]
CMD ["run", "-c", "/etc/tidegate/tidegate.yaml"]
