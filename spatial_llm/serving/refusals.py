"""Requests that get no answer: a status, and a sentence in the shape of OpenAI's errors."""

import reprlib
from typing import Any

from spatial_llm.errors import SpatialLLMError, printable

# status -> "type" of OpenAI's errors, by which clients tell whether to try again
_TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}


class Refusal(SpatialLLMError):
    """A request that is refused.

    Attributes:
        status: of HTTP.
        param: the part of the request at fault, such as "messages[0].content[1]"; None where no single part is.
        code: a word for programs, such as "model_not_found"; None where there is none.
        retry_after_s: when it is worth trying again, in s; None where it is not.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        # The name of a key that a client invented may hold half a surrogate pair, which no response can.
        self.param = None if param is None else printable(param)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s

    def to_dict(self) -> dict[str, Any]:
        """Returns the body of the response."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def short(value: Any, most: int = 80) -> str:
    """Returns a value as a message shows it; of one of many megabytes only the beginning is looked at."""
    text = _SHORT.repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 3
