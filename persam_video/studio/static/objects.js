// The list of objects, and how their masks look.

import { byId, dress, make, makeButton, makeCheck, redress } from "./dom.js";
import { nameOf } from "./store.js";
import { confirm } from "./confirm.js";

export function showObjects(controller) {
  const { store } = controller;
  const list = byId("objects");
  dress(byId("new-object"), {
    symbol: "plus",
    text: "New",
    label: "New object",
    keys: "A",
    press: () => controller.newObject(),
  });
  const rows = new Map(); // id -> row, kept so that focus and typing survive a new state
  const empty = make("li", { className: "empty" }, "Mark an object in the frame to begin.");

  store.watch(["session", "objectId"], ({ session, objectId }) => {
    byId("new-object").disabled = !session;
    const objects = session?.objects ?? [];
    for (const [id, row] of rows) {
      if (objects.some((object) => object.id === id)) continue;
      row.item.remove();
      rows.delete(id);
    }
    objects.forEach((object, place) => {
      let row = rows.get(object.id);
      if (!row) {
        row = makeRow(controller, object.id);
        rows.set(object.id, row);
      }
      if (list.children[place] !== row.item) list.insertBefore(row.item, list.children[place] ?? null);
      row.show(object, place, object.id === objectId);
    });
    if (session && objects.length === 0) list.replaceChildren(empty);
    else empty.remove();
  });
  showLook(store);
}

function makeRow(controller, objectId) {
  let current = null;
  const number = make("kbd", {});
  const swatch = make("input", {
    type: "color",
    className: "swatch-input",
    onchange: (event) => controller.changeObject(objectId, { colour: event.target.value }),
  });
  const select = make(
    "button",
    { type: "button", className: "object-select", onclick: () => controller.select(objectId) },
    make("span", { className: "object-name" }),
    make("span", { className: "object-id" }),
  );
  const name = make("input", {
    type: "text",
    className: "object-rename",
    maxlength: "60",
    hidden: true,
    onkeydown: (event) => {
      if (event.key === "Enter") event.target.blur();
      if (event.key === "Escape") {
        event.target.value = current.name ?? "";
        event.target.blur();
      }
      event.stopPropagation();
    },
    onblur: (event) => {
      name.hidden = true;
      select.hidden = false;
      const text = event.target.value.trim();
      if (text && text !== current.name) controller.changeObject(objectId, { name: text });
    },
  });
  const rename = () => {
    name.value = current.name ?? "";
    select.hidden = true;
    name.hidden = false;
    name.focus();
    name.select();
  };
  select.addEventListener("dblclick", rename);
  select.addEventListener("keydown", (event) => {
    if (event.key === "F2") rename();
  });
  const eye = makeButton("icon-button small", {
    symbol: "eye",
    label: "Hide",
    press: () => controller.changeObject(objectId, { visible: !current.visible }),
  });
  const remove = makeButton("icon-button small", {
    symbol: "bin",
    label: "Delete",
    press: () => confirmDelete(controller, objectId),
  });
  const item = make("li", { className: "object" }, number, swatch, select, name, eye, remove);
  return {
    item,
    show(object, place, selected) {
      current = object;
      const text = nameOf(object);
      number.textContent = place < 9 ? String(place + 1) : "";
      swatch.value = object.colour;
      swatch.setAttribute("aria-label", `Colour of ${text}`);
      select.firstChild.textContent = text;
      select.lastChild.textContent = `id ${object.id}`;
      select.setAttribute("aria-pressed", selected);
      select.title = "Double-click or F2 to rename";
      name.setAttribute("aria-label", `Name of ${text}`);
      item.dataset.selected = selected;
      item.dataset.hidden = !object.visible;
      redress(eye, object.visible ? "eye" : "eye-off", `${object.visible ? "Hide" : "Show"} ${text}`);
      redress(remove, "bin", `Delete ${text}`);
    },
  };
}

export async function confirmDelete(controller, objectId) {
  const name = controller.nameOf(objectId);
  const sure = await confirm({
    title: `Delete ${name}?`,
    text: "Its clicks and its masks in all frames go with it. Undo brings them back.",
    action: "Delete",
  });
  if (sure) controller.deleteObject(objectId);
}

function showLook(store) {
  const opacity = make("input", {
    type: "range",
    min: "0",
    max: "100",
    id: "opacity",
    oninput: (event) => store.set({ opacity: Number(event.target.value) / 100 }),
  });
  byId("look").append(
    make("label", { for: "opacity" }, "Opacity"),
    opacity,
    makeCheck(store, "contours", "Outlines"),
  );
  store.watch(["opacity"], (state) => {
    opacity.value = String(Math.round(100 * state.opacity));
  });
}

/** A coloured dot with the object's name, for lists. */
export function tagOf(object) {
  const swatch = make("span", { className: "swatch" });
  swatch.style.backgroundColor = object.colour;
  return make("span", { className: "tag" }, swatch, nameOf(object));
}

