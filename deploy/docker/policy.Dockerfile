# Your image: modelseal-init with your policies. They lie where only root can write, so they are obeyed as they are; and
# nothing in a pod can replace them, because what is allowed is in the digest of this image.
#
#   docker build --file deploy/docker/policy.Dockerfile --tag registry.example/models-init:1 my-policies
#
# my-policies has policy.toml and the keys or certificates that it names.
ARG INIT=registry.example/modelseal-init:0.1.0@sha256:0000000000000000000000000000000000000000000000000000000000000000
FROM ${INIT}
COPY --chown=0:0 --chmod=0555 . /etc/modelseal/
