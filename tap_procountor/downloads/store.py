"""Where downloaded files are kept: a folder, or a place that fsspec knows (s3, gs, az …).

Beside each file lies a note that describes it, ``.<key>.json``. The note is written first; the file
then appears under its name at once. So a file that has its note is complete, and is never
downloaded again, whatever becomes of the state.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import unicodedata
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_procountor.api.clock import format_utc
from tap_procountor.errors import ConfigurationError, ProcountorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tap_procountor.api.multipart import FileAnswer

#: Stores without folders, in which a file appears when its upload is complete; and their extras.
_OBJECT_STORES = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "azure"),
}

#: Bytes of a name; file systems allow 255, and the temporary name is longer.
_LONGEST_NAME = 180
_LONGEST_EXTENSION = 20
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])", re.IGNORECASE)

logger = logging.getLogger("tap-procountor.files")

_encoder = msgspec.json.Encoder(decimal_format="number")


class StoreError(ProcountorError):
    """The place for files fails."""


class TooLargeError(ProcountorError):
    """A file exceeds the limit on its size."""


class Place(NamedTuple):
    """Where a file belongs.

    Attributes:
        folder: Its folder below the root, such as ``10001/attachments/5``.
        key: Unique in the folder, such as the page of a picture.
    """

    folder: str
    key: str


class StoredFile(msgspec.Struct):
    """A file that is complete at its place.

    Attributes:
        size: In bytes.
        downloaded_at: RFC 3339 in UTC.
        metadata: The API's own fields about it.
    """

    name: str
    size: int
    sha256: str
    downloaded_at: str
    mime_type: str | None = None
    metadata: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(StoredFile, float_hook=Decimal)


class FileStore:
    """Keeps files below a root: a folder or a URL that fsspec understands.

    Raises:
        ConfigurationError: If the kind of URL is unknown, or its package is missing.
    """

    def __init__(self, root: str) -> None:
        import fsspec  # noqa: PLC0415 - only runs with files need it
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        scheme, is_url, _ = root.partition("://")
        try:
            fsspec.get_filesystem_class(scheme if is_url else "file")
        except (ImportError, ValueError):
            extra = _OBJECT_STORES.get(scheme)
            remedy = f"pip install 'tap-procountor[{extra}]'" if extra else "use another place"
            msg = f"Files cannot be written to '{scheme}' (attachment_files_path): {remedy}."
            raise ConfigurationError(msg) from None
        with _faults():
            self._system, path = fsspec.core.url_to_fs(root)
        self._root = path.rstrip("/")
        self._is_local = isinstance(self._system, LocalFileSystem)
        self._is_url = bool(is_url)
        # Temporary files are for their owner only; the mask can only be read by setting it.
        mask = os.umask(0o022)
        os.umask(mask)
        self._mode = 0o666 & ~mask

    def check(self) -> None:
        """Raise StoreError unless files can be written."""
        with _faults():
            self._make_folder(self._root)
            # It stays: deleting may not be allowed.
            self._write(f"{self._root}/.tap-procountor", b"")

    def find(self, place: Place) -> StoredFile | None:
        """Return the file of a place if it is complete."""
        note = self.note(place)
        if note is None:
            return None
        try:
            file = _decoder.decode(note)
            with _faults(but=FileNotFoundError):
                size = self._system.info(self._path(place, file.name))["size"]
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        return file if size == file.size else None

    def save(
        self,
        place: Place,
        answer: FileAnswer,
        name: str | None = None,
        largest: int | None = None,
    ) -> StoredFile:
        """Write a file while it arrives; its name is by default the one in its metadata.

        Raises:
            TooLargeError: If it has more than ``largest`` bytes.
            StoreError: If it cannot be written.
            ProcountorError: If it does not arrive.
        """
        digest, size = sha256(), 0
        with self._temporary_of(place) as temporary:
            for piece in answer:
                size += len(piece)
                if largest is not None and size > largest:
                    raise TooLargeError
                digest.update(piece)
                with _faults():
                    temporary.write(piece)
            file = StoredFile(
                safe_name(name or str(answer.metadata.get("name") or ""), place.key),
                size,
                digest.hexdigest(),
                format_utc(datetime.now(UTC)),
                answer.mime_type,
                answer.metadata,
            )
            with _faults():
                temporary.flush()
                # After a loss of power too, what has its name must have its bytes.
                os.fsync(temporary.fileno())
                temporary.close()
                self.write_note(place, _encoder.encode(file))
                self._put(temporary.name, self._path(place, file.name))
        return file

    def location(self, place: Place, file: StoredFile) -> str:
        """Return a file's path, or its URL without secrets."""
        path = self._path(place, file.name)
        return str(self._system.unstrip_protocol(path)) if self._is_url else path

    def note(self, place: Place) -> bytes | None:
        try:
            with _faults(but=FileNotFoundError):
                note: bytes = self._system.cat_file(self._path(place, f".{place.key}.json"))
        except FileNotFoundError:
            return None
        return note

    def write_note(self, place: Place, note: bytes) -> None:
        with _faults():
            self._make_folder(f"{self._root}/{place.folder}")
            self._write(self._path(place, f".{place.key}.json"), note)

    def _write(self, path: str, content: bytes) -> None:
        """Write a small file; a link of that name is replaced, never written through."""
        if not self._is_local:
            self._system.pipe_file(path, content)
            return
        with _temporary(str(Path(path).parent), Path(path).name) as temporary:
            temporary.write(content)
            temporary.close()
            self._put(temporary.name, path)

    def _path(self, place: Place, name: str) -> str:
        return f"{self._root}/{place.folder}/{name}"

    @cached_property
    def _is_object_store(self) -> bool:
        protocols = self._system.protocol
        names = (protocols,) if isinstance(protocols, str) else protocols
        return not _OBJECT_STORES.keys().isdisjoint(names)

    def _make_folder(self, path: str) -> None:
        if not self._is_object_store:
            self._system.makedirs(path, exist_ok=True)

    def _temporary_of(self, place: Place) -> AbstractContextManager[IO[bytes]]:
        """Open a file in the place's folder or, if that is not here, in a local one."""
        if not self._is_local:
            return _temporary(None, f".{place.key}")
        folder = f"{self._root}/{place.folder}"
        with _faults():
            self._make_folder(folder)
            for left in Path(folder).glob(f".{place.key}.*.part"):
                left.unlink(missing_ok=True)
        return _temporary(folder, f".{place.key}")

    def _put(self, temporary: str, path: str) -> None:
        """Let a file appear at its place, at once and as a whole."""
        if self._is_local:
            Path(temporary).chmod(self._mode)
            Path(temporary).replace(path)
        elif self._is_object_store:
            self._system.put_file(temporary, path)
        else:
            self._system.put_file(temporary, f"{path}.part")
            self._system.mv(f"{path}.part", path)


