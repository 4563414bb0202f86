// A question before something is lost.

import { byId, make } from "./dom.js";

/** Ask; resolves to whether the user agreed. */
export function confirm({ title, text, action }) {
  const dialog = byId("confirm-dialog");
  const cancel = make("button", { type: "submit", className: "button", value: "no" }, "Cancel");
  const agree = make("button", { type: "submit", className: "button danger", value: "yes" }, action);
  dialog.replaceChildren(
    make(
      "form",
      { method: "dialog" },
      make("h2", { id: "confirm-title" }, title),
      make("p", {}, text),
      make("div", { className: "dialog-foot" }, cancel, agree),
    ),
  );
  dialog.returnValue = "no";
  dialog.showModal();
  agree.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
