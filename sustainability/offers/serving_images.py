"""Container images in Amazon ECR: the base image of the serving image, and your own images.

AWS publishes the Hugging Face vLLM container for Neuron in eleven Regions. Three other Regions have
Inferentia2; there, the build pulls the base image from a neighbor Region. This happens once, at
build time, and the result is stored in the registry and Region of the deployment.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from functools import cache

from sustainability.errors import UserError
from sustainability.facts.lookup import DATA

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[a-z0-9._/-]+)(?P<reference>:[\w.-]+|@sha256:[0-9a-f]{64})"
)


class ImageError(UserError):
    """An image that cannot be used, or that does not exist for a Region."""


@dataclass(frozen=True)
class EcrImage:
    """An image in a private ECR registry."""

    account: str
    region: str
    repository: str
    reference: str
    """A tag with its colon, a digest with its at sign, or both."""

    @property
    def registry(self) -> str:
        """The host name of the registry."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def uri(self) -> str:
        """The URI for ``docker pull``."""
        return f"{self.registry}/{self.repository}{self.reference}"

    @property
    def repository_arn(self) -> str:
        """The ARN of the repository, for permissions."""
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.repository}"

    @classmethod
    def parse(cls, uri: str) -> EcrImage:
        """Parse a URI.

        Raises
        ------
        ImageError
            If it is not the URI of an image in a private ECR registry, with a tag or a digest.
        """
        match = _URI.fullmatch(uri)
        if match is None:
            raise ImageError(
                f"{uri!r} is not an image in Amazon ECR; SageMaker needs a URI such as "
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/repository:tag"
            )
        return cls(**match.groupdict())


BASE_IMAGES = DATA / "serving_images.csv"
"""The base image of each Region: by its tag, and by the digest that the tag had when pinned."""


@cache
def base_images() -> dict[str, EcrImage]:
    """Return the base image of each Region; it has a digest once ``make refresh`` found it."""
    with BASE_IMAGES.open(encoding="utf-8", newline="") as lines:
        return {row["region"]: _pinned(row) for row in csv.DictReader(lines)}


def _pinned(row: dict[str, str]) -> EcrImage:
    image, digest = EcrImage.parse(row["image"]), row["digest"]
    if not digest:
        return image
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise ImageError(
            f"{BASE_IMAGES.name}, {row['region']}: the digest is {digest!r}; it is sha256: and 64 "
            "hex digits, or empty. Run `make refresh`"
        )
    return replace(image, reference=f"{image.reference}@{digest}")


def base_image(region: str) -> EcrImage:
    """Return the base image of the serving image in ``region``.

    Raises
    ------
    ImageError
        If the table has none for the Region.
    """
    images = base_images()
    if region not in images:
        raise ImageError(
            f"no base image is pinned for {region}; build containers/neuron_vllm "
            f"yourself, push it to ECR in {region} and name its URI, or add a row to "
            f"sustainability/facts/data/serving_images.csv, which contains {', '.join(images)}"
        )
    return images[region]


def own_image(uri: str, region: str) -> EcrImage:
    """Return the serving image of the deployment from its URI.

    Raises
    ------
    ImageError
        If it is not an ECR image, or is in another Region, which SageMaker does not accept.
    """
    try:
        image = EcrImage.parse(uri)
    except ImageError as error:
        raise ImageError(f"{error}; or write codebuild or docker") from error
    if image.region != region:
        raise ImageError(
            f"{uri} is in {image.region}, but SageMaker accepts only images in "
            f"its own Region: push it to {region}"
        )
    return image
