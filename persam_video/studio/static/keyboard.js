// One table of shortcuts: it answers the keys and fills the help.

import { changeRadius, setTool } from "./tools.js";
import { confirmDelete } from "./objects.js";

const FAR = 10;

/**
 * The bindings. `keys` are matched against `KeyboardEvent.key` (letters in lower case), with
 * "ctrl+" and "shift+" before them; `shown` is what the help says.
 */
export function makeBindings({ controller, stage, openDialog, exportDialog, theme }) {
  const { store } = controller;
  const bind = (group, shown, label, keys, run, more = {}) => ({ group, shown, label, keys, run, ...more });
  return [
    bind("Frames", ["←", "→"], "One frame back, on", ["arrowleft"], () => controller.step(-1)),
    bind("Frames", [",", "."], "The same, also while the crosshair is out", [","], () => controller.step(-1)),
    bind("Frames", ["Shift ←", "Shift →"], "Ten frames back, on", ["shift+arrowleft"], () => controller.step(-FAR)),
    bind("Frames", ["Home", "End"], "First, last frame", ["home"], () => controller.goTo(0)),
    bind("Frames", ["Space"], "Play, stop", [" "], () => controller.togglePlay(), { onRelease: true }),
    bind("Frames", ["Page Up", "Page Down"], "Previous, next annotated frame", ["pageup"], () =>
      controller.goToAnnotated(-1)),
    bind("Frames", ["I", "O"], "Mark in, mark out", ["i"], () => controller.setMark("in")),
    bind("Frames", ["Shift I"], "Clear the marks", ["shift+i"], () => controller.clearMarks()),
    bind("Pointing", ["C", "X", "D", "E", "W"], "Points, box, brush, eraser, move", ["c"], () => setTool(store, "point")),
    bind("Pointing", ["Q"], "Clicks add or take away", ["q"], () => store.set({ positive: !store.state.positive })),
    bind("Pointing", ["[", "]"], "Smaller, larger brush", ["["], () => changeRadius(store, 1 / 1.2)),
    bind("Pointing", ["Ctrl Z", "U"], "Undo", ["ctrl+z", "u"], () => controller.undo()),
    bind("Pointing", ["Ctrl Shift Z", "Ctrl Y", "Shift U"], "Redo", ["ctrl+shift+z", "ctrl+y", "shift+u"], () =>
      controller.redo()),
    bind("Pointing", ["Shift Delete"], "Take back this object's clicks on this frame", ["shift+delete"], () =>
      controller.clearFrame()),
    bind("Pointing without a mouse", ["J"], "Crosshair on the frame", ["j"], () => stage.focus()),
    bind("Pointing without a mouse", ["← ↑ → ↓"], "Move the crosshair; with Shift, ten times as far", [], null),
    bind("Pointing without a mouse", ["Enter"], "Add here; box: a corner; brush: pen down and up", [], null),
    bind("Pointing without a mouse", ["Backspace"], "Take away here", [], null),
    bind("Pointing without a mouse", ["Escape"], "Drop what is begun, then leave the frame", [], null),
    bind("Objects", ["1", "…", "9"], "Select an object", [], null),
    bind("Objects", ["A"], "New object", ["a"], () => controller.newObject()),
    bind("Objects", ["V"], "Hide or show the selected object", ["v"], () =>
      controller.toggleVisible(store.state.objectId)),
    bind("Objects", ["F2"], "Rename it (on its name in the list)", [], null),
    bind("Objects", ["Delete"], "Delete it", ["delete"], () => {
      if (store.state.objectId !== null) confirmDelete(controller, store.state.objectId);
    }),
    bind("Tracking", ["T"], "Track on from here", ["t"], () => controller.track("forward")),
    bind("Tracking", ["Shift T"], "Track backwards from here", ["shift+t"], () => controller.track("backward")),
    bind("Tracking", ["Y"], "Track both ways", ["y"], () => controller.track("both")),
    bind("Tracking", ["R"], "Track between the marks", ["r"], () => controller.trackBetweenMarks()),
    bind("Tracking", ["P", "K"], "Pause or go on, stop", ["p"], () => controller.togglePause()),
    bind("Review", ["N", "Shift N"], "Next, previous frame to review", ["n"], () => controller.nextReview()),
    bind("Review", ["M"], "Accept this frame", ["m"], () => controller.accept()),
    bind("Review", ["B"], "Hold: the masks before the last change", ["b"], () => controller.compare(true), {
      release: () => controller.compare(false),
    }),
    bind("Review", ["H"], "Hide or show all masks", ["h"], () => store.set({ hidden: !store.state.hidden })),
    bind("View", ["+", "−"], "Zoom in, out", ["+", "="], () => stage.zoom(1.25)),
    bind("View", ["0"], "Show the whole frame", ["0"], () => stage.fit()),
    bind("View", ["L"], "Light, dark or as the system", ["l"], () => theme.next()),
    bind("View", ["Ctrl O"], "Open", ["ctrl+o"], () => openDialog.show()),
    bind("View", ["Ctrl E"], "Export", ["ctrl+e"], () => exportDialog.show()),
    bind("View", ["?"], "This help", ["?"], null),
  ];
}

