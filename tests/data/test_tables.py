"""Tables of reads: what they say of which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_gradcam.data.tables import Read, load_patients, load_reads, read_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "reads.csv"
    path.write_text(
        "image,age,view,read\n"
        "NORMAL/a.png,42,PA,normal\n"
        "NORMAL/b.png,,ap,Lung Opacity\n"
        'PNEUMONIA/c.png,39.0,PA,"no lung opacity, not normal"\n'
        "PNEUMONIA/d.png,60,,\n"
    )
    return path


def test_rows_belong_to_the_files_of_the_table_s_folder(table: Path) -> None:
    reads = load_reads([table])
    found = [
        read_of(table.parent / name, reads)
        for name in ("NORMAL/a.png", "NORMAL/b.png", "PNEUMONIA/c.png", "PNEUMONIA/d.png")
    ]
    assert [read.finding for read in found] == [False, True, None, None]
    assert [read.age_group for read in found] == ["40 to 59", "", "under 40", "60 and older"]
    assert [read.view for read in found] == ["PA", "AP", "PA", ""]
    assert read_of(table.parent / "NORMAL" / "other.png", reads) == Read()
    assert read_of(table.parent / "elsewhere" / "NORMAL" / "a.png", reads) == Read()


def test_links_are_followed(table: Path, tmp_path: Path) -> None:
    (table.parent / "NORMAL").mkdir()
    (table.parent / "NORMAL" / "a.png").touch()
    (tmp_path / "chosen" / "normal").mkdir(parents=True)
    link = tmp_path / "chosen" / "normal" / "link.png"
    link.symlink_to(table.parent / "NORMAL" / "a.png")
    assert read_of(link, load_reads([table])).finding is False


def test_a_table_without_reads_leaves_the_class_to_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text("image,age,view\na.png,70,AP\n")
    read = read_of(tmp_path / "NORMAL" / "a.png", load_reads([path]))
    assert (read.words, read.finding, read.view, read.age) == (None, None, "AP", 70)


@pytest.mark.parametrize(
    ("text", "message"),
    [("file,read\na.png,normal\n", "column image"), ("image,age\na.png,old\n", "line 2 .* age")],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_reads([path])


def test_patients_are_read_from_their_column(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("patient\n00000057\n00000179\n")
    assert load_patients(path) == {"00000057", "00000179"}
    path.write_text("name\nx\n")
    with pytest.raises(ValueError, match="column patient"):
        load_patients(path)


def test_a_table_in_another_encoding_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_bytes("patient\nM\u00fcller\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"patients\.csv is no CSV file in UTF-8 .*save it as"):
        load_patients(path)
