// The frames that most need review.

import { byId, dress, make, makeButton } from "./dom.js";
import { objectOf } from "./store.js";
import { tagOf } from "./objects.js";

const SHOWN = 60;

function reasonOf({ reason, value }) {
  if (reason === "low score" && typeof value === "number") return `low score ${value.toFixed(2)}`;
  if (reason === "sudden change" && typeof value === "number") {
    return `changed ${Math.round(100 * value)} %`;
  }
  return reason;
}

export function showReview(controller) {
  const { store } = controller;
  dress(byId("review-next"), {
    symbol: "next",
    text: "Next",
    label: "Next frame to look at",
    keys: "N",
    press: () => controller.nextReview(),
  });
  const list = make("ol", { className: "review-list" });
  const note = make("p", { className: "empty" });
  const accept = makeButton("button wide", {
    symbol: "check",
    text: "Accept",
    label: "Accept this frame",
    keys: "M",
    press: () => controller.accept(),
  });
  byId("review").append(accept, list, note);

  let drawn = "";
  store.watch(["review", "session", "frame"], ({ review, session, frame }) => {
    const looks = (session?.objects ?? []).map((object) => [object.id, object.name, object.colour]);
    const key = JSON.stringify([review, looks]);
    if (key !== drawn) {
      drawn = key;
      draw(review, session);
    }
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.frame) === frame));
    }
    byId("review-next").disabled = review.length === 0;
    accept.disabled = !review.some((entry) => entry.frame === frame);
    note.textContent = noteOf(review, session);
    note.hidden = note.textContent === "";
  });

  function draw(review, session) {
    const held = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(
      ...review.slice(0, SHOWN).map((entry) => {
        const object = objectOf({ session }, entry.object);
        const button = make(
          "button",
          {
            type: "button",
            className: "review-item",
            "data-frame": entry.frame,
            "data-key": `${entry.frame} ${entry.object}`,
            title: entry.text,
            onclick: () => controller.visitReview(entry),
          },
          make("span", { className: "review-frame" }, String(entry.frame)),
          object ? tagOf(object) : null,
          make("span", { className: "review-reason" }, reasonOf(entry)),
        );
        return make("li", {}, button);
      }),
    );
    if (held) list.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
  }
}

function noteOf(review, session) {
  if (review.length > SHOWN) return `and ${review.length - SHOWN} more`;
  if (review.length > 0) return "";
  if (session?.tracked.length) return "Nothing to review.";
  return "After tracking, the frames with low scores, sudden changes and lost objects appear here.";
}
