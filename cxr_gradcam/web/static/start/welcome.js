element.querySelector(".drop").addEventListener("click", () => {
  /** @type {HTMLElement} */ (document.querySelector("#upload input")).click();
});
