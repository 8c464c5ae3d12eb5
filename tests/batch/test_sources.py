"""Which files are meant by names, and which ZIP archives are refused."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from cxr_gradcam.batch.archives import is_archive, members
from cxr_gradcam.batch.sources import Source, find_sources, listed
from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def make_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, name)
    return path


def found(*names: object) -> list[str]:
    return [source.place.as_posix() for source in find_sources(map(str, names))]


def test_a_folder_is_all_that_it_holds_but_hidden_and_system_files(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a.dcm", "sub/1.2.840", ".hidden.png", ".git/x.png", "Thumbs.db")
    make(tmp_path, "__MACOSX/y.png", "DICOMDIR", "~$open.png", "sub/desktop.ini")
    assert found(tmp_path) == ["a.dcm", "b.png", "sub/1.2.840"]


def test_what_is_named_is_meant_even_hidden_or_missing(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.png")
    assert found(tmp_path / ".hidden.png", tmp_path / "gone.png") == [".hidden.png", "gone.png"]


def test_a_pattern_is_what_matches_it_unless_a_file_has_that_name(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "2.png", "sub/3.png", "[1].png")
    assert found(tmp_path / "?.png") == ["1.png", "2.png"]
    assert found(tmp_path / "**" / "3.png") == ["3.png"]
    assert found(tmp_path / "[1].png") == ["[1].png"]
    assert found(tmp_path / "*.tif") == ["*.tif"]  # and cannot be read


def test_a_file_that_is_named_twice_is_one(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png")
    assert found(tmp_path / "b.png", tmp_path) == ["b.png", "a.png"]


def test_an_archive_is_the_files_in_it(tmp_path: Path) -> None:
    archive = make_zip(
        tmp_path / "films.zip", "x/2.png", "1.png", "__MACOSX/._1.png", "x/.DS_Store"
    )
    sources = find_sources([archive])
    assert [source.name for source in sources] == [f"{archive}/1.png", f"{archive}/x/2.png"]
    assert [source.read() for source in sources] == [b"1.png", b"x/2.png"]


def test_a_changed_archive_is_read_anew(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "films.zip", "1.png")
    find_sources([archive])
    make_zip(archive, "2.png")
    os.utime(archive, (1, 1))
    assert found(archive) == ["2.png"]


def test_members_stay_below_the_output_folder(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "films.zip", "../../up.png", "/etc/root.png", "a/./b/../c.png")
    assert found(archive) == ["up.png", "etc/root.png", "a/b/c.png"]


def test_links_in_an_archive_are_no_files(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert found(tmp_path / "films.zip") == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"])
def test_a_broken_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "films.zip").write_bytes(content)
    (source,) = find_sources([tmp_path / "films.zip"])
    with pytest.raises(RadiographError, match="cannot be opened"):
        source.read()


def refused(archive: Path) -> str:
    (source,) = find_sources([archive])
    with pytest.raises(RadiographError) as caught:
        source.read()
    return str(caught.value)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    deflated = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", deflated) as archive, archive.open("0.png", "w") as file:
        for _ in range(MAX_BYTES // 10**7 + 1):
            file.write(bytes(10**7))
    assert "no archive of radiographs" in refused(path)


def test_files_that_overlap_are_a_bomb(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "bomb.zip", *(f"{number:03}{'x' * 99}.png" for number in range(9)))
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    data = bytearray(path.read_bytes())
    for info in infos:  # the directory lets each claim more bytes of the file than it has
        at = data.rindex(info.filename.encode()) - 46
        data[at + 20 : at + 24] = (len(data) // 2).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    assert "no archive of radiographs" in refused(path)


def test_a_member_that_is_encrypted_or_rarely_compressed_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("1.png", "1")
    assert "only Deflate" in refused(tmp_path / "a.zip")
    path = make_zip(tmp_path / "b.zip", "1.png")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    assert "encrypted" in refused(path)


def test_a_damaged_member_does_not_spoil_the_others(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "films.zip", "1.png", "2.png")
    data = bytearray(path.read_bytes())
    data[data.index(b"1.png") + 6] ^= 0xFF
    path.write_bytes(bytes(data))
    first, second = find_sources([path])
    with pytest.raises(RadiographError, match="damaged in its ZIP"):
        first.read()
    assert second.read() == b"2.png"


def test_a_list_has_one_name_a_line() -> None:
    assert listed(["a.png\n", "\n", "b c.png \r\n", "d.png"]) == ["a.png", "b c.png ", "d.png"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Müller 日本.png", "Müller 日本.png"),
        ("two\nlines\t.png", "two\\nlines\\t.png"),
        ("not \udcff Unicode.png", "not \\udcff Unicode.png"),
    ],
)
def test_a_name_is_one_line_of_unicode(path: str, name: str) -> None:
    assert Source(path, Path(path)).name == name


def test_a_uri_is_a_file_or_the_folder_that_it_names(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    make(tmp_path, "a b.png", "sub/c%20d.dcm", ".hidden.png", "e.txt")
    folder = tmp_path.as_uri()
    sources = find_sources([folder])
    assert [source.name for source in sources] == [
        f"{folder}/a b.png",
        f"{folder}/e.txt",
        f"{folder}/sub/c%20d.dcm",
    ]
    assert [source.place.as_posix() for source in sources] == ["a b.png", "e.txt", "sub/c%20d.dcm"]
    assert [source.named for source in sources] == [True, False, True]
    assert sources[2].read() == b"sub/c%20d.dcm"
    (alone,) = find_sources([f"{folder}/a b.png"])
    assert (alone.name, alone.read()) == (f"{folder}/a b.png", b"a b.png")
    (missing,) = find_sources([f"{folder}/gone.png"])
    with pytest.raises(RadiographError, match="cannot be read"):
        missing.read()


def test_what_pyarrow_does_not_know_fsspec_may() -> None:
    pytest.importorskip("pyarrow")
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/bucket/films/1.png", b"one")
    (source,) = find_sources(["memory://bucket/films"])
    assert (source.name, source.read()) == ("memory://bucket/films/1.png", b"one")
    with pytest.raises(ValueError, match="nowhere://a/b cannot be reached"):
        find_sources(["nowhere://a/b"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("use", [is_archive, members])
def test_a_pipe_that_takes_the_place_of_an_archive_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object]
) -> None:
    path = make_zip(tmp_path / "a.zip", "a.png")
    before = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda *_args, **_options: before)
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(use(path))
        except RadiographError as error:
            answers.append(str(error))

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(30)
    assert answers in (
        [False],
        ["The path leads to a named pipe, not to a file. Choose a file with a radiograph."],
    )
