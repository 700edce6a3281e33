"""Where downloaded files are kept: a folder, or a place that fsspec knows (s3, gs, az …).

Beside each file lies a note of what it is, ``.<key>.json``. The note comes first and the file,
under its own name, last and at once: a file that is there with its note is complete, and is never
asked for again, whatever becomes of the state.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
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

    from tap_procountor.api.multipart import FileAnswer

#: Stores without folders, in which a file appears when its upload is complete.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
#: The extras that bring what is needed for a store.
_EXTRAS = {
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
    """Files cannot be written where they should be."""


class TooLargeError(ProcountorError):
    """A file is larger than wanted."""


class Place(NamedTuple):
    """Where a file belongs.

    Attributes:
        folder: Its folder below the root, such as ``10001/attachments/5``.
        key: What tells the files of a folder apart, such as the page of a picture.
    """

    folder: str
    key: str


class StoredFile(msgspec.Struct):
    """A file that is complete at its place.

    Attributes:
        name: Its name there.
        size: Its bytes.
        sha256: Their digest.
        downloaded_at: When it came, RFC 3339.
        mime_type: The type that came with it.
        metadata: What the API says about it.
    """

    name: str
    size: int
    sha256: str
    downloaded_at: str
    mime_type: str | None = None
    metadata: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(StoredFile, float_hook=Decimal)


class FileStore:
    """Keeps files and finds those that are there.

    Args:
        root: A folder or a URL that fsspec understands.

    Raises:
        ConfigurationError: If there is no such kind of place, or its package is missing.
    """

    def __init__(self, root: str) -> None:
        import fsspec  # noqa: PLC0415 - only runs with files need it
        from fsspec.implementations.local import LocalFileSystem  # noqa: PLC0415

        scheme, is_url, _ = root.partition("://")
        try:
            fsspec.get_filesystem_class(scheme if is_url else "file")
        except (ImportError, ValueError):
            extra = _EXTRAS.get(scheme)
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
        """Make sure that files can be written.

        Raises:
            StoreError: If not.
        """
        with _faults():
            self._make_folder(self._root)
            # It stays: deleting may not be allowed.
            self._write(f"{self._root}/.tap-procountor", b"")

    def find(self, place: Place) -> StoredFile | None:
        """Return the file of a place if it is there, as a whole."""
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
        """Write a file that arrives.

        Args:
            place: Where it belongs.
            answer: The file.
            name: Its name; by default the one that the answer gives it.
            largest: The most bytes wanted.

        Raises:
            TooLargeError: If it has more.
            StoreError: If it cannot be written.
            ProcountorError: If it does not arrive.
        """
        with self._temporary(place) as temporary:
            digest = sha256()
            size = 0
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
        """Return the path or the URL of a file, without secrets."""
        path = self._path(place, file.name)
        return str(self._system.unstrip_protocol(path)) if self._is_url else path

    def note(self, place: Place) -> bytes | None:
        """Return the note of a place, or None."""
        try:
            with _faults(but=FileNotFoundError):
                note: bytes = self._system.cat_file(self._path(place, f".{place.key}.json"))
        except FileNotFoundError:
            return None
        return note

    def write_note(self, place: Place, note: bytes) -> None:
        """Write the note of a place."""
        with _faults():
            self._make_folder(f"{self._root}/{place.folder}")
            self._write(self._path(place, f".{place.key}.json"), note)

    def _write(self, path: str, content: bytes) -> None:
        """Write a small file; a link of that name is replaced, never written through."""
        if not self._is_local:
            self._system.pipe_file(path, content)
            return
        with tempfile.NamedTemporaryFile(
            dir=Path(path).parent, prefix=f"{Path(path).stem}.", suffix=".part", delete=False
        ) as temporary:
            try:
                temporary.write(content)
                temporary.close()
                self._put(temporary.name, path)
            except BaseException:
                Path(temporary.name).unlink(missing_ok=True)
                raise

    def _path(self, place: Place, name: str) -> str:
        return f"{self._root}/{place.folder}/{name}"

    @cached_property
    def _is_object_store(self) -> bool:
        protocols = self._system.protocol
        return not _OBJECT_STORES.isdisjoint(
            (protocols,) if isinstance(protocols, str) else protocols
        )

    def _make_folder(self, path: str) -> None:
        if not self._is_object_store:
            self._system.makedirs(path, exist_ok=True)

    @contextmanager
    def _temporary(self, place: Place) -> Iterator[IO[bytes]]:
        """Open a file in the place's folder or, if that is not here, in a local one."""
        folder = f"{self._root}/{place.folder}" if self._is_local else None
        with _faults():
            if folder:
                self._make_folder(folder)
                for left in Path(folder).glob(f".{place.key}.*.part"):
                    left.unlink(missing_ok=True)
            temporary = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, or before
                dir=folder, prefix=f".{place.key}.", suffix=".part", delete=False
            )
        try:
            yield temporary
        finally:
            # If the disk is full, closing fails too: the fault that is under way says more.
            with suppress(OSError):
                temporary.close()
            with suppress(OSError):
                Path(temporary.name).unlink(missing_ok=True)

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


class Quota:
    """How many files a run may still ask for; counted from several threads.

    Args:
        most: The limit; None is none.
    """

    def __init__(self, most: int | None) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        with self._lock:
            if self._left is None:
                return True
            self._left -= 1
            return self._left >= 0


def safe_name(name: str, fallback: str) -> str:
    """Return a name that does no harm on any file system and resembles the one given.

    Args:
        name: Whatever somebody has called a file, such as ``../../x``, ``CON`` or ``a/b``.
        fallback: The name if nothing is left.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join("_" if _is_harmful(character) else character for character in text)
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


def _is_harmful(character: str) -> bool:
    return character in '<>:"/\\|?*' or unicodedata.category(character)[0] == "C"


@contextmanager
def _faults(but: type[Exception] = ProcountorError) -> Iterator[None]:
    """Say in a sentence why files cannot be read or written.

    Args:
        but: What is left to the caller.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        # Every kind of store has exceptions of its own.
        logger.debug("The store of files fails", exc_info=True)
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        msg = (
            f"Files cannot be kept at the place that attachment_files_path names ({reason}): check "
            "that it exists and may be written to, and the credentials for it."
        )
        raise StoreError(msg) from None
