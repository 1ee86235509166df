"""Prints the region that commands act in, for the CDK CLI: `python -m oms.commands.region --stage S`.

Without it CDK would take us-east-1 where no region is set, and the commands would refuse.
"""

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    parser = stacks.stage_parser("Prints the AWS region that this terminal is set up for.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        print(stacks.region())


if __name__ == "__main__":
    run_until_unread(main)
