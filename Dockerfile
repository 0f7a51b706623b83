# Any function of the pipeline, or the operator's command, for the platform that it is built on or for:
#
#   docker buildx build --build-arg FUNCTION=sync-reports .
#
# All code but a function's last few lines is compiled once, in stages that all of them share: FUNCTION is not known there.
# What an image costs of its own is its link, which is most of the time, as all optimisation across crates happens in it.
# docs/IMAGES.md has the figures.

# with a glibc that is older than the runtime's, whichever that is
ARG BUILDER_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot

FROM ${BUILDER_IMAGE} AS chef
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /build

FROM chef AS planner
COPY . .
# a package for each folder of functions/, and the command
RUN cargo chef prepare && { ls functions; echo quiz-etl; } | sed 's/^/--package=/' > packages

FROM chef AS libraries
# no path of the builder in a binary, so that it is the same wherever it is built
ENV RUSTFLAGS="--remap-path-prefix=${CARGO_HOME}/registry/src=/crates" \
    CFLAGS="-ffile-prefix-map=${CARGO_HOME}/registry/src=/crates"
COPY --from=planner /build/recipe.json /build/packages ./
# the dependencies, compiled anew only when a manifest or Cargo.lock changes. Every step names the same packages, as their
# features are those that all of them ask for: with others, the dependencies would be compiled again.
RUN cargo chef cook --locked --profile image --features quiz-etl/aws $(cat packages)
COPY . .
RUN cargo build --locked --profile image --features quiz-etl/aws --lib $(cat packages)

FROM libraries AS build
ARG FUNCTION
# a file's date is part of its layer: with a fixed one, the same binary is the same layer for every commit
RUN cargo build --locked --profile image --features quiz-etl/aws --bin "${FUNCTION}" $(cat packages) \
    && install -D --mode 755 "target/image/${FUNCTION}" /out/bootstrap \
    && touch --date @0 /out/bootstrap

FROM ${RUNTIME_IMAGE}
ARG FUNCTION
COPY --from=build /out/bootstrap /bootstrap
# Lambda ignores the user and takes one of its own, as unprivileged; which must be let into the working directory, and a
# base's may be its own user's home
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/bootstrap"]

ARG COMMIT=unknown
# RFC 3339
ARG CREATED
ARG SOURCE
ARG RUNTIME_IMAGE
ENV QUIZ_ETL_COMMIT=${COMMIT}
LABEL org.opencontainers.image.title="quiz-etl/${FUNCTION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
