"""The command line: every command says what it needs with --help."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from dst_repro import __version__
from dst_repro.cli.commands import about, commands
from dst_repro.cli.completion import Completion
from dst_repro.ending import CODES, KEPT, Ended, raising_on_sigterm
from dst_repro.errors import LINE, UserError, one_line


class _Parser(argparse.ArgumentParser):
    """What is wrong with the arguments in one line, as of everything else that is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{one_line(f'{self.prog}: {message}', LINE - 50)}; see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dst_repro", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dst_repro {__version__}")
    parser.add_argument("--print-completion", action=Completion)
    sub_commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in commands():
        sub = sub_commands.add_parser(name, help=about(command), description=about(command))
        sub.set_defaults(run_command=command.run)
        command.arguments(sub)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the terminal has no such letter
    args = _parser().parse_args(arguments)
    try:
        with raising_on_sigterm():
            status: int = args.run_command(args)
        sys.stdout.flush()  # here at the latest a pipe shows that nobody reads it
        return status
    except UserError as error:
        print(f"dst_repro: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"dst_repro: interrupted; {KEPT}", file=sys.stderr)
        return CODES[signal.SIGINT]
    except Ended:
        print(f"dst_repro: ended by SIGTERM; {KEPT}", file=sys.stderr)
        return CODES[signal.SIGTERM]
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # else the interpreter tries again at its end, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a folder where a file should be, no space, no permission
        name = error.filename2 or error.filename
        print(
            one_line(": ".join(map(str, filter(None, ["dst_repro", name, error.strerror or error])))), file=sys.stderr
        )
        return 2
