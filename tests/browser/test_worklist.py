"""Many images in one page, through what a reader does."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from cxr_gradcam.synthetic.chest import draw_phantom
from tests.browser.test_viewer import next_image, pixels_of
from tests.helpers.patience import wait_until

DONE = re.compile(r"^\d+ done")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five films, a broken one, a letter, and what a Mac leaves beside them."""
    folder = tmp_path_factory.mktemp("DOE^JANE")
    (folder / "older" / "__MACOSX").mkdir(parents=True)
    for number in range(5):
        pixels = draw_phantom(number, size=256, opacity=number % 2 == 0).pixels
        place = folder / "older" if number > 2 else folder
        Image.fromarray((pixels * 255).astype(np.uint8)).save(place / f"film {number}.png")
    (folder / "broken.png").write_bytes((folder / "film 0.png").read_bytes()[:500])
    (folder / "letter.txt").write_text("Dear Jane")
    (folder / ".DS_Store").write_text("x")
    (folder / "older" / "__MACOSX" / "film 9.png").write_text("x")
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "films.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(folder.rglob("*")):
            made.write(file, file.relative_to(folder))
    return path


def worklist(page: Page) -> Locator:
    return page.get_by_role("region", name="Worklist")


def rows(page: Page) -> Locator:
    return worklist(page).get_by_role("listitem")


def open_list(page: Page, chosen: Path | list[Path]) -> None:
    field = "#folder" if isinstance(chosen, Path) and chosen.is_dir() else "#upload input"
    page.set_input_files(field, chosen)
    expect(worklist(page).locator(".state")).to_have_text(DONE)


@pytest.fixture(params=["folder", pytest.param("archive", marks=pytest.mark.slow)])
def listed(page: Page, request: pytest.FixtureRequest) -> Page:
    open_list(page, request.getfixturevalue(request.param))
    return page


def test_a_folder_and_an_archive_become_a_list_sorted_by_urgency(listed: Page) -> None:
    expect(rows(listed)).to_have_count(5)  # those that can be looked at
    expect(worklist(listed)).to_contain_text("6 done, 1 failed.")
    expect(worklist(listed)).to_contain_text("1 file that is no picture left out.")
    worklist(listed).get_by_role("button", name="1 failed").click()
    expect(rows(listed).last).to_contain_text("PNG image cannot be decoded")
    order = ["unfamiliar", "likely", "uncertain", "unlikely", "failed"]
    groups = rows(listed).evaluate_all("rows => rows.map(row => row.dataset.group)")
    assert [order.index(group) for group in groups] == sorted(map(order.index, groups))


def test_an_opened_row_shows_its_picture_and_says_which_it_is(page: Page, folder: Path) -> None:
    open_list(page, sorted(folder.glob("film*.png")))
    expect(rows(page)).to_have_count(3)
    page.locator("#viewer .viewer[data-shown]").wait_for()
    numbers = rows(page).locator(".number").all_text_contents()
    current = worklist(page).locator("[aria-current=true] .number")
    at = numbers.index(str(current.text_content()))
    for step in (1, -1) if at < 2 else (-1, 1):
        with next_image(page):
            page.keyboard.press("n" if step > 0 else "p")
        expected = at = at + step
        current = worklist(page).locator("[aria-current=true]")
        expect(current.locator(".number")).to_have_text(numbers[expected])
        film = folder / f"film {int(numbers[expected]) - 1}.png"
        with Image.open(film) as image:
            shown = pixels_of(page, "original")
            np.testing.assert_array_equal(shown[..., 0], np.asarray(image))


