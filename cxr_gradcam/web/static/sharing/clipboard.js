// Copies a text; false where the browser refuses, as a page without TLS or inside another may be.
export async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyFrom(field);
  }
}

// The way of old browsers: what is selected in a field.
function copyFrom(field) {
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  }
}
