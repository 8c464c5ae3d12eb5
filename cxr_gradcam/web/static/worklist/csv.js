// The list as a table: RFC 4180, with cells that no spreadsheet takes for a formula.

/**
 * Writes the rows.
 * @param {any[]} items of the list
 * @param {string[]} columns as records.py names them; one that ends in "_" stands for one per class
 */
export function csvOf(items, columns) {
  const classNames = Object.keys(items.find((item) => item.row)?.row.probabilities ?? {});
  const heads = columns.flatMap((column) =>
    column.endsWith("_") ? classNames.map((name) => column + name) : [column],
  );
  const lines = items.map(({ number, path, row, error }) => {
    const flat = { ...row, number, error, file: path };
    return columns.flatMap((column) =>
      column.endsWith("_")
        ? classNames.map((name) => row?.probabilities[name].toPrecision(6))
        : [flat[column]],
    );
  });
  return [heads, ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  const text = value == null ? "" : String(value);
  const safe = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * Saves the table.
 * @param {any[]} items
 * @param {string[]} columns
 * @param {boolean} withNames
 */
export function saveTable(items, columns, withNames) {
  const link = document.createElement("a");
  // Spreadsheets take a file without this mark for one of their own country's characters.
  const table = ["\ufeff", csvOf(items, columns.filter((column) => withNames || column !== "file"))];
  link.href = URL.createObjectURL(new Blob(table, { type: "text/csv" }));
  link.download = "worklist.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
