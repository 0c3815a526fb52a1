"""The suites' own marks, and no import of them in the fast tier."""

# transformers declares them in its own pytest configuration; here an unknown mark is an error.
MARKS = (
    "accelerate_tests",
    "all_flash_attn_test",
    "flash_attn_test",
    "flash_attn_3_test",
    "flash_attn_4_test",
    "generate",
    "torch_compile_test",
    "torch_export_test",
)


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: of transformers' own suites")


def pytest_ignore_collect(config):
    """Everything here is slow, and importing it alone takes seconds."""
    return True if config.option.markexpr == "not slow" else None