/** Second halves of the pairs above, which the help shows in one row. */
function partners({ controller, stage }) {
  const { store } = controller;
  return new Map([
    ["arrowright", () => controller.step(1)],
    ["shift+arrowright", () => controller.step(FAR)],
    [".", () => controller.step(1)],
    ["end", () => controller.goTo(Number.MAX_SAFE_INTEGER)],
    ["pagedown", () => controller.goToAnnotated(1)],
    ["o", () => controller.setMark("out")],
    ["x", () => setTool(store, "box")],
    ["d", () => setTool(store, "brush")],
    ["e", () => setTool(store, "eraser")],
    ["w", () => setTool(store, "pan")],
    ["]", () => changeRadius(store, 1.2)],
    ["k", () => controller.job("cancel")],
    ["shift+n", () => controller.nextReview(-1)],
    ["-", () => stage.zoom(1 / 1.25)],
  ]);
}

function combination(event) {
  const key = event.key.toLowerCase();
  const named = key.length > 1 || /^[a-z]$/.test(key); // "?" and "+" already hold their Shift
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("ctrl+");
  if (event.shiftKey && named) parts.push("shift+");
  return parts.join("") + key;
}

/** Whether the focused element needs this key for itself. */
function isTaken(target, event) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input[type=text], input[type=number], textarea, select")) return true;
  const key = event.key;
  if (target.matches("input[type=range]")) {
    return /^(Arrow|Home|End|Page)/.test(key);
  }
  if (target.matches("input[type=radio]")) return key.startsWith("Arrow") || key === " ";
  return (key === " " || key === "Enter") && target.matches("button, a, input, summary");
}

export function listenToKeys(context, bindings, openHelp) {
  const { controller, stage } = context;
  const actions = partners(context);
  const releases = new Map();
  const onRelease = new Map();
  for (const binding of bindings) {
    for (const key of binding.keys) {
      const run = key === "?" ? openHelp : binding.run;
      if (binding.onRelease) onRelease.set(key, run);
      else actions.set(key, run);
      if (binding.release) releases.set(key, binding.release);
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.altKey || isTaken(event.target, event)) return;
    const keys = combination(event);
    if (onStage(keys, event)) return;
    if (keys === "escape") {
      stage.cancel();
      return;
    }
    if (keys === " ") {
      event.preventDefault();
      if (!event.repeat) {
        stage.spaceHeld = true;
        stage.dragged = false;
        document.body.classList.add("panning");
      }
      return;
    }
    if (/^[1-9]$/.test(keys)) {
      controller.selectNth(Number(keys));
      return;
    }
    const action = actions.get(keys);
    if (!action) return;
    event.preventDefault();
    // held down, only stepping and zooming go on
    const repeats = /^(shift\+)?arrow|^[,.[\]+=-]$/.test(keys);
    if (!event.repeat || repeats) action();
  });

  document.addEventListener("keyup", (event) => {
    const key = event.key.toLowerCase();
    releases.get(key)?.();
    if (key !== " ") return;
    const held = stage.spaceHeld;
    stage.spaceHeld = false;
    document.body.classList.remove("panning");
    if (held && !stage.dragged) onRelease.get(" ")?.();
  });

  window.addEventListener("blur", () => {
    for (const release of releases.values()) release();
    stage.spaceHeld = false;
    document.body.classList.remove("panning");
  });

  /** While the frame has the focus, arrows move the crosshair. */
  function onStage(keys, event) {
    if (!stage.focused) return false;
    const moves = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
    const move = moves[keys.replace("shift+", "")];
    if (move) stage.moveCursor(...move, event.shiftKey);
    else if (keys === "enter") stage.actAtCursor(true);
    else if (keys === "backspace") stage.actAtCursor(false);
    else if (keys === "escape") {
      if (!stage.cancel()) document.activeElement.blur();
    } else return false;
    event.preventDefault();
    return true;
  }
}
