"""Resources that the CDK makes by itself, judged only by what the app's author can change.

A custom resource's handler is code of the CDK: nobody but its maintainers chooses its architecture
or its timeout. Its logical id tells it apart, whether or not the template carries construct paths.
"""

from __future__ import annotations

import re

from cfn_sustainability.properties import Fault
from cfn_sustainability.template import Template

_NOTHING = re.compile(
    r"CustomResourceProvider(Handler)?[0-9A-F]{8}$"  # S3 and ECR auto-delete, cross-Region exports…
    r"|KubectlProvider(Handler|framework\w+)[0-9A-F]{8}$"
    r"|DrainECSHookFunction[0-9A-F]{8}$"
    r"|^LogRetentionaae0aa3c5b4d4f87b02d85b201efdd8a"
    r"|^BucketNotificationsHandler050a0587b7544547bf325f094a3db834"
    r"|^AWSb4cf1abd4e4f4bc699441af7ccd9ec37"  # events_targets.AwsApi
    r"|8a0c93f3dbef4b7113ac7aaf2048ce7e"  # CallAwsServiceCrossRegion
    r"|224e77f9a32e4b4dac32983477abba16"  # DropSpamReceiptRule
)
_NESTED_PROVIDER = re.compile(r"@aws-cdk--aws-|awscdkaws\w+Provider")  # aws_eks, global tables
_SOME = (
    (
        re.compile(r"^AWS679f53fac002430cb0da5b7982bd2287"),  # AwsCustomResource
        {"LoggingConfig", "MemorySize", "Timeout", "Tags"},
    ),
    (
        re.compile(r"^CustomCDKBucketDeployment8693BB64968944B69AAFB0CC9EB8756C"),
        {"LoggingConfig", "MemorySize", "Tags"},
    ),
    (
        re.compile(r"framework(onEvent|isComplete|onTimeout)[0-9A-F]{8}$"),  # Provider
        {"LoggingConfig", "Tags"},
    ),
)


def author_can_change(template: Template, logical_id: str, fault: Fault) -> bool:
    """Return whether whoever wrote the app decides on the property that the fault is about."""
    stack = f"{template.construct} {template.source}"
    if _NOTHING.search(logical_id) or _NESTED_PROVIDER.search(stack):
        return False
    for pattern, changeable in _SOME:
        if pattern.search(logical_id):
            return bool(fault.path) and fault.path[0] in changeable
    return True
