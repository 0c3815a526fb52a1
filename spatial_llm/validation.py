"""How JSON is checked against dataclasses: strictly, and with one sentence about the first thing that is wrong."""

from pydantic import ConfigDict, ValidationError

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def describe_validation(error: ValidationError) -> str:
    """Returns the first error of pydantic in one sentence: the field, the problem, and the given value."""
    first, count = error.errors(include_url=False)[0], error.error_count()
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    kinds = {
        "missing": "field is missing",
        "extra_forbidden": "unknown field",
        "unexpected_keyword_argument": "unknown field",
    }
    problem = kinds.get(first["type"], first["msg"])
    given = "" if first["type"] == "missing" else f"; given {str(first['input'])[:100]!r}"
    return f"{field or 'value'}: {problem}{given}" + (f" (and {count - 1} more)" if count > 1 else "")
