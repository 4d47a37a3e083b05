"""Look into packed supplementary files without writing anything to disk."""

import gzip
import io
import re
import struct
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath

from ..errors import UserError

MAX_UNPACKED = 4 * 2**30  # bytes, over all members of one file
MAX_RATIO = 250  # unpacked to packed; tables of counts stay far below
RATIO_FREE = 64 * 2**20  # bytes that may be unpacked at any ratio
MAX_MEMBERS = 20_000
MAX_DEPTH = 4

# What a damaged file makes the unpackers raise.
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    struct.error,
)
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"


def unpack(path, wanted=lambda name: True):
    """Yield (name, bytes) for what a file holds; nothing is written to disk.

    A plain or gzipped file gives one pair with the name ''. A tar or zip archive, also in gzip
    and in one another, gives one pair a member, named by its path inside; the bytes are None
    where `wanted(name)` is false. Excel workbooks are zip files too, but are given whole.
    Raises UserError for a damaged or encrypted archive, for a member that is a link, a device
    or outside the archive's folder, and for one that unpacks beyond the limits of this module.
    """
    for name, stream in open_files(path, wanted):
        if stream is None:
            yield name, None
            continue
        size = stream.seek(0, io.SEEK_END) if stream.seekable() else 0
        if size > MAX_UNPACKED:
            raise UserError(f"{path}: {size:,} bytes, more than the {MAX_UNPACKED:,} that are read")
        if size:
            stream.seek(0)
        yield name, stream.read()


def open_files(path, wanted=lambda name: True):
    """Like `unpack`, but yields (name, binary stream): for files too large to be held as bytes.

    A stream can be read until the next one is asked for; reading it raises the errors too.
    """
    with open(path, "rb") as stream:
        yield from _leaves(stream, "", _Room(path), wanted)


class _Room:
    """What may still be unpacked from one file."""

    def __init__(self, path):
        self.path, self.left, self.members = path, MAX_UNPACKED, MAX_MEMBERS

    def limit(self, packed):
        return min(self.left, max(RATIO_FREE, MAX_RATIO * packed))

    def take(self, name, size, packed):
        if size > self.limit(packed):
            raise self.error(
                name,
                f"{packed:,} bytes unpack to more than {self.limit(packed):,}; not read",
            )
        self.left -= size

    def error(self, name, text):
        inside = f": member {name!r}" if name else ""
        return UserError(f"{self.path}{inside}: {text}")


def _leaves(stream, name, room, wanted, depth=0):
    start = stream.read(512)
    stream.seek(0)
    if depth + (start[:2] == GZIP) > MAX_DEPTH:
        raise room.error(name, f"more than {MAX_DEPTH} archives inside one another; not read")
    if start[:2] == GZIP:
        unpacked = io.BufferedReader(_Gunzip(stream, name, room), 2**17)
        inner = unpacked.peek(512)
        if inner[:2] == GZIP or _is_archive(inner):
            unpacked = io.BytesIO(unpacked.read())
            yield from _leaves(unpacked, name, room, wanted, depth + 1)
        else:
            yield name, unpacked
    elif _is_archive(start):
        reader = _zip_members if start[:4] == ZIP else _tar_members
        try:
            yield from reader(stream, name, room, wanted, depth)
        except DAMAGED as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise room.error(name, f"the archive is damaged or cut off ({reason})") from None
    else:
        yield name, stream


def _is_archive(start):
    return start[:4] == ZIP or start[257:262] == b"ustar"


class _Gunzip(io.RawIOBase):
    """The unpacked bytes of a gzip stream, up to the limits; errors name the file."""

    def __init__(self, stream, name, room):
        self.packed = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        self.inner, self.name, self.room = gzip.GzipFile(fileobj=stream), name, room
        self.limit, self.count = room.limit(self.packed), 0

    def readable(self):
        return True

    def readinto(self, buffer):
        raw = self._read(len(buffer))
        buffer[: len(raw)] = raw
        return len(raw)

    def readall(self):
        return self._read(self.limit - self.count + 1)

    def _read(self, size):
        try:
            raw = self.inner.read(size)
        except (zlib.error, EOFError, OSError) as error:
            raise self.room.error(
                self.name, f"the gzip data are damaged or cut off ({error})"
            ) from None
        self.count += len(raw)
        if self.count > self.limit:
            raise self.room.error(
                self.name,
                f"{self.packed:,} bytes unpack to more than {self.limit:,}; not read",
            )
        self.room.left -= len(raw)
        return raw


def _tar_members(stream, name, room, wanted, depth):
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        end = 0
        for member in tar:
            inner = _inner(member.name, name, room)
            if member.isdir():
                end = member.offset_data
                continue
            if not member.isreg() or member.issparse():
                kind = "link" if member.islnk() or member.issym() else "special file"
                raise room.error(inner, f"a {kind}; the archive is not read")
            end = member.offset_data + -(-member.size // 512) * 512
            if end > size:
                raise EOFError(f"{inner} is incomplete")
            if not wanted(inner):
                yield inner, None
                continue
            room.take(inner, member.size, size)
            yield from _leaves(tar.extractfile(member), inner, room, wanted, depth + 1)
    # A tar that was cut between two members looks whole but for its end of zeros.
    stream.seek(end)
    if stream.read(512) != bytes(512):
        raise EOFError("its end is missing")


def _zip_members(stream, name, room, wanted, depth):
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        if "[Content_Types].xml" in names:  # an Office document, for example an Excel workbook
            for info in archive.infolist():
                room.take(name, info.file_size, size)
            stream.seek(0)
            yield name, stream
            return
        for info in archive.infolist():
            inner = _inner(info.filename, name, room)
            if info.is_dir():
                continue
            kind = (info.external_attr >> 16) & 0o170000
            if info.create_system == 3 and kind not in (0, 0o100000):
                raise room.error(inner, "a link or special file; the archive is not read")
            if info.flag_bits & 1:
                raise room.error(inner, "encrypted; unpack it by hand")
            if not wanted(inner):
                yield inner, None
                continue
            room.take(inner, info.file_size, size)
            raw = archive.read(info)
            yield from _leaves(io.BytesIO(raw), inner, room, wanted, depth + 1)


def _inner(member, outer, room):
    """The member's path below the archives around it, refused where it points elsewhere."""
    room.members -= 1
    if room.members < 0:
        raise room.error(outer, f"more than {MAX_MEMBERS:,} members; not read")
    parts = PurePosixPath(member.replace("\\", "/")).parts
    if member.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", member):
        raise room.error(member, "points outside the archive; the archive is not read")
    return str(PurePosixPath(outer, *parts))
