"""Groups of commands, each imported from its own file when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from joulebench.errors import unknown

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


class LazyGroup(TyperGroup):
    """Finds a command in its own file; its subclasses say which commands there are.

    Args:
        places: Each command's file and function, ``"file:function"``, and what it does in a few
            words.
        kind: What a command of the group is called where it is misspelt.
        words_of_another: Commands whose first word begins a command of the user's, whose options
            are not ours.
    """

    places: ClassVar[Mapping[str, tuple[str, str]]] = {}
    kind: ClassVar[str] = "command"
    words_of_another: ClassVar[frozenset[str]] = frozenset()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Name the commands in the order in which they are used."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import a command; ``None`` where there is no such command."""
        return self.built(cmd_name) if cmd_name in self.places else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names.

        Raises:
            UsageError: There is none; names the nearest.
        """
        if args and args[0] not in self.places and not args[0].startswith("-"):
            raise unknown(self.kind, args[0], self.places)
        return super().resolve_command(ctx, args)

    @classmethod
    def built(cls, name: str) -> Any:
        """Build a command from the function, or the group, in its file."""
        place, short = cls.places[name]
        module, _, function = place.partition(":")
        found = getattr(import_module(f"joulebench.cli.{module}"), function)
        if isinstance(found, typer.Typer):  # a group, which finds its own commands
            return typer.main.get_command(found)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        own = {"allow_interspersed_args": False} if name in cls.words_of_another else {}
        single.command(name, short_help=short, context_settings=HELP | own)(found)
        return typer.main.get_command(single)


def group_app(name: str, group: type[LazyGroup]) -> typer.Typer:
    """Make the command-line program of a group, which has its help from its callback."""
    return typer.Typer(
        name=name,
        cls=group,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=HELP,
    )
