import assert from "node:assert/strict";
import { test } from "node:test";

import { csvOf } from "../../cxr_gradcam/web/static/worklist/csv.js";

const row = { verdict: "likely", probabilities: { Normal: 0.25, Pneumonia: 0.75 } };

test("a column that ends in _ stands for one of each class", () => {
  const items = [{ number: 1, path: "a.png", row }];
  const table = csvOf(items, ["number", "file", "verdict", "probability_"]);
  assert.equal(
    table,
    "number,file,verdict,probability_Normal,probability_Pneumonia\r\n" +
      "1,a.png,likely,0.250000,0.750000\r\n",
  );
});

test("a file that failed has empty cells for what is not known", () => {
  const items = [
    { number: 1, path: "a.png", row },
    { number: 2, path: "b.png", error: "cannot be read" },
  ];
  const lines = csvOf(items, ["file", "verdict", "probability_", "error"]).split("\r\n");
  assert.equal(lines[2], "b.png,,,,cannot be read");
});

test("commas, quotes and line breaks are quoted", () => {
  const path = 'a "b", c\n.png';
  assert.equal(csvOf([{ path }], ["file"]), 'file\r\n"a ""b"", c\n.png"\r\n');
});

for (const sign of ["=", "+", "-", "@", "\t", "\r"]) {
  test(`a name that begins with ${JSON.stringify(sign)} is no formula`, () => {
    const [, line] = csvOf([{ path: `${sign}1+1` }], ["file"]).split(/\r\n/);
    assert.match(line, /^"?'/);
  });
}
