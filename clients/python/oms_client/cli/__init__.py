"""The command line `oms`. `main` is its entry point.

Exit codes: 0 success, 1 failure of the API or the network, 2 usage, 3 not signed in, 4 not found, 5 conflict, 6 some
rows failed, 130 interrupted, 141 the reader of the output has closed the pipe.
"""

import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import get_completion_class, shell_complete

from oms_client.cli import events, exports, imports, keys, orders, session, stock
from oms_client.cli.doctor import doctor
from oms_client.cli.state import FAILED, INTERRUPTED, PIPE_CLOSED, Group, State, pass_state
from oms_client.client import VERSION
from oms_client.errors import OmsClientError

# The shell sets it when it asks for completions.
COMPLETE = "_OMS_COMPLETE"


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="oms")
@click.option("--url", envvar="OMS_URL", help="The deployment; by default that of the profile.")
@click.option("--profile", envvar="OMS_PROFILE", default="default", show_default=True, help="The profile to use.")
@pass_state
def cli(state: State, url: str | None, profile: str) -> None:
    """Command line of the Secure Order Management System.

    Sign in once by `oms login`, or set OMS_URL and OMS_KEY (a service key). Each command has --json.

    Exit codes: 0 success, 1 failure, 2 usage, 3 not signed in, 4 not found, 5 conflict, 6 some rows failed.
    """
    state.url_option, state.profile_name = url, profile


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion of a shell: `eval "$(oms completion bash)"`."""
    kind = get_completion_class(shell)
    if kind:
        click.echo(kind(cli, {}, "oms", COMPLETE).source())


for _command in (
    session.login,
    session.logout,
    orders.orders,
    stock.stock,
    imports.import_command,
    exports.export,
    events.events,
    events.listen,
    keys.keys,
    doctor,
):
    cli.add_command(_command)


def run(arguments: Sequence[str] | None = None, state: State | None = None) -> int:
    """Runs a command and returns the exit code."""
    state = state or State()
    try:
        if instruction := os.environ.get(COMPLETE):
            return shell_complete(cli, {}, "oms", COMPLETE, instruction)
        # Not `main` of click, which ends the process at a closed pipe with the code of a failure.
        with cli.make_context("oms", list(sys.argv[1:] if arguments is None else arguments), obj=state) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        state.say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except (OmsClientError, ValueError) as error:
        return state.fail(error)
    except OSError as error:
        state.say(f"Error: {error}")
        return FAILED
    finally:
        state.close()


def main() -> None:
    sys.exit(run())


def _discard_output() -> None:
    """Discards further output: the interpreter flushes at its exit, and would print an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
