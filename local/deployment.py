"""Deploys the synthesized template, with its assets, to the local cloud."""

import io
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.access import ACCOUNT, REGION
from local.cloud import ROOT as ROOT
from local.cloud import Cloud
from local.emulator.permissions import correct_template
from local.errors import LocalCloudError

STACK = "Oms-local"
BOOTSTRAP = ("/cdk-bootstrap/hnb659fds/version", "21")
DEPLOY_SECONDS = 120.0
HINT = "`make synth` writes the template to cdk.out/; docs/develop/local-cloud.md lists the emulator's limits."


@dataclass(frozen=True)
class Assembly:
    """The cloud assembly of the CDK app: its template and its assets."""

    folder: Path

    @property
    def template(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / self._template_file).read_text()))

    @property
    def _template_file(self) -> str:
        return f"{STACK}.template.json"

    def upload(self, cloud: Cloud) -> str:
        """Uploads each file asset to the location in the template, as the CDK CLI does. Returns the template's URL."""
        s3 = cloud.client("s3")
        template_url = ""
        manifest = json.loads((self.folder / f"{STACK}.assets.json").read_text())
        buckets: set[str] = set()
        for asset in manifest["files"].values():
            source = self.folder / asset["source"]["path"]
            if asset["source"]["path"] == self._template_file:
                body = json.dumps(correct_template(self.template)).encode()
            else:
                body = zipped(source) if asset["source"]["packaging"] == "zip" else source.read_bytes()
            for destination in asset["destinations"].values():
                bucket = _fill_in(destination["bucketName"])
                if bucket not in buckets:
                    s3.create_bucket(Bucket=bucket)
                    buckets.add(bucket)
                key = _fill_in(destination["objectKey"])
                s3.put_object(Bucket=bucket, Key=key, Body=body)
                if asset["source"]["path"] == self._template_file:
                    template_url = f"{cloud.endpoint_url}/{bucket}/{key}"
        return template_url

    def create_stack(self, cloud: Cloud) -> None:
        template_url = self.upload(cloud)
        name, version = BOOTSTRAP
        cloud.client("ssm").put_parameter(Name=name, Value=version, Type="String")
        try:
            cloud.client("cloudformation").create_stack(
                StackName=STACK, TemplateURL=template_url, Capabilities=["CAPABILITY_NAMED_IAM"]
            )
        except ClientError as error:
            raise LocalCloudError(
                f"The emulator rejected the template: {error.response['Error']['Message']}\n{HINT}"
            ) from error


@dataclass(frozen=True)
class Deployment:
    """The deployed stack: its outputs, and the physical names of its resources."""

    outputs: Mapping[str, str]
    # logical id → physical id
    resources: Mapping[str, str]

    @property
    def api_path(self) -> str:
        """The API's path on the emulator's gateway. On AWS, each API has its own host instead."""
        return f"/_aws/execute-api/{self.outputs['ApiId']}/$default"

    def function(self, name: str) -> str:
        """Returns the physical name of a function, by its construct id: Auth, Orders …"""
        return self.outputs[f"{name}Function"]

    @property
    def functions(self) -> dict[str, str]:
        return {key.removesuffix("Function"): name for key, name in self.outputs.items() if key.endswith("Function")}


def deploy(assembly: Assembly, cloud: Cloud) -> Deployment:
    assembly.create_stack(cloud)
    cloudformation = cloud.client("cloudformation")
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        status = str(stack["StackStatus"])
        if status == "CREATE_COMPLETE":
            break
        if status != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            raise LocalCloudError(_failure(cloudformation, status))
        time.sleep(0.05)
    # `describe_stack_resources` returns only the first hundred resources.
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Deployment(
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        resources={resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources},
    )


def zipped(folder: Path) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return data.getvalue()


def _fill_in(name: str) -> str:
    return name.replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)


def _failure(cloudformation: Any, status: str) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
    for event in sorted(failed, key=lambda event: event["Timestamp"]):
        if reason := event.get("ResourceStatusReason"):
            where = f"{event['LogicalResourceId']} ({event['ResourceType']})"
            return f"The deployment failed at {where}: {reason}\n{HINT}"
    return f"The deployment ended with the status {status} and without a reason. {HINT}"
