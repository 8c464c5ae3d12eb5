// The list as a table: RFC 4180, with cells that no spreadsheet takes for a formula.

export function csvOf(items, withNames) {
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
