"""Where files are kept, and the answers that they come in, piece by piece."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_procountor.api.multipart import FileAnswer
from tap_procountor.downloads.store import FileStore, Place, TooLargeError, safe_name
from tap_procountor.errors import ApiError, ProcountorError, TransientError
from tap_procountor.sandbox.answers import multipart_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = Place("10001/attachments/5", "5")


def answer(content: bytes, step: int = 1000, cut: int | None = None, **metadata: str) -> FileAnswer:
    """An answer as the sandbox makes it, in pieces of some size, perhaps cut off."""
    made = multipart_answer({"id": 5, "name": "lasku.pdf", **metadata}, content, "application/pdf")
    body = bytes(made.body)[:cut]
    return FileAnswer(made.headers, pieces_of(body, step))


def pieces_of(body: bytes, step: int) -> Iterator[bytes]:
    return (body[at : at + step] for at in range(0, len(body), step))


@pytest.fixture(params=["folder", "file://", "memory://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "memory://":
        yield "memory://bucket/files"
        fsspec.filesystem("memory").rm("/", recursive=True)
    else:
        yield f"{tmp_path}/files" if request.param == "folder" else f"file://{tmp_path}/files"


def test_a_file_is_kept_and_found(root: str) -> None:
    store = FileStore(root)
    store.check()
    assert store.find(PLACE) is None
    content = bytes(range(256)) * 100
    saved = store.save(PLACE, answer(content))
    assert (saved.name, saved.size) == ("lasku.pdf", 25_600)
    assert saved.sha256 == sha256(content).hexdigest()
    assert saved.mime_type == "application/pdf"
    assert FileStore(root).find(PLACE) == saved
    with fsspec.open(store.location(PLACE, saved)) as file:
        assert file.read() == content


def test_a_file_without_its_whole_or_its_note_is_not_found(root: str) -> None:
    store = FileStore(root)
    saved = store.save(PLACE, answer(b"content"))
    path = store.location(PLACE, saved)
    system, local = fsspec.core.url_to_fs(path)
    system.pipe_file(local, b"cont")
    assert store.find(PLACE) is None
    store.save(PLACE, answer(b"content"))
    note = local.replace("lasku.pdf", ".5.json")
    system.pipe_file(note, system.cat_file(note)[:10])
    assert store.find(PLACE) is None
    store.save(PLACE, answer(b"content"))
    system.rm_file(local)
    assert store.find(PLACE) is None


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    store = FileStore(f"{tmp_path}/files")
    folder = tmp_path / "files" / PLACE.folder
    folder.mkdir(parents=True)
    for name in (".5.json", "lasku.pdf", "../../../.tap-procountor"):
        (folder / name).symlink_to(precious)
    store.check()
    saved = store.save(PLACE, answer(b"content"))
    assert FileStore(f"{tmp_path}/files").find(PLACE) == saved
    assert precious.read_text() == "keep"


@pytest.mark.parametrize("cut", [0, 10, 100, 150, 1000, -1, -3, -30])
def test_a_file_that_is_cut_off_is_none(root: str, cut: int) -> None:
    store = FileStore(root)
    content = b"x" * 2001
    # Two bytes may follow the last boundary; all before must be there.
    with pytest.raises(TransientError):
        store.save(PLACE, answer(content, cut=cut - (2 if cut < 0 else 0)))
    assert store.find(PLACE) is None


@given(content=st.binary(max_size=300), step=st.integers(1, 50))
def test_any_content_in_any_pieces(content: bytes, step: int) -> None:
    arriving = answer(content, step)
    assert b"".join(arriving) == content
    assert arriving.metadata == {"id": 5, "name": "lasku.pdf"}


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({"Content-Type": "application/octet-stream"}, b"SIE", ApiError),
        ({"Content-Type": "multipart/mixed; boundary=b"}, b"no boundary", TransientError),
        (
            {"Content-Type": "multipart/mixed; boundary=b"},
            b"--b\r\nContent-Type: a/b\r\n\r\n{}\r\n--b--",
            ApiError,
        ),
        (
            {"Content-Type": "multipart/mixed; boundary=b"},
            b"--b\r\n\r\n{}\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n--b--",
            ApiError,
        ),
    ],
)
def test_answers_that_hold_no_file(
    headers: dict[str, str], body: bytes, error: type[ProcountorError]
) -> None:
    with pytest.raises(error):
        list(FileAnswer(headers, iter([body])))


def test_a_body_that_is_the_file(root: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "Content-Length": "3"}
    saved = FileStore(root).save(PLACE, FileAnswer(headers, iter([b"SI", b"E"])), name="2026.se")
    assert (saved.name, saved.size, saved.mime_type) == ("2026.se", 3, "application/octet-stream")


def test_a_file_that_is_too_large_is_given_up_early(root: str) -> None:
    store = FileStore(root)
    with pytest.raises(TooLargeError):
        store.save(PLACE, answer(b"x" * 1001), largest=1000)
    assert store.find(PLACE) is None
    assert store.save(PLACE, answer(b"x" * 1000), largest=1000).size == 1000


def test_what_a_killed_run_has_left_is_removed(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    folder = tmp_path / PLACE.folder
    folder.mkdir(parents=True)
    (folder / ".5.abc.part").write_bytes(b"half")
    store.save(PLACE, answer(b"content"))
    assert {path.name for path in folder.iterdir()} == {".5.json", "lasku.pdf"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("lasku.pdf", "lasku.pdf"),
        ("ääkköset ÅÄÖ 发票.pdf", "ääkköset ÅÄÖ 发票.pdf"),
        ("../../x", "___.._x"),
        ("a/b", "a_b"),
        ("a\\b", "a_b"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.log", "console.log"),
        ("..", "5"),
        ("", "5"),
        (" . ", "5"),
        (".bashrc", "_bashrc"),
        ("loppu. . .", "loppu"),
        ("rivi\nvaihto\x00.pdf", "rivi_vaihto_.pdf"),
        ("lasku \u202efdp.exe", "lasku _fdp.exe"),
        ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        ("x" * 300 + ".pdf", "x" * 176 + ".pdf"),
        ("ä" * 300 + ".pdf", "ä" * 88 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 178),
    ],
)
def test_names_resemble_what_was_given(name: str, safe: str) -> None:
    assert safe_name(name, "5") == safe


@given(name=st.text(max_size=400))
def test_no_name_does_harm(name: str) -> None:
    safe = safe_name(name, "5")
    assert safe
    assert len(safe.encode()) <= 180
    assert not set('<>:"/\\|?*\x00\n') & set(safe)
    assert not safe.startswith((".", " "))
    assert not safe.endswith((".", " "))
    assert safe.partition(".")[0].strip().lower() not in {"con", "nul", "prn", "aux", "com1"}
    assert safe_name(safe, "5") == safe
