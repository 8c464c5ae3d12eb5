// The list as a table: RFC 4180, with cells that no spreadsheet takes for a formula.

function csvOf(items, withNames) {
  const classNames = Object.keys(items.find((item) => item.row)?.row.probabilities ?? {});
  const heads = classNames.map((name) => `probability_${name}`);
  const lines = [
    [
      ...["number", ...(withNames ? ["file"] : []), "predicted_class", ...heads],
      ...["finding", "verdict", "is_familiar", "error"],
    ],
  ];
  for (const { number, path, row, error } of items) {
    lines.push([
      ...[number, ...(withNames ? [path] : []), row?.predicted_class],
      ...classNames.map((name) => row?.probabilities[name].toPrecision(6)),
      ...[row?.finding, row?.verdict, row?.is_familiar, error],
    ]);
  }
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  const text = value == null ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Saves the table. @param {any[]} items @param {boolean} withNames */
export function saveTable(items, withNames) {
  const link = document.createElement("a");
  // Spreadsheets take a file without this mark for one of their own country's characters.
  const table = ["\ufeff", csvOf(items, withNames)];
  link.href = URL.createObjectURL(new Blob(table, { type: "text/csv" }));
  link.download = "worklist.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