def test_of_rows_opened_quickly_the_last_one_stays(page: Page, folder: Path) -> None:
    open_list(page, folder)
    for _ in range(4):
        page.keyboard.press("n")
    number = worklist(page).locator("[aria-current=true] .number").text_content()
    films = [path for path in folder.rglob("*.png") if "__MACOSX" not in path.parts]
    film = sorted(films, key=lambda path: str(path.relative_to(folder)))[int(number or 0) - 1]
    with Image.open(film) as image:
        expected = np.asarray(image)

    def is_shown() -> bool:
        page.locator("#viewer .viewer[data-shown]").wait_for()
        return np.array_equal(pixels_of(page, "original")[..., 0], expected)

    wait_until(is_shown)
    page.wait_for_timeout(1500)  # whatever still comes
    assert is_shown()


def test_a_failed_row_says_why_and_leaves_what_is_open(listed: Page) -> None:
    listed.locator("#viewer .viewer[data-shown]").wait_for()
    current = worklist(listed).locator("[aria-current=true] .number")
    before = str(current.text_content())
    worklist(listed).get_by_role("button", name="1 failed").click()
    rows(listed).last.get_by_role("button").first.click()
    expect(listed.locator(".notice")).to_contain_text("cannot be decoded")
    expect(current).to_have_text(before)
    expect(listed.locator("#answer .shares")).to_be_visible()


def test_a_filter_shows_one_group_and_the_keys_keep_to_it(listed: Page) -> None:
    listed.locator("#viewer .viewer[data-shown]").wait_for()
    chip = worklist(listed).locator(".filters button").last
    name, count = str(chip.text_content()).rsplit(" ", 1)
    chip.click()
    expect(rows(listed)).to_have_count(int(count))
    for _ in range(int(count) + 1):
        listed.keyboard.press("n")
    current = worklist(listed).locator("[aria-current=true]").locator("..")
    expect(current).to_have_attribute("data-group", name.lower())


def test_the_rows_are_one_stop_of_the_tab_key(page: Page, folder: Path) -> None:
    open_list(page, folder)
    page.locator("#viewer .viewer[data-shown]").wait_for()
    buttons = rows(page).locator("button:first-child")
    page.keyboard.press("l")
    expect(buttons.first).to_be_focused()
    expect(buttons.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(buttons.nth(2)).to_be_focused()
    page.keyboard.press("Tab")
    expect(rows(page).nth(2).get_by_role("button", name="as prior")).to_be_focused()
    page.keyboard.press("Tab")
    expect(rows(page).get_by_role("button").and_(page.locator(":focus"))).to_have_count(0)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    expect(buttons.last).to_be_focused()
    page.keyboard.press("Enter")
    expect(buttons.last).to_have_attribute("aria-current", "true")


def test_names_are_shown_only_where_the_reader_asks_and_never_sent(
    page: Page, folder: Path
) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url}{request.post_data_buffer}"))
    open_list(page, folder)
    page.locator("#viewer .viewer[data-shown]").wait_for()
    with next_image(page):
        rows(page).locator("> button:first-child:not([aria-current])").first.click()
    name = worklist(page).get_by_text("film 1.png")
    expect(name).to_be_hidden()
    worklist(page).get_by_role("checkbox", name="File names").check()
    expect(name).to_be_visible()
    assert not [each for each in sent if "film" in each or "JANE" in each]


def test_the_table_holds_every_row_and_no_formula(page: Page, folder: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "=1+1,.png"
    hostile.write_bytes((folder / "film 1.png").read_bytes())
    open_list(page, [folder / "broken.png", hostile])
    plain = saved_table(page)
    worklist(page).get_by_role("checkbox", name="File names").check()
    named = saved_table(page)
    assert "file" not in plain[0]
    assert {row["file"] for row in named} == {"broken.png", "'=1+1,.png"}
    failed, answered = sorted(named, key=lambda row: not row["error"])
    assert "cannot be decoded" in failed["error"]
    shares = float(answered["probability_Normal"]) + float(answered["probability_Pneumonia"])
    assert shares == pytest.approx(1, abs=1e-5)
    assert answered["verdict"] in ("likely", "uncertain", "unlikely")


def saved_table(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        worklist(page).get_by_role("button", name="Save as CSV").click()
    return list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))


