// Says what is wrong with how the page stands: run in a browser, it returns one line a fault.
(least) => {
  const NAMED = ".opened"; // a file's name may be longer than any bar
  const SCROLLS = ".rows, .failed-rows, .answer.many, #side, #facts, #card table, dialog, .pop, .panels";
  const SMALL = "input[type=checkbox], input[type=radio], .secondary-wrap input, #facts a, #card a";
  const inOneColumn = innerWidth < 1100 || innerHeight < 560;
  const top =
    [...document.querySelectorAll("dialog[open], :popover-open")].at(-1) ?? document.body;
  const seen = (element) =>
    top.contains(element) &&
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    !element.closest(".unseen, .sr-only, [data-testid=status-tracker]");
  const clips = (element, axis) => getComputedStyle(element)[axis] !== "visible";
  const name = (element) =>
    (element.id ? `#${element.id}` : `${element.tagName.toLowerCase()}.${element.className}`) +
    ` "${(element.getAttribute?.("aria-label") ?? element.textContent).trim().slice(0, 40)}"`;

  // What of a rectangle is left by those that clip it; the first of them that clips it, where it
  // does not scroll.
  function visiblePart(element, { left, top: up, right, bottom }) {
    const part = { left, up, right, bottom };
    let cut = null;
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      const box = each.getBoundingClientRect();
      const scrolls = [style.overflowX, style.overflowY].some((one) => /auto|scroll/.test(one));
      if (clips(each, "overflowX")) {
        if (!scrolls && (left < box.left - 1 || right > box.right + 1)) cut ??= each;
        Object.assign(part, { left: Math.max(part.left, box.left), right: Math.min(part.right, box.right) });
      }
      if (clips(each, "overflowY")) {
        if (!scrolls && (up < box.top - 2 || bottom > box.bottom + 2)) cut ??= each;
        Object.assign(part, { up: Math.max(part.up, box.top), bottom: Math.min(part.bottom, box.bottom) });
      }
      if (scrolls) cut ??= false; // what stands outside can be scrolled to
      if (style.position === "fixed") break;
    }
    return { part, cut };
  }

  function texts() {
    const walker = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      const element = node.parentElement;
      if (!node.data.trim() || !seen(element) || element.closest("select, option, svg, .marks")) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        if (box.width > 1) found.push({ element, ...visiblePart(element, box) });
      }
    }
    return found;
  }

  function textFaults() {
    const all = texts();
    const cut = all.filter(({ element, cut }) => cut && !element.closest(NAMED));
    const shown = all.filter(({ part }) => part.right - part.left > 3 && part.bottom - part.up > 6);
    const over = [];
    shown.forEach((one, at) => {
      for (const other of shown.slice(at + 1)) {
        if (one.element === other.element || layerOf(one.element) !== layerOf(other.element)) continue;
        const across = Math.min(one.part.right, other.part.right) - Math.max(one.part.left, other.part.left);
        const down = Math.min(one.part.bottom, other.part.bottom) - Math.max(one.part.up, other.part.up);
        if (across > 2 && down > 4) over.push(`text over text: ${name(one.element)} and ${name(other.element)}`);
      }
    });
    return [...cut.map(({ element }) => `clipped text: ${name(element)}`), ...over];
  }

  // Messages lie over the page, the footer over the rail's own ground.
  const layerOf = (element) => element.closest(".notice, .slow, footer, .tools") ?? top;

  function scrollFaults() {
    const page = document.scrollingElement;
    const faults = [];
    if (page.scrollWidth > innerWidth) faults.push(`the page scrolls across: ${page.scrollWidth}`);
    if (inOneColumn) return faults;
    if (page.scrollHeight > innerHeight) faults.push(`the page scrolls down: ${page.scrollHeight}`);
    for (const each of document.querySelectorAll("body *")) {
      if (!seen(each) || each.matches(SCROLLS)) continue;
      const { overflowX, overflowY } = getComputedStyle(each);
      const across = /auto|scroll/.test(overflowX) && each.scrollWidth > each.clientWidth + 1;
      const down = /auto|scroll/.test(overflowY) && each.scrollHeight > each.clientHeight + 1;
      if (across || down) faults.push(`a scroll bar: ${name(each)}`);
    }
    return faults;
  }

  function controls() {
    const all = top.querySelectorAll("button, select, input, textarea, summary, a[href]");
    return [...all].filter((each) => seen(each) && !each.disabled && each.getBoundingClientRect().width > 0);
  }

  // The place that a finger hits: a radio button's or a check box's whole label.
  const target = (control) => (control.matches(SMALL) ? control.closest("label, .wrap") ?? control : control);

  function under(hit) {
    const box = hit.getBoundingClientRect();
    return document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  }

  const isHit = (at, hit, control) =>
    at && (hit.contains(at) || (at.contains(control) && at.matches("label, .wrap")));

  function controlFaults() {
    const faults = [];
    for (const control of controls()) {
      const hit = target(control);
      control.closest("figure")?.scrollIntoView({ block: "nearest", inline: "start" }); // swiped
      hit.scrollIntoView({ block: "nearest", inline: "nearest" });
      let at = under(hit);
      if (!isHit(at, hit, control)) {
        hit.scrollIntoView({ block: "center", inline: "nearest" }); // from under a message
        at = under(hit);
      }
      const box = hit.getBoundingClientRect();
      if (!isHit(at, hit, control)) {
        faults.push(`cannot be clicked: ${name(control)}, under ${at && name(at)}`);
      }
      const isLink = control.matches("a[href], #facts *");
      if (!isLink && (box.width < least - 0.5 || box.height < least - 0.5)) {
        faults.push(`smaller than ${least}: ${name(control)} ${box.width.toFixed(0)} x ${box.height.toFixed(0)}`);
      }
    }
    return faults;
  }

  const faults = [...textFaults(), ...scrollFaults(), ...controlFaults()];
  document.querySelector("#layout")?.scrollTo(0, 0);
  scrollTo(0, 0);
  return [...new Set(faults)];
}
