element.querySelector(".drop").addEventListener("click", () => {
  document.querySelector("#upload input").click();
});
