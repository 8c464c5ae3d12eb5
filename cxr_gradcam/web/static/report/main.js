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
      <button value="make" class="primary">Save report</button>
    </div>
  </form>`;

// Returns what the server makes a report of, as JSON; "" where the reader cancels.
// widths: of a panel in pixels, by the paper. longest: the most letters that the server takes.
export async function askForReport(widths, longest) {
  const form = await filledForm();
  if (!form) return "";
  const { viewer } = document.querySelector("#viewer .viewer");
  return fittingReport(viewer, form, widths[form.paper], longest);
}

// Panels full of noise are made smaller until the server takes them.
export async function fittingReport(viewer, form, width, longest) {
  const panels = width ? await pictures(viewer, width) : null;
  const report = JSON.stringify({ ...form, panels, settings: viewer.settings() });
  if (!panels || report.length <= longest) return report;
  return fittingReport(viewer, form, Math.floor(0.8 * width), longest);
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
  const made = await viewer.drawing.panelsAsPng(width);
  const encoded = Object.entries(made).map(async ([panel, blob]) => [panel, await base64(blob)]);
  return Object.fromEntries(await Promise.all(encoded));
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1]);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
