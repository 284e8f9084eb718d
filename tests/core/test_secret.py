"""The value object: what it shows, where it looks, and what it masks."""

import base64
import copy
import io
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidn_pipeline.core import masking
from aidn_pipeline.core.masking import MaskedStream, keep_out, masked, masked_within
from aidn_pipeline.core.secret import Secret, locate, read
from aidn_pipeline.errors import SecretUnavailable, StageFailed, WrongType

VALUE = "correct horse/battery+staple?é"


@pytest.fixture(autouse=True)
def nothing_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test masks is no mask for another."""
    monkeypatch.setattr(masking, "KNOWN", masking.Known())


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Secret:
    """A secret in the environment."""
    monkeypatch.setenv("AIDN_SECRET_HORSE", VALUE)
    return Secret("${secret:HORSE}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets."""
    monkeypatch.setenv("AIDN_SECRETS", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, text: str | bytes, mode: int = 0o600) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_only_reveal_gives_the_value(token: Secret) -> None:
    shown = [repr(token), str(token), f"{token}", f"{token:>20}", f"{token!r}"]
    shown += [str([token]), str({"a": token}), str(copy.deepcopy(token))]
    assert not [text for text in shown if VALUE in text]
    assert repr(token) == "<secret HORSE>"
    assert token.reveal() == VALUE


def test_the_value_is_nowhere_in_the_object(token: Secret) -> None:
    token.reveal()
    assert token.__reduce_ex__(4) == (Secret, ("${secret:HORSE}",))
    assert [getattr(token, name) for name in Secret.__slots__] == ["${secret:HORSE}"]
    assert not hasattr(token, "__dict__")


def test_it_is_no_json(token: Secret) -> None:
    with pytest.raises(TypeError):
        json.dumps({"token": token})


def test_it_equals_its_value_and_a_secret_of_the_same_value(
    token: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDN_SECRET_OTHER", VALUE)
    assert token == VALUE
    assert token == Secret("${secret:OTHER}")
    assert token != "something else"
    assert len({token, Secret("${secret:OTHER}")}) == 1


def test_it_may_be_a_part_of_a_longer_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDN_SECRET_USER", "anna")
    monkeypatch.setenv("AIDN_SECRET_PASS", "4321x")
    url = Secret("https://${secret:USER}:${secret:PASS}@host/x")
    assert url.reveal() == "https://anna:4321x@host/x"
    assert repr(url) == "<secret USER PASS>"


def test_a_value_in_the_place_of_a_reference_is_refused_without_being_shown() -> None:
    with pytest.raises(WrongType) as told:
        Secret("hunter2hunter2")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "value"), [("abcde\n", "abcde"), ("abcde\r\n", "abcde"), ("a b\nc\n", "a b\nc")]
)
def test_a_file_gives_its_text_without_the_last_line_end(
    folder: Path, content: str, value: str
) -> None:
    put(folder, "FILED", content)
    assert read("FILED") == value


def test_the_environment_comes_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "BOTH", "from a file")
    monkeypatch.setenv("AIDN_SECRET_BOTH", "from the environment")
    assert locate("BOTH") is None
    assert read("BOTH") == "from the environment"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused(folder: Path, mode: int) -> None:
    file = put(folder, "OPEN", "abcdefgh", mode)
    with pytest.raises(SecretUnavailable, match="others may read") as told:
        locate("OPEN")
    assert told.value.remedy.startswith(f"`chmod 600 {file}`")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_one_s_own_is_taken(folder: Path, mode: int) -> None:
    file = put(folder, "CLOSED", "abcdefgh", mode)
    assert locate("CLOSED") == file


def test_a_link_is_followed_as_kubernetes_makes_them(folder: Path) -> None:
    data = folder / "..data"
    data.mkdir()
    put(data, "LINKED", "abcdefgh", 0o400)
    (folder / "LINKED").symlink_to("..data/LINKED")
    assert read("LINKED") == "abcdefgh"


def test_a_missing_one_says_where_it_was_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GONE", "a value that nobody meant for recipes")
    with pytest.raises(SecretUnavailable) as told:
        locate("GONE")
    assert "AIDN_SECRET_GONE" in told.value.problem
    assert told.value.where == str(folder / "GONE")
    assert 'export AIDN_SECRET_GONE="$GONE"' in told.value.remedy


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa\xfb", b"", b"ab\0cd", b"x" * 70_000])
def test_what_is_no_text_is_refused_without_being_shown(folder: Path, content: bytes) -> None:
    put(folder, "ODD", content)
    with pytest.raises(SecretUnavailable) as told:
        read("ODD")
    assert "xxxx" not in str(told.value)
    assert "xff" not in str(told.value)


def test_a_fifo_and_a_folder_are_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "PIPE", 0o600)
    (folder / "FOLDER").mkdir()
    for name in ("PIPE", "FOLDER"):
        with pytest.raises(SecretUnavailable, match="is no file"):
            read(name)


FORMS = {
    "plain": lambda v: v,
    "json": json.dumps,
    "repr": repr,
    "url": lambda v: quote(v, safe=""),
    "header": lambda v: "Basic " + base64.b64encode(f"user:{v}".encode()).decode(),
    "base64": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "line": lambda v: f"  | {v} |",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", range(4))
def test_a_value_is_masked_in_the_forms_that_texts_carry(
    token: Secret, form: str, before: int
) -> None:
    token.reveal()
    text = f"{'-' * before}{FORMS[form](token.reveal())}"
    assert "<secret HORSE>" in masked(text)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=6), st.binary(max_size=5))
def test_base64_of_anything_around_a_value_is_masked(value: str, before: bytes) -> None:
    keep_out(value, "ANY")
    text = base64.b64encode(before + value.encode() + b"tail").decode()
    assert "<secret" in masked(text)


def test_texts_inside_of_a_value_are_masked_and_the_rest_is_as_it_was(token: Secret) -> None:
    value = {"said": ("all", [token.reveal()]), "loss": 0.5, "none": None}
    assert masked_within(value) == {"said": ("all", ["<secret HORSE>"]), "loss": 0.5, "none": None}


def test_a_value_that_is_no_utf8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDN_SECRET_ODD", "p\udcffw-word")
    with pytest.raises(SecretUnavailable, match="no text"):
        Secret("${secret:ODD}").reveal()


def test_a_short_value_masks_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDN_SECRET_SHORT", "the")
    Secret("${secret:SHORT}").reveal()
    assert masked("the end") == "the end"


def test_each_line_of_a_key_is_masked(folder: Path) -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END-----\n"
    put(folder, "KEY", key)
    read("KEY")
    shown = masked("".join(f"   {line}\n" for line in key.splitlines()))
    assert not re.search("MIIE|BAQE", shown)


def test_errors_never_carry_a_value(token: Secret) -> None:
    error = StageFailed(f"401 for {token.reveal()}", where=token.reveal(), remedy=token.reveal())
    texts = [str(error), repr(error), str(error.args), json.dumps(error.to_json())]
    assert not [text for text in texts if "horse" in text]


def test_what_a_stage_prints_is_masked_before_it_is_written(token: Secret) -> None:
    sink = io.BytesIO()
    stream = MaskedStream(sink, encoding="utf-8")
    print("opened with", token.reveal(), {"token": token.reveal()}, file=stream)
    stream.flush()
    assert sink.getvalue() == b"opened with <secret HORSE> {'token': '<secret HORSE>'}\n"
