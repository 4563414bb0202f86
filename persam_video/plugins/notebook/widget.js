// The widget in the browser: shows what Python has drawn, and tells it what was done.

const FAR = 4; // pixels on the screen from which a press is a box and not a click

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const image = element("img", { alt: "Frame with masks", draggable: "false" });
  const box = element("div", { class: "persam-box", hidden: "" });
  const stage = element("div", { class: "persam-stage" }, image, box);
  const slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "Frame" });
  const number = element("output", {});
  const objects = element("select", { "aria-label": "Object" });
  const add = element("button", { type: "button" }, "New object");
  const undo = element("button", { type: "button" }, "Undo");
  const track = element("button", { type: "button" }, "Track");
  const message = element("p", { role: "status" });
  const row = element("div", { class: "persam-row" }, objects, add, undo, track);
  const root = element("div", { class: "persam-video" });
  root.append(stage, element("div", { class: "persam-row" }, slider, number), row, message);
  el.append(root);

  const shows = {
    picture() {
      const before = image.src;
      image.src = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/jpeg" }));
      if (before) URL.revokeObjectURL(before);
    },
    frame() {
      slider.value = String(model.get("frame"));
      number.value = `${model.get("frame")} / ${model.get("frame_count") - 1}`;
    },
    frame_count() {
      slider.max = String(model.get("frame_count") - 1);
      shows.frame();
    },
    objects() {
      const options = model.get("objects").map(({ id, name }) => new Option(name, String(id)));
      objects.replaceChildren(...options);
      shows.object_id();
    },
    object_id() {
      objects.value = String(model.get("object_id"));
    },
    tracking() {
      const busy = model.get("tracking");
      track.textContent = busy ? "Stop" : "Track";
      for (const control of [slider, objects, add, undo]) control.disabled = busy;
    },
    message() {
      message.textContent = model.get("message");
    },
  };
  for (const [name, show] of Object.entries(shows)) {
    model.on(`change:${name}`, show);
    show();
  }

  function choose(name, value) {
    model.set(name, Number(value));
    model.save_changes();
  }
  slider.addEventListener("input", () => choose("frame", slider.value));
  objects.addEventListener("change", () => choose("object_id", objects.value));
  add.addEventListener("click", () => model.send({ do: "add" }));
  undo.addEventListener("click", () => model.send({ do: "undo" }));
  track.addEventListener("click", () =>
    model.send({ do: model.get("tracking") ? "stop" : "track" }),
  );

  // from the screen to pixels of the video
  function place(event) {
    const shown = image.getBoundingClientRect();
    const [height, width] = model.get("size");
    const x = ((event.clientX - shown.left) / shown.width) * width;
    const y = ((event.clientY - shown.top) / shown.height) * height;
    return [Math.min(Math.max(x, 0), width - 0.01), Math.min(Math.max(y, 0), height - 0.01)];
  }
  let pressed = null;
  const isBox = (event) =>
    Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) > FAR;
  stage.addEventListener("pointerdown", (event) => {
    if (model.get("tracking") || (event.button !== 0 && event.button !== 2)) return;
    event.preventDefault();
    pressed = event;
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!pressed || pressed.button !== 0) return;
    const shown = stage.getBoundingClientRect();
    box.hidden = !isBox(event);
    box.style.left = `${Math.min(event.clientX, pressed.clientX) - shown.left}px`;
    box.style.top = `${Math.min(event.clientY, pressed.clientY) - shown.top}px`;
    box.style.width = `${Math.abs(event.clientX - pressed.clientX)}px`;
    box.style.height = `${Math.abs(event.clientY - pressed.clientY)}px`;
  });
  stage.addEventListener("pointerup", (event) => {
    if (!pressed) return;
    const [x, y] = place(pressed);
    if (pressed.button === 0 && isBox(event)) {
      model.send({ do: "mark", kind: "box", box: [x, y, ...place(event)] });
    } else {
      const positive = pressed.button === 0 && !pressed.altKey;
      model.send({ do: "mark", kind: "click", x, y, positive });
    }
    pressed = null;
    box.hidden = true;
  });
  stage.addEventListener("pointercancel", () => {
    pressed = null;
    box.hidden = true;
  });
  stage.addEventListener("contextmenu", (event) => event.preventDefault());

  return () => {
    for (const [name, show] of Object.entries(shows)) model.off(`change:${name}`, show);
    URL.revokeObjectURL(image.src);
  };
}

export default { render };
