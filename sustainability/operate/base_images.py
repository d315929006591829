"""Pins the base images by digest: ``python -m sustainability.operate.base_images``.

A tag can move, a digest cannot. Only Amazon ECR can tell the digest, and it wants the credentials
of an AWS account. So without them the table stays as it was.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from sustainability.offers.serving_images import BASE_IMAGES, EcrImage

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})


def main(table: Path = BASE_IMAGES) -> int:
    """Write the digest of each image, say so in one sentence, and return 1 if one is unknown."""
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    try:
        digests = {uri: _digest(EcrImage.parse(uri)) for uri in {row["image"] for row in rows}}
    except NoCredentialsError:
        return _as_it_was(table, "there are no AWS credentials; run `aws sso login` before")
    except (BotoCoreError, ClientError, LookupError) as error:
        return _as_it_was(table, str(error))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | {"digest": digests[row["image"]]} for row in rows)
    print(f"{table.name}: every base image is pinned by the digest that its tag has now.")
    return 0


def _digest(image: EcrImage) -> str:
    client = boto3.client("ecr", region_name=image.region, config=_CONFIG)
    answer = client.batch_get_image(
        registryId=image.account,
        repositoryName=image.repository,
        imageIds=[{"imageTag": image.reference.removeprefix(":")}],
    )
    if not answer["images"]:
        reason = answer["failures"][0]["failureReason"]
        raise LookupError(f"{image.uri}: {reason}")
    return str(answer["images"][0]["imageId"]["imageDigest"])


def _as_it_was(table: Path, reason: str) -> int:
    print(f"{table.name}: as it was, because Amazon ECR told no digest: {reason}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
