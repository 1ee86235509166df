"""Prints the region in which commands act, for the CDK CLI: `python -m oms.commands.region --stage S`.

If no region is set, this command fails. The CDK CLI alone would deploy to us-east-1.
"""

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    parser = stacks.stage_parser("Prints the AWS region that this terminal uses.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        print(stacks.region())


if __name__ == "__main__":
    run_until_unread(main)