def test_the_list_stops_goes_on_and_closes(page: Page, folder: Path) -> None:
    page.route("**/worklist/row*", lambda _: None)  # no answer
    page.set_input_files("#folder", folder)
    expect(worklist(page)).to_contain_text("0 of 7 done")
    worklist(page).get_by_role("button", name="Stop").click()
    expect(worklist(page)).to_contain_text("stopped")
    page.unroute("**/worklist/row*")
    worklist(page).get_by_role("button", name="Continue").click()
    expect(worklist(page).locator(".state")).to_have_text("6 done, 1 failed.")
    worklist(page).get_by_role("button", name="Close list").click()
    expect(worklist(page)).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(worklist(page).locator(".state")).to_have_text("6 done, 1 failed.")
    expect(rows(page)).to_have_count(5)


def test_an_archive_that_would_unpack_to_too_much_is_refused(page: Page, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("film.png", bytes(500_000))
    lying = bomb.read_bytes().replace((500_000).to_bytes(4, "little"), b"\xff\xff\xff\x7f")
    bomb.write_bytes(lying)
    open_list(page, [bomb])
    expect(worklist(page)).to_contain_text("would unpack to 2,147,483,647")
    expect(rows(page)).to_have_count(0)


def test_a_file_that_is_damaged_in_its_archive_or_larger_than_announced_fails(
    page: Page, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.write(folder / "film 0.png", "stored.png")
        made.writestr("longer.png", bytes(500_000), zipfile.ZIP_DEFLATED)
    damaged = bytearray(path.read_bytes().replace((500_000).to_bytes(4, "little"), bytes(4)))
    damaged[200] ^= 1
    path.write_bytes(damaged)
    open_list(page, [path])
    worklist(page).get_by_role("button", name="2 failed").click()
    expect(rows(page).filter(has_text="damaged in its ZIP archive")).to_have_count(2)


def test_a_dropped_folder_is_taken_wherever_it_falls(page: Page, folder: Path) -> None:
    """The browser's own drag cannot be made by a script; its event can."""
    page.evaluate(
        """async films => {
          const transfer = new DataTransfer();
          for (const film of films) {
            const blob = await (await fetch(`data:image/png;base64,${film}`)).blob();
            transfer.items.add(new File([blob], "film.png"));
          }
          const drop = { dataTransfer: transfer, bubbles: true, cancelable: true };
          document.querySelector("#viewer").dispatchEvent(new DragEvent("drop", drop));
        }""",
        [b64encode((folder / f"film {at}.png").read_bytes()).decode() for at in range(2)],
    )
    expect(worklist(page).locator(".state")).to_have_text("2 done.")


def test_a_prior_stands_beside_the_open_xray_until_the_next_one(page: Page, folder: Path) -> None:
    open_list(page, folder)
    with next_image(page):
        rows(page).nth(2).get_by_role("button").first.click()
    rows(page).nth(3).get_by_role("button", name="as prior").click()
    viewer = page.locator("#viewer .viewer[data-second]")
    viewer.wait_for()
    expect(rows(page).nth(3).get_by_role("button", name="as prior")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_role("img", name="Prior, original X-ray")).to_be_visible()
    expect(page.locator("#prior-answer")).to_contain_text("Pneumonia")
    for name in ("Normal", "Pneumonia"):
        page.get_by_role("radio", name=name).check()
        expect(viewer).to_have_attribute("data-second", re.compile(name.lower()))
    page.get_by_role("button", name="Close the prior").click()
    expect(page.locator("figure[data-pane=b]")).to_have_count(0)
    page.set_input_files("#choose-prior", folder / "film 1.png")
    expect(page.locator("figure[data-pane=b]")).to_have_count(3)
    with next_image(page):
        page.keyboard.press("n")
    expect(page.locator("figure[data-pane=b]")).to_have_count(0)
    expect(page.locator("#prior-answer")).to_be_hidden()