@contextmanager
def _temporary(folder: str | None, name: str) -> Iterator[IO[bytes]]:
    """Open a file, and remove it in the end unless it has been moved."""
    with _faults():
        temporary = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, or before
            dir=folder, prefix=f"{name}.", suffix=".part", delete=False
        )
    try:
        yield temporary
    finally:
        # If the disk is full, closing fails too: the fault that is under way says more.
        with suppress(OSError):
            temporary.close()
        with suppress(OSError):
            Path(temporary.name).unlink(missing_ok=True)


def safe_name(name: str, fallback: str) -> str:
    """Return a name that does no harm on any file system and resembles the one given.

    Args:
        name: Any name, such as ``../../x``, ``CON`` or ``a/b``.
        fallback: Used if nothing is left.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join(
        "_" if one in '<>:"/\\|?*' or unicodedata.category(one)[0] == "C" else one for one in text
    )
    # Leading dots would hide it or lead out of the folder; Windows drops those at the end.
    text = text.strip(" ").rstrip(". ")
    text = re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), text) or fallback
    if _DEVICES.fullmatch(text.partition(".")[0].rstrip(" ")):
        text = f"_{text}"
    stem, dot, extension = text.rpartition(".")
    if not dot or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = text, "", ""
    room = _LONGEST_NAME - len((dot + extension).encode())
    stem = stem.encode()[:room].decode(errors="ignore")
    return f"{stem}{dot}{extension}".rstrip(". ")


@contextmanager
def _faults(but: type[Exception] = ProcountorError) -> Iterator[None]:
    """Turn any fault but one into a StoreError that says what to do."""
    try:
        yield
    except but:
        raise
    except Exception as error:
        # Each kind of store has exceptions of its own.
        logger.debug("The store of files fails", exc_info=True)
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        msg = (
            f"Files cannot be written to attachment_files_path ({reason}): check that it exists "
            "and is writable, and the credentials for it."
        )
        raise StoreError(msg) from None
