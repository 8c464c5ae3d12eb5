// An X-ray pasted anywhere on the page goes the way of a dropped one, through the upload field.
() => {
  document.addEventListener("paste", (event) => {
    /** @type {HTMLInputElement | null} */
    const field = document.querySelector("#upload input[type=file]");
    if (!field || !event.clipboardData?.files.length) return;
    field.files = event.clipboardData.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
};
