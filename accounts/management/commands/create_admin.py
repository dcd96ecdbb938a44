import secrets
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.admins import EmailTaken, create_admin


class Command(BaseCommand):
    help = "Create an admin account. Its password is read from standard input, or made and shown."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="The person's full name.")
        parser.add_argument(
            "--password-stdin", action="store_true", help="Read the password from standard input."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = options["password_stdin"]
        password = sys.stdin.readline().rstrip("\r\n") if given else secrets.token_urlsafe(16)
        try:
            validate_password(password)
            user = create_admin(email=options["email"], name=options["name"], password=password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except EmailTaken as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Created the admin {user.email} with the username {user.username}.")
        if not given:
            self.stdout.write(f"Password, shown only now: {password}")
