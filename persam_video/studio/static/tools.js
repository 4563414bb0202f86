// The column of tools beside the frame: what a click means, brush size, zoom, compare.

import { byId, clamp, make, makeButton, redress } from "./dom.js";

const TOOLS = [
  ["point", "Points and boxes", "C"],
  ["box", "Box", "X"],
  ["brush", "Brush", "D"],
  ["eraser", "Eraser", "E"],
  ["pan", "Move the frame", "W"],
];
const MOST_RADIUS = 200;

export function setTool(store, tool) {
  store.set({ tool });
}

/** Make brush and eraser larger or smaller by a factor. */
export function changeRadius(store, factor) {
  const { radius } = store.state;
  const next = factor > 1 ? Math.max(radius + 1, radius * factor) : Math.min(radius - 1, radius * factor);
  store.set({ radius: clamp(Math.round(next), 1, MOST_RADIUS) });
}

export function showTools(controller, stage) {
  const { store } = controller;
  const bar = byId("tools");
  const buttons = TOOLS.map(([tool, label, keys]) => {
    const button = makeButton("tool", {
      symbol: tool,
      label,
      keys,
      press: () => setTool(store, tool),
    });
    button.dataset.tool = tool;
    return button;
  });
  const add = makeButton("tool add", {
    symbol: "plus",
    label: "Add to the object",
    keys: "Q",
    press: () => store.set({ positive: true }),
  });
  const away = makeButton("tool away", {
    symbol: "minus",
    label: "Take away from the object",
    keys: "Q; right click or Alt",
    press: () => store.set({ positive: false }),
  });
  const size = make("input", {
    type: "range",
    min: "1",
    max: "100",
    className: "size",
    "aria-label": "Size of brush and eraser, in pixels of the frame",
    oninput: (event) => store.set({ radius: Number(event.target.value) }),
  });
  const sizeText = make("output", { className: "size-text" });
  const sizeBox = make("div", { className: "size-box" }, sizeText, size);
  const compare = makeButton("tool", {
    symbol: "compare",
    label: "Compare with the masks before the last change",
    keys: "hold B",
    press: () => controller.compare(!store.state.before),
  });
  const hide = makeButton("tool", {
    symbol: "eye",
    label: "Hide all masks",
    keys: "H",
    press: () => store.set({ hidden: !store.state.hidden }),
  });
  const rule = () => make("hr", { className: "tool-rule" });
  bar.append(
    ...buttons,
    rule(),
    make("div", { className: "tool-pair", role: "group", "aria-label": "What a click does" }, add, away),
    sizeBox,
    rule(),
    makeButton("tool zoom", { symbol: "zoom-in", label: "Zoom in", keys: "+", press: () => stage.zoom(1.4) }),
    makeButton("tool zoom", { symbol: "zoom-out", label: "Zoom out", keys: "−", press: () => stage.zoom(1 / 1.4) }),
    makeButton("tool", { symbol: "fit", label: "Show the whole frame", keys: "0", press: () => stage.fit() }),
    rule(),
    hide,
    compare,
  );
  store.watch(["tool", "positive", "radius", "hidden", "before"], (state) => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.tool === state.tool);
    add.setAttribute("aria-pressed", state.positive);
    away.setAttribute("aria-pressed", !state.positive);
    const brushing = state.tool === "brush" || state.tool === "eraser";
    add.parentElement.hidden = state.tool !== "point";
    sizeBox.hidden = !brushing;
    size.value = String(Math.min(state.radius, 100));
    sizeText.textContent = `${state.radius} px`;
    hide.setAttribute("aria-pressed", state.hidden);
    redress(hide, state.hidden ? "eye-off" : "eye", "Hide all masks", "H");
    compare.setAttribute("aria-pressed", state.before);
  });
}
