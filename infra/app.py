"""The CDK app: `make synth`, or `node_modules/.bin/cdk synth -c stage=dev` with `.venv/bin` on the path."""

import json
import signal
import sys
from typing import Any

import aws_cdk as cdk

from infra.assets import ROOT
from infra.checks import check
from infra.stack import OmsStack
from infra.stages import Stage, StageError
from layers.archive import LayerBuildError


def build(context: dict[str, Any] | None = None, *, outdir: str | None = None) -> cdk.App:
    """Returns the app. `context` overrides cdk.json, and the options of the CDK CLI override both."""
    committed = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context=committed | (context or {}), outdir=outdir)
    name = str(app.node.get_context("stage"))
    settings = app.node.try_get_context("settings") or {}
    protected = str(app.node.try_get_context("protected")).lower() == "true"
    OmsStack(app, Stage.named(name, settings.get(name, {})), protected=protected)
    check(app)
    return app


def main() -> None:
    # A layer build that is interrupted must still remove its temporary folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        build().synth()
    except (StageError, LayerBuildError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
