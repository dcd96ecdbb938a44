from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import audit
from accounts.errors import AgnesError
from accounts.models import Scope, User, normalize_email
from accounts.tokens import issue_token

MOST_DAYS = 36_500
"""A hundred years; without --days a token never expires."""


class Command(BaseCommand):
    help = "Create a personal access token and print it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The owner's e-mail or username.")
        parser.add_argument("--name", default="command line", help="What the token is for.")
        parser.add_argument(
            "--scope",
            action="append",
            dest="scopes",
            choices=Scope.values,
            help="May be given several times; push and read when left out.",
        )
        parser.add_argument("--days", type=int, help="Days until it expires; never when left out.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        days = options["days"]
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--days must be 1 or more, and {MOST_DAYS:,} at most.")
        try:
            token, text = issue_token(
                by=None,
                user=find_user(options["user"]),
                name=options["name"],
                scopes=options["scopes"] or [Scope.PUSH.value, Scope.READ.value],
                expires_at=None if days is None else now + timedelta(days=days),
                now=now,
                door=audit.Door.COMMAND,
            )
        except AgnesError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(text)
        self.stderr.write(
            f"The token {token.name!r} of {token.user.username} may: {', '.join(token.scopes)}."
        )


def find_user(name: str) -> User:
    key = {"email": normalize_email(name)} if "@" in name else {"username": name}
    try:
        return User.objects.get(**key)
    except User.DoesNotExist:
        raise CommandError(
            f"No user {name!r}. Give the e-mail or username of an existing account."
        ) from None
