// All shortcuts, straight from the table that the keyboard uses.

import { byId, dialogHead, dress, make } from "./dom.js";

const POINTER = [
  ["Left click", "Add to the selected object"],
  ["Right click, Alt + click", "Take away from it"],
  ["Drag", "Box (with brush or eraser: paint)"],
  ["Ctrl + click on a mask", "Select that object"],
  ["Wheel, pinch", "Zoom"],
  ["Space + drag, middle button, two fingers", "Move the frame"],
  ["Wheel on the timeline", "Zoom the timeline; with Shift, move it"],
];

function section(title, rows, tag = "kbd") {
  return make(
    "section",
    {},
    make("h3", {}, title),
    make(
      "dl",
      { className: "keys" },
      ...rows.map(([keys, label]) =>
        make(
          "div",
          {},
          make("dt", {}, ...keys.map((key) => make(tag, {}, key))),
          make("dd", {}, label),
        ),
      ),
    ),
  );
}

export function showHelp(bindings) {
  const dialog = byId("help-dialog");
  const groups = new Map();
  for (const { group, shown, label } of bindings) {
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push([shown, label]);
  }
  dialog.append(
    dialogHead(dialog, "Keyboard and mouse"),
    make(
      "div",
      { className: "help-body", tabindex: "0", role: "region", "aria-labelledby": "help-title" },
      ...[...groups].map(([title, rows]) => section(title, rows)),
      section("Mouse and touch", POINTER.map(([what, label]) => [[what], label]), "span"),
    ),
  );
  const open = () => {
    if (!dialog.open) dialog.showModal();
  };
  dress(byId("help-button"), { symbol: "help", label: "Shortcuts", keys: "?", press: open });
  return open;
}
