element.querySelector("button").addEventListener("click", () => {
  // One with an opacity. This button goes when the X-ray is there; that one stays and has the focus.
  const example = document.querySelector('#examples button[aria-label*="pneumonia" i]');
  const any = example ?? document.querySelector("#examples button");
  any.focus({ preventScroll: true });
  any.click();
});
