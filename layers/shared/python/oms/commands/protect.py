"""Protects a stage's stack from deletion: `python -m oms.commands.protect --stage S`.

With `--ask` it changes nothing and prints whether the stack is protected. The template of the first deployment does not
request protection, because a stack whose creation failed must be deleted before it can be created again. Templates of
later deployments request it, because otherwise the CDK CLI would remove the protection.
"""

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread


def is_protected(stage: str) -> bool:
    """Returns whether the stage's stack exists and is protected from deletion. Raises ClientError if AWS refuses."""
    stack = stacks.find_stack(stage)
    return bool(stack and stack.get("EnableTerminationProtection"))


def protect(stage: str, *, on: bool = True) -> None:
    stacks.cloudformation().update_termination_protection(
        StackName=stacks.stack_of(stage), EnableTerminationProtection=on
    )


def main() -> None:
    parser = stacks.stage_parser("Protects the stack of a stage from deletion.")
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
