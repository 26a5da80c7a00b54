"""A tracking URI as it may be shown and written down: whom one logs in as is nobody else's business."""

from __future__ import annotations

import re

# user:password@ between the scheme and the host; the rest of an address may hold an @ of its own
_LOGIN = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)[^/?#\s'\"]*@")
_SECRET = re.compile(
    r"(?i)([?&;](?:password|passwd|pwd|token|secret|key|sslpassword)=)[^&#;\s'\"]+"
)


def without_password(text: str) -> str:
    """Return a URI, or a text in which URIs stand, with each login and each secret of a query as `***`."""
    return _SECRET.sub(r"\1***", _LOGIN.sub(r"\g<scheme>***@", text))
