#!/bin/sh
# Builds the image from the digest that the base's name has now, and writes both into the image:
# a name can move, a digest cannot. Pushes it under $IMAGE.
set -eu
docker pull --quiet --platform linux/amd64 "$BASE_IMAGE"
pinned=$(docker image inspect --format '{{index .RepoDigests 0}}' "$BASE_IMAGE")
echo "$pinned" | grep -q '@sha256:[0-9a-f]\{64\}$'
docker build --platform linux/amd64 --build-arg BASE_IMAGE="$pinned" \
  --label org.opencontainers.image.base.name="$BASE_IMAGE" \
  --label org.opencontainers.image.base.digest="${pinned#*@}" \
  --tag "$IMAGE" .
docker push "$IMAGE"
