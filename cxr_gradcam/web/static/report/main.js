// The form of the report: what the reader types, and the panels as they are on the screen.

const FORM = `
  <form method="dialog">
    <h2>Report</h2>
    <p>Title and remark are printed as you type them. Nothing of the patient is added; letters in the X-ray itself stay in it.</p>
    <label>Title <input name="title" maxlength="200" autocomplete="off" /></label>
    <label>Remark <textarea name="remark" maxlength="5000" rows="5"></textarea></label>
    <label>
      As
      <select name="paper">
        <option value="a4">PDF, A4</option>
        <option value="letter">PDF, Letter</option>
        <option value="json">JSON, without pictures</option>
      </select>
    </label>
    <div>
      <button value="cancel" formnovalidate>Cancel</button>
      <button value="make">Save report</button>
    </div>
  </form>`;

// Returns what the server makes a report of, as JSON; "" where the reader cancels.
// widths: of a panel in pixels, by the paper.
export async function askForReport(widths) {
  const form = await filledForm();
  if (!form) return "";
  const { viewer } = document.querySelector("#viewer .viewer");
  const { paper } = form;
  const panels = paper === "json" ? null : await pictures(viewer, widths[paper]);
  return JSON.stringify({ ...form, panels, settings: viewer.settings() });
}

function filledForm() {
  const dialog = document.createElement("dialog");
  dialog.className = "report";
  dialog.setAttribute("aria-label", "Report");
  dialog.innerHTML = FORM;
  document.querySelector(".gradio-container").append(dialog);
  dialog.showModal();
  dialog.querySelector("input").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const filled = Object.fromEntries(new FormData(dialog.querySelector("form")));
      dialog.remove();
      resolve(dialog.returnValue === "make" ? filled : null);
    });
  });
}

async function pictures(viewer, width) {
  const made = await viewer.panelsAsPng(width);
  const encoded = Object.entries(made).map(async ([panel, blob]) => [panel, await base64(blob)]);
  return Object.fromEntries(await Promise.all(encoded));
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1]);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
