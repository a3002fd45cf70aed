"""Checking code: what is found, what the code expects, what the program changes itself, files and folders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import gorilla_rag
from gorilla_rag.check import Checked, check_code, check_files, make_resolver
from gorilla_rag.errors import PackageMissing, SourceError, UsageError
from gorilla_rag.signatures.resolve import Resolver
from tests.benchmarks import faults
from tests.benchmarks.checking import folder

WRONG = "numpy.zeroes(3)"


@pytest.fixture(scope="module")
def resolver() -> Iterator[Resolver]:
    made = make_resolver()
    yield made
    made.close()


def check(resolver: Resolver, code: str) -> Checked:
    return check_code(dedent(code), resolver=resolver)


def rules(found: Checked) -> list[str]:
    return [one.rule for one in found.findings]


REAL = {
    "import numpy as np\nnp.zeroslike([1])": ("no-such-name", "zeros_like"),
    "import numpy as np\nnp.array([1], stype=int)": ("unexpected-argument", "dtype"),
    "import numpy as np\nnp.linalg.nrom([1])": ("no-such-name", "norm"),
    "from sklearn.cluster import KMean": ("no-such-name", "KMeans"),
    "from sklearn.cluster import KMeans\nKMeans(n_cluster=7)": ("unexpected-argument", "n_clusters"),
    "from sklearn.cluster import KMeans\nKMeans().fit()": ("missing-argument", ""),
    "from sklearn.cluster import KMeans\nx = KMeans()\nx.fit_predicts([[1]])": ("no-such-name", "fit_predict"),
    "import pandas as pd\npd.read_cvs('x')": ("no-such-name", "read_csv"),
    "import pandas as pd\npd.merge([1])": ("missing-argument", ""),
    "import sklearn.clusters": ("no-such-module", "cluster"),
    "import torch\ntorch.nn.Linear(3)": ("missing-argument", ""),
    "import torch\ntorch.nn.Lineer(3, 4)": ("no-such-name", "Linear"),
    "import torch\ntorch.nn.functional.relu(1, inplaced=True)": ("unexpected-argument", "inplace"),
    "import os\nos.path.joins('a')": ("no-such-name", "join"),
    "import re\nre.sub('a', 'b', 'c', cuont=1)": ("unexpected-argument", "count"),
    "import json\njson({})": ("not-callable", ""),
    "import numpyy": ("not-installed", "numpy"),
}


@pytest.mark.parametrize(("code", "expected"), REAL.items(), ids=REAL)
def test_real_packages_faults_are_found_with_what_was_meant(
    resolver: Resolver, code: str, expected: tuple[str, str]
) -> None:
    (found,) = check(resolver, code).findings
    assert (found.rule, found.suggestion) == expected


RIGHT = """
    import json, os.path, re, numpy as np, pandas as pd, torch, torch.nn.functional as F
    from collections import OrderedDict, defaultdict
    from dataclasses import dataclass, field
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression

    KMeans(n_clusters=3, random_state=0).fit([[1.0]]).predict([[1.0]])
    model = LogisticRegression(C=2.0)
    model.fit([[1]], y=[1])
    np.zeros((3, 4), dtype=float).sum(axis=0)
    np.add(1, 2, out=None)
    json.dumps({}, indents=1)  # any name is handed on to an encoder of the caller's choice
    pd.DataFrame({"a": [1]}).groupby("a").sum()
    torch.sum(torch.zeros(3), dim=0)
    torch.cat([torch.zeros(1)], axis=0)
    F.relu(torch.zeros(1), inplace=True)
    re.sub("a", "b", "c", count=1)
    json.loads("{}", strict=False)
    OrderedDict(a=1)
    defaultdict(list)
    field(default=1)
    os.path.join("a", "b", "c")
    print(1, 2, sep="", end="")
    sorted([1], key=lambda one: one, reverse=True)
    """


def test_right_calls_of_real_packages_are_left_alone(resolver: Resolver) -> None:
    found = check(resolver, RIGHT)
    assert found.findings == ()
    assert found.calls > 35
    assert found.bound > 15


EXPECTED = {
    "raises the error": "with pytest.raises(AttributeError):\n    numpy.zeroes(3)",
    "raises one of several": "with pytest.raises((KeyError, AttributeError)):\n    numpy.zeroes(3)",
    "raises anything": "with pytest.raises(Exception):\n    numpy.zeroes(3)",
    "raises a variable": "errors = (AttributeError,)\nwith pytest.raises(errors):\n    numpy.zeroes(3)",
    "unittest's": "import unittest\nwith unittest.TestCase().assertRaises(AttributeError):\n    numpy.zeroes(3)",
    "a context made before": "ctx = pytest.raises(AttributeError)\nwith ctx:\n    numpy.zeroes(3)",
    "a context that is a parameter": "def f(expectation):\n    with expectation:\n        numpy.zeroes(3)",
    "suppressed": "import contextlib\nwith contextlib.suppress(AttributeError):\n    numpy.zeroes(3)",
    "any context that names the error": "def fails(x): ...\nwith fails(AttributeError):\n    numpy.zeroes(3)",
    "caught": "try:\n    numpy.zeroes(3)\nexcept AttributeError:\n    pass",
    "caught with others": "try:\n    numpy.zeroes(3)\nexcept (KeyError, AttributeError):\n    pass",
    "in the handler": "try:\n    numpy.zeros(3)\nexcept AttributeError:\n    numpy.zeroes(3)",
    "hasattr": "if hasattr(numpy, 'zeroes'):\n    numpy.zeroes(3)",
    "hasattr in an expression": "x = numpy.zeroes(3) if hasattr(numpy, 'zeroes') else None",
    "hasattr and": "hasattr(numpy, 'zeroes') and numpy.zeroes(3)",
    "hasattr in a comprehension": "[numpy.zeroes(x) for x in 'a' if hasattr(numpy, 'zeroes')]",
    "a flag": "flag = hasattr(numpy, 'zeroes')\nif flag:\n    numpy.zeroes(3)",
    "a version": "if numpy.__version__ < '1':\n    numpy.zeroes(3)",
    "a version's else": "if numpy.__version__ > '1':\n    pass\nelse:\n    numpy.zeroes(3)",
    "a version's return": "def f():\n    if numpy.__version__ > '1':\n        return 1\n    return numpy.zeroes(3)",
    "a version's skip": "def f():\n    if numpy.__version__ > '1':\n        pytest.skip()\n    numpy.zeroes(3)",
    "a loop's continue": "for i in 'a':\n    if numpy.__version__ > '1':\n        continue\n    numpy.zeroes(3)",
    "a system": "import sys\nif sys.platform == 'win32':\n    numpy.zeroes(3)",
    "a constant": "OLD = bool(numpy)\nif OLD:\n    numpy.zeroes(3)",
    "skipif": "@pytest.mark.skipif(1 < 2, reason='')\ndef test():\n    numpy.zeroes(3)",
    "a skip of its own name": "old = pytest.mark.xfail(reason='')\n@old\ndef test():\n    numpy.zeroes(3)",
    "a skipped class": "@pytest.mark.skip\nclass TestA:\n    def test(self):\n        numpy.zeroes(3)",
}


@pytest.mark.parametrize("code", EXPECTED.values(), ids=EXPECTED)
def test_what_the_code_expects_is_counted_and_not_reported(resolver: Resolver, code: str) -> None:
    found = check(resolver, f"import numpy, pytest\n{code}")
    assert rules(found) == []
    assert found.guarded == 1


UNEXPECTED = {
    "another error is caught": "try:\n    numpy.zeroes(3)\nexcept KeyError:\n    pass",
    "another error is raised": "with pytest.raises(ValueError):\n    numpy.zeroes(3)",
    "a missing import is caught": "try:\n    numpy.zeroes(3)\nexcept ImportError:\n    pass",
    "everything is caught": "try:\n    numpy.zeroes(3)\nexcept Exception:\n    raise",
    "it is in the else": "try:\n    pass\nexcept AttributeError:\n    pass\nelse:\n    numpy.zeroes(3)",
    "it is in the finally": "try:\n    pass\nexcept AttributeError:\n    pass\nfinally:\n    numpy.zeroes(3)",
    "only warnings are expected": "with pytest.warns(UserWarning):\n    numpy.zeroes(3)",
    "a lock is held": "import threading\nwith threading.Lock():\n    numpy.zeroes(3)",
    "a condition asks for something else": "if 1 < 2:\n    numpy.zeroes(3)",
    "the block is over": "with pytest.raises(AttributeError):\n    pass\nnumpy.zeroes(3)",
    "a conversion is asked": "conversion = 1\nif conversion > 2:\n    numpy.zeroes(3)",
}


@pytest.mark.parametrize("code", UNEXPECTED.values(), ids=UNEXPECTED)
def test_a_fault_is_reported_although(resolver: Resolver, code: str) -> None:
    found = check(resolver, f"import numpy, pytest\n{code}")
    assert rules(found) == ["no-such-name"]
    assert found.guarded == 0


def test_an_import_under_a_broad_except_is_expected(resolver: Resolver) -> None:
    code = "try:\n    from numpy import zeroes\n    import numpi\nexcept Exception:\n    zeroes = None"
    found = check(resolver, code)
    assert (rules(found), found.guarded) == ([], 2)


PATCHED = {
    "assignment": "numpy.zeroes = numpy.zeros",
    "assignment inside a function": "def f():\n    numpy.zeroes = numpy.zeros",
    "setattr": "setattr(numpy, 'zeroes', numpy.zeros)",
    "setattr of a name made at run time": "for name in 'ab':\n    setattr(numpy, name, 1)",
    "monkeypatch": "def test(monkeypatch):\n    monkeypatch.setattr(numpy, 'zeroes', print)",
    "monkeypatch by a string": "def test(monkeypatch):\n    monkeypatch.setattr('numpy.zeroes', print)",
    "patch": "from unittest import mock\nwith mock.patch('numpy.zeroes'): ...",
    "patch.object": "from unittest import mock\nwith mock.patch.object(numpy, 'zeroes'): ...",
    "sys.modules": "import sys\nsys.modules['numpy'] = sys",
}


@pytest.mark.parametrize("code", PATCHED.values(), ids=PATCHED)
def test_what_the_program_sets_itself_is_unknown(resolver: Resolver, code: str) -> None:
    found = check(resolver, f"import numpy\n{code}\n{WRONG}")
    assert found.errors == ()
    assert "the program sets it itself" in found.reasons


def test_a_function_put_in_anothers_place_takes_what_it_takes(resolver: Resolver) -> None:
    assert rules(check(resolver, "import numpy\nnumpy.zeros(shap=3)")) == ["unexpected-argument"]
    assert rules(check(resolver, "import numpy\nnumpy.zeros = print\nnumpy.zeros(shap=3)")) == []
    assert rules(check(resolver, "import numpy\nx.zeros = print\nnumpy.zeros(shap=3)")) == ["unexpected-argument"]


def test_a_faulty_import_is_reported_once(resolver: Resolver) -> None:
    found = check(resolver, "from sklearn.cluster import KMean\nKMean(3).fit()\nKMean(4)")
    assert rules(found) == ["no-such-name"]
    assert found.reasons["its import is at fault"] == 2


def test_a_package_that_is_not_installed_is_a_warning_once_in_a_file(resolver: Resolver) -> None:
    found = check(resolver, "import numpyy\nimport numpyy.linalg\nfrom numpyy import x\nnumpyy.zeros()\nx()")
    assert rules(found) == ["not-installed"]
    assert (found.errors, found.findings[0].level) == ((), "warning")
    assert found.reasons["numpyy isn't installed"] == 5
    assert rules(check(resolver, "import sys\nsys.path.insert(0, 'lib')\nimport numpyy")) == []


def test_a_deprecated_call_is_a_warning(tmp_path: Path) -> None:
    from gorilla_rag.signatures.environment import Environment

    (tmp_path / "tools.py").write_text(
        "from warnings import deprecated\n@deprecated('use new')\ndef old(x): ...\n", encoding="utf-8"
    )
    made = Resolver(Environment([tmp_path]))
    found = check_code("import tools\ntools.old(1)\nwith warns(x):\n    tools.old(1)", resolver=made)
    made.close()
    (warning,) = found.warnings
    assert (warning.rule, warning.line, warning.message) == ("deprecated", 2, "tools.old is deprecated: use new")
    assert found.guarded == 1


def test_counts_add_up(resolver: Resolver) -> None:
    found = check(resolver, "import numpy as np\nnp.zeros(3)\nnp.zeroes(3)\nx.y()\nprint(len([]))\nrange(3)")
    assert (found.calls, found.existing, found.bound) == (7, 5, 3)
    assert found.reasons == {"not defined in this code": 1, "exists; arguments: it doesn't tell its signature": 1}


def test_positions_count_characters(resolver: Resolver) -> None:
    (found,) = check(resolver, "import numpy\nx = '喷漆', numpy.zeroes(3)").findings
    assert (found.line, found.column, found.end_line, found.end_column) == (2, 11, 2, 23)


def test_a_keyword_is_marked_where_it_stands(resolver: Resolver) -> None:
    (found,) = check(resolver, "import numpy\nnumpy.zeros(\n    3,\n    dtyp=int,\n)").findings
    assert (found.line, found.column, found.end_line, found.end_column) == (4, 5, 4, 13)


def test_a_comment_leaves_a_lines_findings_out(resolver: Resolver) -> None:
    code = "import numpy\nnumpy.zeroes(3)  # gorilla: ignore\nnumpy.zeroes(3)"
    found = check(resolver, code)
    assert ([one.line for one in found.findings], found.ignored) == ([3], 1)


def test_a_comment_names_the_rules_that_it_leaves_out(resolver: Resolver) -> None:
    code = "import numpy\nnumpy.zeroes(3)  # gorilla: ignore[{}]"
    for named, kept in (("no-such-name", 0), ("not-callable, no-such-name", 0), ("not-callable", 1)):
        assert len(check(resolver, code.format(named)).findings) == kept


def test_a_string_is_no_comment(resolver: Resolver) -> None:
    assert len(check(resolver, "import numpy\nnumpy.zeroes('# gorilla: ignore')").findings) == 1


@pytest.mark.parametrize("root", ["numpy", "collections.abc"])
@pytest.mark.parametrize("code", ["import {}", "from {} import x", "import {} as y\ny.z()", "from {} import x\nx.y()"])
def test_a_name_of_thousands_of_parts_is_missing_like_any_other(code: str, root: str, resolver: Resolver) -> None:
    deep, short = (code.format(f"{root}.{'.'.join(['nowhere'] * parts)}") for parts in (5_000, 3))
    found = rules(check(resolver, deep))
    assert found == rules(check(resolver, short))
    assert len(found) == 1


NOT_PYTHON = {
    "a syntax error": b"def f(:\n",
    "bytes that aren't UTF-8": b"x = '\xff'\n",
    "an unknown encoding": b"# coding: nonsense\n",
    "a null byte": b"x = 1\x00\n",
    "too deep": b"x = " + b"(" * 5000 + b")" * 5000,
}


@pytest.mark.parametrize("data", NOT_PYTHON.values(), ids=NOT_PYTHON)
def test_what_is_not_python_is_reported_and_the_other_files_go_on(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(data)
    (tmp_path / "b.py").write_text(f"import numpy\n{WRONG}", encoding="utf-8")
    first, second = check_files([tmp_path])
    assert rules(first) == ["syntax-error"]
    assert rules(second) == ["no-such-name"]


def test_other_encodings_and_line_ends_are_read_as_python_reads_them(resolver: Resolver, tmp_path: Path) -> None:
    for number, (data, encoding) in enumerate(
        [
            ("# coding: latin-1\r\nimport numpy\r\nx = 'é', numpy.zeroes(3)\r\n", "latin-1"),
            ("\ufeffimport numpi\n", "utf-8"),
        ]
    ):
        path = tmp_path / f"f{number}.py"
        path.write_bytes(data.encode(encoding))
        (result,) = check_files([path], resolver=resolver)
        assert [(one.line, one.column) for one in result.findings] == [[(3, 10)], [(1, 8)]][number]


def test_a_folders_python_files_are_checked_in_order_without_hidden_and_installed_ones(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", ".hidden/d.py", "venv/lib/e.py", "__pycache__/f.py", "g.txt", "a/build/h.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def f(:", encoding="utf-8")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "a" / "round").symlink_to(tmp_path, target_is_directory=True)
    found = [one.findings[0].file for one in check_files([tmp_path, tmp_path / "b.py"])]
    assert found == [str(tmp_path / "a" / "c.py"), str(tmp_path / "b.py")]


def test_modules_beside_a_file_hide_installed_ones(tmp_path: Path, resolver: Resolver) -> None:
    (tmp_path / "numpy.py").write_text("def zeroes(x): ...", encoding="utf-8")
    (tmp_path / "helper.py").touch()
    script = tmp_path / "script.py"
    script.write_text(f"import numpy, helper\nhelper.x()\n{WRONG}", encoding="utf-8")
    (result,) = check_files([script], resolver=resolver)
    assert result.findings == ()
    assert result.reasons == {"the program's own module": 4}


def test_a_package_of_the_programs_own_is_known_to_its_files(tmp_path: Path, resolver: Resolver) -> None:
    for name, text in {
        "mine/__init__.py": "",
        "mine/a.py": "from mine import b\nfrom . import b\nfrom .b import f\nf()\nimport other",
        "mine/b.py": "def f(): ...",
        "other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (result,) = check_files([tmp_path / "mine" / "a.py"], resolver=resolver)
    assert result.findings == ()


def test_a_path_that_is_not_there_is_an_error_before_anything_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        next(check_files([tmp_path / "missing.py"]))


def test_packages_of_another_interpreter_count(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], capture_output=True, check=True
    )
    assert made.returncode == 0
    python = tmp_path / "v" / ("Scripts" if os.name == "nt" else "bin") / "python"
    assert rules(check_code("import numpy", python=python)) == ["not-installed"]
    assert rules(check_code("import numpy")) == []
    with pytest.raises(UsageError, match="didn't tell"):
        check_code("import numpy", python=tmp_path)


def test_inspecting_tells_what_source_does_not() -> None:
    code = "import regex._regex\nregex._regex.nothing()"
    assert check_code(code).findings == ()
    assert rules(check_code(code, inspect=["regex"])) == ["no-such-name"]
    with pytest.raises(PackageMissing) as caught:
        check_code(code, inspect=["regexx"])
    assert "regex" in caught.value.hint


def test_the_names_are_exported_without_being_imported() -> None:
    assert gorilla_rag.check_code is check_code
    assert gorilla_rag.check_files is check_files
    code = "import sys, gorilla_rag; print('gorilla_rag.check' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nothing_of_the_checked_code_or_its_packages_is_imported(tmp_path: Path) -> None:
    checked = f"import sklearn.cluster, tomlkit; open({str(tmp_path / 'x')!r}, 'w'); sklearn.cluster.KMeans()"
    code = (
        "import sys; from gorilla_rag.check import check_code; check_code(sys.argv[1])\n"
        "print({'sklearn', 'tomlkit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, checked], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert not (tmp_path / "x").exists()


def test_real_code_gives_no_false_alarms(resolver: Resolver) -> None:
    places = [folder("sklearn") / "cluster", folder("networkx") / "algorithms" / "shortest_paths"]
    whole = Checked.together(list(check_files(places, resolver=resolver)))
    assert whole.calls > 5_000
    assert whole.existing > 0.6 * whole.calls
    assert whole.errors == ()


def test_nearly_all_faults_put_into_real_code_are_found(resolver: Resolver) -> None:
    seeded = faults.seed(resolver, [folder("sklearn") / "cluster", folder("networkx") / "readwrite"], 60)
    found = [
        any(one.line <= error.line <= one.end_line for error in faults.checked(resolver, one).errors) for one in seeded
    ]
    assert {one.kind for one in seeded} == set(faults.KINDS)
    assert sum(found) >= 57
