// Short messages in a corner: one line each, errors stay longer and are announced at once.

import { byId, icon, make } from "./dom.js";

const MOST = 4;

export function toast(text, kind = "info") {
  const log = byId("toasts");
  for (const old of [...log.children]) if (old.dataset.text === text) old.remove();
  const close = make(
    "button",
    { type: "button", className: "icon-button small", "aria-label": "Dismiss" },
    icon("close"),
  );
  const item = make(
    "div",
    { className: `toast ${kind}`, role: kind === "error" ? "alert" : null },
    make("span", {}, text),
    close,
  );
  item.dataset.text = text;
  close.addEventListener("click", () => item.remove());
  log.append(item);
  while (log.children.length > MOST) log.firstChild.remove();
  let timer = 0;
  const leave = () => {
    timer = setTimeout(() => item.remove(), kind === "error" ? 9000 : 4000);
  };
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", leave);
  item.addEventListener("focusin", () => clearTimeout(timer));
  item.addEventListener("focusout", leave);
  leave();
}
