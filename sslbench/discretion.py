"""What is shown and shipped to others without what is nobody else's business: passwords, and where a person's files lie."""

from __future__ import annotations

import re
from pathlib import Path

# user:password@ between the scheme and the host; the rest of an address may hold an @ of its own
_LOGIN = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)[^/?#\s'\"]*@")
# a database's password may hold / # ? and @: it ends at the last @ before a space
_OF_DATABASE = re.compile(r"(?<![\w+.-])(?P<scheme>(?!https?:)[a-zA-Z][\w+.-]*://)[^:/@\s]*:\S*@")
_SECRET = re.compile(
    r"(?i)([?&;](?:password|passwd|pwd|token|secret|key|sslpassword)=)[^&#;\s'\"]+"
)


def without_password(text: str) -> str:
    """Return a URI, or a text in which URIs stand, with each login and each secret of a query as `***`."""
    for login in (_OF_DATABASE, _LOGIN):
        text = login.sub(r"\g<scheme>***@", text)
    return _SECRET.sub(r"\1***", text)


def without_home(text: str) -> str:
    """Return a text with the person's home folder as `~`: MLflow, reports and models are read by others."""
    try:
        home = str(Path.home())
    except RuntimeError:  # this user has none
        return text
    if home == "/":  # it would take every path apart
        return text
    # whole names of folders only
    return re.sub(rf"(?<![\w.-]){re.escape(home)}(?=[/\s'\":,)]|$)", "~", text)


def first_line(error: Exception) -> str:
    """Return what went wrong in one line of at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("(raised as a result of")] or lines
    return without_password(lines[0] if lines else type(error).__name__)[:300]
