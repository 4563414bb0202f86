// Building elements without markup in strings: every text becomes a text node.

/** The element with the given id. */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element. Attributes whose value is null, undefined or false are left out; functions named
 * `on…` become listeners; `className`, `value` and the like are set as properties.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "className" || name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of the sprite in index.html, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Fill a button with an icon and a label; `keys` is shown in its tooltip. */
export function dress(button, { symbol, label, text, keys, press }) {
  button.replaceChildren(...(symbol ? [icon(symbol)] : []), ...(text ? [text] : []));
  if (!text || text !== label) button.setAttribute("aria-label", label);
  else button.removeAttribute("aria-label");
  button.title = keys ? `${label} (${keys})` : label;
  if (press) button.addEventListener("click", press);
  return button;
}

/** A new button, dressed. */
export function makeButton(className, look) {
  return dress(make("button", { type: "button", className }), look);
}

/** The title of a dialog, which gets the focus when it opens, and the button that closes it. */
export function dialogHead(dialog, title) {
  const id = dialog.getAttribute("aria-labelledby");
  return make(
    "div",
    { className: "dialog-head" },
    make("h2", { id, tabindex: "-1", autofocus: true }, title),
    makeButton("icon-button", { symbol: "close", label: "Close", press: () => dialog.close() }),
  );
}

/** A checkbox, with its label, for a key of the store. */
export function makeCheck(store, key, text) {
  const box = make("input", {
    type: "checkbox",
    onchange: () => store.set({ [key]: box.checked }),
  });
  store.watch([key], (state) => {
    box.checked = state[key];
  });
  return make("label", { className: "check" }, box, text);
}

/** Show another icon and label on a button that is dressed already. */
export function redress(button, symbol, label, keys) {
  const use = button.querySelector("use");
  if (use.getAttribute("href") !== `#i-${symbol}`) use.setAttribute("href", `#i-${symbol}`);
  button.setAttribute("aria-label", label);
  button.title = keys ? `${label} (${keys})` : label;
}

/** Call `task` at most once per animation frame, however often it is asked for. */
export function oncePerFrame(task) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      task();
    });
  };
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
