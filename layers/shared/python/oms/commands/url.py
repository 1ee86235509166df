"""Prints the URL of a stage's API: `python -m oms.commands.url --stage S`."""

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def main() -> None:
    parser = stacks.stage_parser("Prints the URL of a stage's API.")
    stage: str = parser.parse_args().stage
    with stacks.acting_on(stage):
        print(stacks.api_url(stage))


if __name__ == "__main__":
    run_until_unread(main)
