"""Protects a stage's stack from deletion: `python -m oms.commands.protect --stage S`; with `--ask` it only looks.

The template does not ask for it before the first deployment has succeeded: a stack whose creation failed has to be
deleted before it can be created again. Later deployments are told that it is set, as the CDK CLI lifts the protection
of a stack that does not ask for it.
"""

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def is_protected(stage: str) -> bool:
    """Whether the stage's stack exists and refuses its deletion. ClientError where AWS does not say."""
    stack = stacks.find_stack(stage)
    return bool(stack and stack.get("EnableTerminationProtection"))


def protect(stage: str, *, on: bool = True) -> None:
    stacks.cloudformation().update_termination_protection(
        StackName=stacks.stack_of(stage), EnableTerminationProtection=on
    )


def main() -> None:
    parser = stacks.stage_parser("Protects the stack of a stage from being deleted.")
    parser.add_argument("--ask", action="store_true", help="change nothing; print true or false")
    arguments = parser.parse_args()
    with stacks.acting_on(arguments.stage):
        if arguments.ask:
            print("true" if is_protected(arguments.stage) else "false")
        else:
            protect(arguments.stage)
            print(f"The stack {stacks.stack_of(arguments.stage)} is protected from deletion.")


if __name__ == "__main__":
    run_until_unread(main)
