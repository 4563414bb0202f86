// The frames that most need a look.

import { byId, dress, make, makeButton } from "./dom.js";
import { objectOf } from "./store.js";
import { tagOf } from "./objects.js";
import { groupReview } from "./scores.js";

const SHOWN = 60;

function reasonOf({ reason, value }) {
  if (reason === "low score" && typeof value === "number") return `low score ${value.toFixed(2)}`;
  return reason;
}

const placeOf = ({ first, last }) => (first === last ? String(first) : `${first}–${last}`);
const covers = ({ first, last }, frame) => Number(first) <= frame && frame <= Number(last);

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
    label: "Accept this frame and its run",
    keys: "M",
    press: () => controller.accept(),
  });
  byId("review").append(accept, list, note);

  store.watch(["review", "session"], ({ review, session }) => {
    byId("review-next").disabled = review.length === 0;
    const held = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const groups = groupReview(review);
    list.replaceChildren(
      ...groups.slice(0, SHOWN).map((entry) => {
        const object = objectOf({ session }, entry.object);
        const button = make(
          "button",
          {
            type: "button",
            className: "review-item",
            "data-first": entry.first,
            "data-last": entry.last,
            "data-key": `${entry.frame} ${entry.object}`,
            onclick: () => controller.visitReview(entry),
          },
          make("span", { className: "review-frame" }, placeOf(entry)),
          object ? tagOf(object) : null,
          make("span", { className: "review-reason" }, reasonOf(entry)),
        );
        return make("li", {}, button);
      }),
    );
    if (held) list.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
    const more = groups.length - SHOWN;
    if (review.length === 0) {
      note.textContent = session?.tracked.length
        ? "Nothing needs a look."
        : "After tracking, the frames with low scores, sudden changes and lost objects appear here.";
    } else note.textContent = more > 0 ? `and ${more} more` : "";
    note.hidden = note.textContent === "";
  });
  store.watch(["frame", "review"], ({ frame, review }) => {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-current", String(covers(button.dataset, frame)));
    }
    accept.disabled = !review.some((entry) => entry.frame === frame);
  });
}
