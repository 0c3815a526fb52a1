"""Rules of this house that no linter knows: nothing unsafe is loaded, doors stay thin, nothing names a private path."""

import ast
import configparser
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOORS = ("recipes", "data", "eval")


def tracked(suffix: str = "") -> list[Path]:
    """Files of the checkout; from the file system where it is no git checkout (a source archive)."""
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        paths = [REPOSITORY / line for line in listed.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for top in ("spatial_llm", "tests", *DOORS) for path in (REPOSITORY / top).rglob("*")]
    return [path for path in paths if path.is_file() and path.name.endswith(suffix)]


PYTHON = [path for path in tracked(".py") if path.relative_to(REPOSITORY).parts[0] in ("spatial_llm", "tests", *DOORS)]
LIBRARY = [path for path in PYTHON if path.relative_to(REPOSITORY).parts[0] == "spatial_llm"]
DOOR_SCRIPTS = [path for path in PYTHON if path.relative_to(REPOSITORY).parts[0] in DOORS]


def name_of(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""


def unsafe_calls(tree: ast.AST) -> list[str]:
    """Calls that run code out of a file, or load half of one."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, given = name_of(node.func), {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in ("eval", "exec", "pickle.load", "pickle.loads", "joblib.load", "dill.load"):
            found.append(f"line {node.lineno}: {name}")
        if name == "torch.load" and given.get("weights_only") != "True":
            found.append(f"line {node.lineno}: torch.load without weights_only=True")
        for keyword, value in (("allow_pickle", "True"), ("trust_remote_code", "True"), ("strict", "False")):
            if given.get(keyword) == value and name not in ("zip", "np.save"):
                found.append(f"line {node.lineno}: {keyword}={value}")
    return found


def test_the_scan_for_unsafe_calls_sees_what_it_should():
    bad = "torch.load(f)\neval('1')\nnp.load(f, allow_pickle=True)\nm.load_state_dict(s, strict=False)\npickle.load(f)"
    assert len(unsafe_calls(ast.parse(bad))) == 5
    assert unsafe_calls(ast.parse("torch.load(f, weights_only=True)\nmodel.eval()\nzip(a, b, strict=False)")) == []


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_file_loads_nothing_unsafe_and_names_no_private_path(path):
    text = path.read_text(encoding="utf-8")
    assert unsafe_calls(ast.parse(text)) == []
    # Written in pieces, so that this file does not hold what it forbids.
    private = re.compile("|".join(["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "C:" + r"\\Users"]))
    assert private.findall(text) == []
    # Whoever reads a file has this repository and the papers, and no other document of ours.
    documents = [
        r"spec" + r"s? [a-z]\.[0-9]",
        r"spec" + r"s\.md",
        r"reliabil" + r"ity (?:row|list|table)",
        "Pecul" + r"iar\b",
    ]
    elsewhere = re.compile("|".join(documents), re.IGNORECASE)
    assert elsewhere.findall(text) == []
    unfinished = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "breakpoint" + r"\(\)", "pdb" + r"\.set_trace"]))
    assert unfinished.findall(text) == []


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_library_file_says_what_it_is_and_stays_short(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module opens by saying what it is"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 330, "split it by meaning"
    public = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    undocumented = [
        node.name
        for node in public
        if not ast.get_docstring(node) and not (node.name.endswith("PreTrainedModel") or "Config" in node.name)
    ]
    assert undocumented == []


@pytest.mark.parametrize("path", DOOR_SCRIPTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_door_is_thin_explains_itself_and_hides_no_library(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 140
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert re.search(r"python |accelerate launch |make ", docstring), "the docstring holds the launch line"
    # A script's folder comes first on sys.path: these names would hide the library of that name.
    assert path.stem not in ("evaluate", "datasets", "accelerate", "transformers", "peft", "torch", "tokenizers")


def test_nobody_imports_a_door():
    doors = {path.stem for path in DOOR_SCRIPTS}
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert not [name for name in names if name.split(".")[0] in doors | set(DOORS)], path


def test_every_layer_stands_in_the_import_contract():
    """A new folder or module that no contract mentions would be free to import anything."""
    contract = configparser.ConfigParser()
    contract.read(REPOSITORY / "setup.cfg")
    layers = re.findall(r"spatial_llm\.(\w+)", contract["importlinter:contract:layers"]["layers"])
    package = REPOSITORY / "spatial_llm"
    modules = {
        path.stem if path.suffix == ".py" else path.name for path in package.iterdir() if not path.name.startswith("__")
    }
    assert modules - set(layers) == set()


def test_no_sound_and_no_weights_are_committed():
    """The folder of real clips is read, never committed; weights are made or converted, never shipped, but for the small
    model and the recordings of the first hour."""
    media = [
        p for p in tracked() if p.suffix in (".wav", ".flac", ".ogg", ".mp3", ".sofa", ".safetensors", ".pth", ".pt", ".bin")
    ]
    shipped = REPOSITORY / "spatial_llm" / "shipped"
    assert [path for path in media if not path.is_relative_to(shipped)] == []
    assert sum(path.stat().st_size for path in tracked() if path.is_relative_to(shipped)) < 25e6
    large = [p for p in tracked() if p.stat().st_size > 2 * 2**20 and not p.is_relative_to(shipped)]
    assert large == []
