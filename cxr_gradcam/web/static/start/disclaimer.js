const KEY = "cxr-gradcam.disclaimer";
const section = element.querySelector("section");
const button = element.querySelector("button");

// A browser that keeps nothing, as for pages inside others, asks again next time.
function remembered() {
  try {
    return localStorage.getItem(KEY) === "accepted";
  } catch {
    return false;
  }
}

function show(isAccepted) {
  button.hidden = isAccepted;
  section.classList.toggle("asking", !isAccepted);
}

button.addEventListener("click", () => {
  try {
    localStorage.setItem(KEY, "accepted");
  } catch {
    // asked again next time
  }
  show(true);
  document.querySelector("#upload button")?.focus({ preventScroll: true });
});
show(remembered());
