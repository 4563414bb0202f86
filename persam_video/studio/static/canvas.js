// The frame with its masks: drawing, zoom and pan, and what pointer and keys do on it.

import { byId, clamp, oncePerFrame } from "./dom.js";
import { widthFor } from "./frames.js";
import { drawMasks, objectAt } from "./masks.js";
import { objectOf } from "./store.js";

const DRAG = 5; // px of the screen after which a click has become a drag
const MOST_ZOOM = 40;
const POINT = 8; // radius of a point, px of the screen

export class Stage {
  #controller;
  #store;
  #stage = byId("stage");
  #view = byId("view");
  #marks = byId("marks");
  #picture = null;
  #pictureFrame = null;
  #asked = 0; // pictures that were asked for,
  #answered = 0; // and the last of them that was shown
  #overlay = null;
  #overlayOf = ""; // what the overlay was drawn from
  #scale = 1; // px of the screen per pixel of the frame
  #left = 0;
  #top = 0;
  #fitted = true;
  #pointers = new Map();
  #drag = null;
  #pinch = null;
  #hover = null; // pointer in frame coordinates, for the brush's circle
  #cursor = null; // crosshair of the keyboard, in frame coordinates
  #cursorShown = false;
  #corner = null; // first corner of a box drawn with the keyboard
  #pen = null; // stroke drawn with the keyboard

  constructor(controller) {
    this.#controller = controller;
    this.#store = controller.store;
    this.spaceHeld = false;
    this.dragged = false; // whether space was used to pan, so that releasing it does not play
    this.paint = oncePerFrame(() => this.#paint());
    this.paintMarks = oncePerFrame(() => this.#paintMarks());
    new ResizeObserver(() => this.#resize()).observe(this.#stage);
    this.#listen();
    this.#store.watch(["session"], (state) => this.#sessionChanged(state));
    this.#store.watch(["frame", "session"], () => this.#loadPicture());
    this.#store.watch(
      ["masks", "masksVersion", "session", "opacity", "contours", "hidden", "objectId", "before"],
      () => {
        this.paint();
        this.paintMarks();
      },
    );
    this.#store.watch(["tool", "radius", "positive"], (state) => {
      this.#stage.dataset.tool = state.tool;
      this.paintMarks();
    });
  }

  // ---- geometry

  #sessionChanged({ session }) {
    const size = session ? `${session.id} ${session.width} ${session.height}` : "";
    if (size === this.#stage.dataset.size) return;
    this.#stage.dataset.size = size;
    this.#picture = null;
    this.#pictureFrame = null;
    this.#overlay = null;
    this.#overlayOf = "";
    this.#cursor = null;
    this.fit();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#stage;
    const density = window.devicePixelRatio || 1;
    for (const canvas of [this.#view, this.#marks]) {
      canvas.width = Math.max(1, Math.round(clientWidth * density));
      canvas.height = Math.max(1, Math.round(clientHeight * density));
    }
    if (this.#fitted) this.fit();
    else this.paint();
    this.paintMarks();
  }

  #fitScale() {
    const { session } = this.#store.state;
    const { clientWidth, clientHeight } = this.#stage;
    const room = 12;
    return Math.max(
      Math.min((clientWidth - 2 * room) / session.width, (clientHeight - 2 * room) / session.height),
      0.01,
    );
  }

  /** Show the whole frame. */
  fit() {
    const { session } = this.#store.state;
    if (!session) return;
    this.#scale = this.#fitScale();
    this.#left = (this.#stage.clientWidth - session.width * this.#scale) / 2;
    this.#top = (this.#stage.clientHeight - session.height * this.#scale) / 2;
    this.#fitted = true;
    this.#moved();
  }

  /** Zoom by a factor about a point of the stage, its middle when none is given. */
  zoom(factor, x = this.#stage.clientWidth / 2, y = this.#stage.clientHeight / 2) {
    if (!this.#store.state.session) return;
    const scale = clamp(this.#scale * factor, this.#fitScale() / 2, MOST_ZOOM);
    const real = scale / this.#scale;
    this.#left = x - (x - this.#left) * real;
    this.#top = y - (y - this.#top) * real;
    this.#scale = scale;
    this.#fitted = false;
    this.#keepInside();
    this.#moved();
  }

  #pan(dx, dy) {
    this.#left += dx;
    this.#top += dy;
    this.#fitted = false;
    this.#keepInside();
    this.#moved();
  }

  #keepInside() {
    const { session } = this.#store.state;
    const rest = 60; // px of the frame that always stay in sight
    const { clientWidth, clientHeight } = this.#stage;
    this.#left = clamp(this.#left, rest - session.width * this.#scale, clientWidth - rest);
    this.#top = clamp(this.#top, rest - session.height * this.#scale, clientHeight - rest);
  }

  #moved() {
    this.#stage.dataset.scale = this.#scale;
    this.#loadPicture();
    this.paint();
    this.paintMarks();
  }

  /** A pointer event's place in pixels of the frame; the first pixel's centre is (0.5, 0.5). */
  #place(event) {
    const frame = this.#stage.getBoundingClientRect();
    return [
      (event.clientX - frame.left - this.#stage.clientLeft - this.#left) / this.#scale,
      (event.clientY - frame.top - this.#stage.clientTop - this.#top) / this.#scale,
    ];
  }

  #inside([x, y]) {
    const { session } = this.#store.state;
    return x >= 0 && y >= 0 && x < session.width && y < session.height;
  }

  #clamped([x, y]) {
    const { session } = this.#store.state;
    return [clamp(x, 0, session.width), clamp(y, 0, session.height)];
  }

  // ---- the picture

  pictureWidth() {
    const { session } = this.#store.state;
    const pixels = session.width * this.#scale * (window.devicePixelRatio || 1);
    return widthFor(pixels, session.width);
  }

  async #loadPicture() {
    const { session, frame } = this.#store.state;
    if (!session || !this.#controller.frames) return;
    const width = this.pictureWidth();
    const frames = this.#controller.frames;
    const ready = frames.peek(frame, width);
    if (ready) {
      this.#answered = this.#asked;
      this.#take(ready, frame);
      return;
    }
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const picture = await frames.hurry(frame, width);
      // while scrubbing, a frame that comes late is better than none, but never over a later one
      if (asked > this.#answered && frames === this.#controller.frames) {
        this.#answered = asked;
        this.#take(picture, frame);
      }
    } catch {
      // the server is gone or refuses: the banner or the next request says so
    }
  }

  #take(picture, frame) {
    if (this.#picture === picture && this.#pictureFrame === frame) return;
    this.#picture = picture;
    this.#pictureFrame = frame;
    this.#controller.shownFrame = frame;
    this.#stage.dataset.frame = frame;
    this.paint();
    this.paintMarks();
  }

  #paint() {
    const context = this.#view.getContext("2d");
    const density = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#view.width, this.#view.height);
    const { session, masks, hidden } = this.#store.state;
    if (!session || !this.#picture) return;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.imageSmoothingEnabled = this.#scale < 3;
    context.imageSmoothingQuality = "high";
    const place = [this.#left, this.#top, session.width * this.#scale, session.height * this.#scale];
    context.drawImage(this.#picture, ...place);
    if (hidden || !masks || masks.frame !== this.#pictureFrame) {
      this.#stage.dataset.masks = "";
      return;
    }
    this.#drawOverlay(masks);
    if (this.#overlay) context.drawImage(this.#overlay, ...place);
    const areas = masks.objects.filter((mask) => mask.area > 0).map((mask) => mask.id);
    this.#stage.dataset.masks = areas.join(" ");
  }

  #drawOverlay(masks) {
    const { session, opacity, contours, objectId, masksVersion, before } = this.#store.state;
    const looks = session.objects.map((object) => `${object.id}${object.colour}${object.visible}`);
    const key = [masks.frame, masksVersion, opacity, contours, objectId, before, ...looks].join(" ");
    if (key === this.#overlayOf) return;
    this.#overlayOf = key;
    const look = { opacity, contours, selected: objectId };
    this.#overlay = drawMasks(masks, session.objects, session, look);
  }

  // ---- points, boxes, strokes, cursor

  #toStage([x, y]) {
    return [this.#left + x * this.#scale, this.#top + y * this.#scale];
  }

  #paintMarks() {
    const context = this.#marks.getContext("2d");
    const density = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#marks.width, this.#marks.height);
    const { session, masks, hidden, frame, objectId, before } = this.#store.state;
    if (!session) return;
    context.setTransform(density, 0, 0, density, 0, 0);
    if (!hidden && !before) {
      const known = masks?.frame === this.#pictureFrame ? (masks.gestures ?? []) : [];
      for (const gesture of known) {
        context.globalAlpha = gesture.object === objectId ? 1 : 0.45;
        this.#drawGesture(context, gesture, false);
      }
      context.globalAlpha = 1;
      for (const gesture of this.#controller.pendingMarks) {
        if (gesture.frame === frame) this.#drawGesture(context, gesture, true);
      }
    }
    const drag = this.#drag;
    if (drag?.kind === "box") this.#drawBox(context, [...drag.start, ...drag.now], null);
    if (drag?.kind === "stroke") this.#drawStroke(context, drag);
    if (this.#pen) this.#drawStroke(context, this.#pen);
    if (this.#corner && this.#cursorShown) {
      this.#drawBox(context, [...this.#corner, ...this.#cursor], null);
    }
    const centre = this.#cursorShown ? this.#cursor : this.#hover;
    if (centre && this.#brushing()) this.#drawBrush(context, centre);
    if (this.#cursorShown && this.#cursor) this.#drawCrosshair(context);
  }

  #brushing() {
    return ["brush", "eraser"].includes(this.#store.state.tool);
  }

  #colour(objectId) {
    return objectOf(this.#store.state, objectId)?.colour ?? "#ffffff";
  }

  #drawGesture(context, gesture, pending) {
    if (gesture.kind === "click") this.#drawPoint(context, gesture, pending);
    if (gesture.kind === "box") this.#drawBox(context, gesture.box, gesture.object);
    if (gesture.kind === "stroke" && pending) this.#drawStroke(context, gesture);
  }

  #drawPoint(context, { x, y, positive }, pending) {
    const [left, top] = this.#toStage([x, y]);
    context.beginPath();
    context.arc(left, top, POINT, 0, 2 * Math.PI);
    context.fillStyle = positive ? "#0a7d3c" : "#c2182b";
    context.fill();
    context.lineWidth = 2;
    context.setLineDash(pending ? [3, 3] : []);
    context.strokeStyle = "#ffffff";
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(left - 4, top);
    context.lineTo(left + 4, top);
    if (positive) {
      context.moveTo(left, top - 4);
      context.lineTo(left, top + 4);
    }
    context.stroke();
  }

  #drawBox(context, [x0, y0, x1, y1], objectId) {
    const [left, top] = this.#toStage([Math.min(x0, x1), Math.min(y0, y1)]);
    const [right, bottom] = this.#toStage([Math.max(x0, x1), Math.max(y0, y1)]);
    context.lineWidth = 3;
    context.strokeStyle = "rgb(0 0 0 / 70%)";
    context.strokeRect(left, top, right - left, bottom - top);
    context.lineWidth = 1.5;
    context.setLineDash([6, 4]);
    context.strokeStyle = objectId === null ? "#ffffff" : this.#colour(objectId);
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
  }

  #drawStroke(context, { points, radius, erase }) {
    context.save();
    context.globalAlpha = 0.6;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.lineWidth = Math.max(2 * radius * this.#scale, 1);
    context.strokeStyle = erase ? "#ffffff" : this.#colour(this.#store.state.objectId);
    context.beginPath();
    points.forEach((point, place) => {
      const [left, top] = this.#toStage(point);
      if (place === 0) context.moveTo(left, top);
      context.lineTo(left, top);
    });
    context.stroke();
    context.restore();
  }

  #drawBrush(context, centre) {
    const [left, top] = this.#toStage(centre);
    const radius = Math.max(this.#store.state.radius * this.#scale, 1);
    for (const [width, ink] of [[3, "rgb(0 0 0 / 70%)"], [1.5, "#ffffff"]]) {
      context.beginPath();
      context.arc(left, top, radius, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.stroke();
    }
  }

  #drawCrosshair(context) {
    const [left, top] = this.#toStage(this.#cursor);
    for (const [width, ink] of [[4, "rgb(0 0 0 / 75%)"], [2, "#ffffff"]]) {
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(left + 4 * dx, top + 4 * dy);
        context.lineTo(left + 18 * dx, top + 18 * dy);
      }
      context.stroke();
    }
  }

  // ---- pointer

  #listen() {
    const stage = this.#stage;
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    // a click must not move the keyboard's focus here: arrow keys would stop stepping frames
    stage.addEventListener("mousedown", (event) => {
      event.preventDefault();
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#leave(event));
    stage.addEventListener("pointerleave", () => {
      this.#hover = null;
      this.paintMarks();
    });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("focus", () => {
      this.#cursorShown = stage.matches(":focus-visible");
      this.#ensureCursor();
      this.paintMarks();
    });
    stage.addEventListener("blur", () => {
      this.#cursorShown = false;
      this.#corner = null;
      this.#sendPen();
      this.paintMarks();
    });
  }

  #wheel(event) {
    if (!this.#store.state.session) return;
    event.preventDefault();
    const frame = this.#stage.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 18 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0018;
    const factor = Math.exp(-clamp(event.deltaY * lines, -240, 240) * speed);
    this.zoom(factor, event.clientX - frame.left, event.clientY - frame.top);
  }

  #down(event) {
    const { state } = this.#store;
    if (!state.session) return;
    this.#pointers.set(event.pointerId, event);
    this.#stage.setPointerCapture(event.pointerId);
    if (this.#pointers.size === 2) {
      this.#drag = null; // two fingers zoom and pan; what the first began is dropped
      this.#pinch = this.#span();
      return;
    }
    const place = this.#place(event);
    const from = [event.clientX, event.clientY];
    const away = event.button === 2 || event.altKey || !state.positive;
    if (this.spaceHeld || event.button === 1 || state.tool === "pan") {
      this.#drag = { kind: "pan", from };
      this.dragged = true;
    } else if (event.ctrlKey || event.metaKey) {
      const found = objectAt(state.masks, ...place);
      if (found !== null) this.#controller.select(found);
    } else if (this.#brushing()) {
      const erase = state.tool === "eraser" || event.button === 2 || event.altKey;
      this.#drag = { kind: "stroke", points: [this.#clamped(place)], radius: state.radius, erase };
    } else if (state.tool === "box") {
      this.#drag = { kind: "maybe", start: this.#clamped(place), from, away: true, box: true };
    } else {
      const box = event.button === 0 && !event.altKey;
      this.#drag = { kind: "maybe", start: place, from, away, box };
    }
    this.paintMarks();
  }

  #move(event) {
    const { state } = this.#store;
    if (!state.session) return;
    if (this.#pointers.has(event.pointerId)) this.#pointers.set(event.pointerId, event);
    if (this.#pinch && this.#pointers.size === 2) {
      this.#pinching();
      return;
    }
    const place = this.#place(event);
    this.#hover = event.pointerType === "touch" ? null : place;
    const drag = this.#drag;
    if (drag?.kind === "pan") {
      this.#pan(event.clientX - drag.from[0], event.clientY - drag.from[1]);
      drag.from = [event.clientX, event.clientY];
    } else if (drag?.kind === "maybe") {
      const moved = Math.hypot(event.clientX - drag.from[0], event.clientY - drag.from[1]);
      if (moved > DRAG && drag.box) {
        this.#drag = { kind: "box", start: this.#clamped(drag.start), now: this.#clamped(place) };
      }
    } else if (drag?.kind === "box") {
      drag.now = this.#clamped(place);
    } else if (drag?.kind === "stroke") {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const sample of events.length > 0 ? events : [event]) this.#extend(drag, this.#place(sample));
    }
    this.paintMarks();
  }

  #extend(stroke, place) {
    const [x, y] = this.#clamped(place);
    const [lastX, lastY] = stroke.points.at(-1);
    const least = Math.max(stroke.radius / 6, 1 / this.#scale);
    if (Math.hypot(x - lastX, y - lastY) >= least) stroke.points.push([x, y]);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    if (this.#pinch) {
      if (this.#pointers.size === 0) this.#pinch = null;
      return;
    }
    const drag = this.#drag;
    this.#drag = null;
    if (!drag) return;
    if (drag.kind === "maybe" && this.#store.state.tool === "point" && this.#inside(drag.start)) {
      this.#click(drag.start, !drag.away);
    } else if (drag.kind === "box") this.#sendBox(drag.start, drag.now);
    else if (drag.kind === "stroke") this.#sendStroke(drag);
    this.paintMarks();
  }

  #leave(event) {
    this.#pointers.delete(event.pointerId);
    this.#drag = null;
    if (this.#pointers.size === 0) this.#pinch = null;
    this.paintMarks();
  }

  #span() {
    const [first, second] = [...this.#pointers.values()];
    return {
      distance: Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY),
      x: (first.clientX + second.clientX) / 2,
      y: (first.clientY + second.clientY) / 2,
    };
  }

  #pinching() {
    const now = this.#span();
    const frame = this.#stage.getBoundingClientRect();
    this.#pan(now.x - this.#pinch.x, now.y - this.#pinch.y);
    this.zoom(now.distance / Math.max(this.#pinch.distance, 1), now.x - frame.left, now.y - frame.top);
    this.#pinch = now;
  }

  /** Drop a gesture that is being made; false where there is none. */
  cancel() {
    if (!this.#drag && !this.#corner && !this.#pen) return false;
    this.#drag = null;
    this.#corner = null;
    this.#pen = null;
    this.paintMarks();
    return true;
  }

  #click([x, y], positive) {
    this.#controller.gesture({ kind: "click", x, y, positive });
  }

  #sendBox([x0, y0], [x1, y1]) {
    const box = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
    if (box[2] - box[0] >= 1 && box[3] - box[1] >= 1) this.#controller.gesture({ kind: "box", box });
  }

  #sendStroke({ points, radius, erase }) {
    this.#controller.gesture({ kind: "stroke", points, radius, erase });
  }

  // ---- keyboard

  /** Put the keyboard's focus on the frame and show the crosshair. */
  focus() {
    this.#stage.focus({ focusVisible: true });
    this.#cursorShown = true;
    this.#ensureCursor();
    this.#say();
    this.paintMarks();
  }

  get focused() {
    return document.activeElement === this.#stage;
  }

  #ensureCursor() {
    const { session } = this.#store.state;
    if (session && !this.#cursor) this.#cursor = [session.width / 2, session.height / 2];
  }

  #say(prefix = "") {
    if (!this.#cursor) return;
    const [x, y] = this.#cursor.map(Math.floor);
    const found = objectAt(this.#store.state.masks, x, y);
    const on = found === null ? "no mask" : this.#controller.nameOf(found);
    byId("stage-status").textContent = `${prefix}${x}, ${y}: ${on}`;
  }

  /** Move the crosshair by so many steps of its size, ten times as far when `far`. */
  moveCursor(dx, dy, far) {
    this.#ensureCursor();
    if (!this.#cursor) return;
    const { session } = this.#store.state;
    this.#cursorShown = true;
    const step = Math.max(1, Math.round(2 / this.#scale)) * (far ? 10 : 1);
    this.#cursor = [
      clamp(this.#cursor[0] + dx * step, 0.5, session.width - 0.5),
      clamp(this.#cursor[1] + dy * step, 0.5, session.height - 0.5),
    ];
    if (this.#pen) this.#extend(this.#pen, this.#cursor);
    this.#say();
    this.paintMarks();
  }

  /** What Enter (positive) and Backspace (not) do at the crosshair, by tool. */
  actAtCursor(positive) {
    const { state } = this.#store;
    if (!state.session) return;
    this.#ensureCursor();
    this.#cursorShown = true;
    const place = [...this.#cursor];
    if (this.#brushing()) {
      if (this.#pen) this.#sendPen();
      else {
        const erase = state.tool === "eraser" || !positive;
        this.#pen = { points: [place], radius: state.radius, erase };
        this.#say("Pen down, arrow keys draw, Enter lifts it. ");
      }
    } else if (state.tool === "box" && positive) {
      if (this.#corner) {
        this.#sendBox(this.#corner, place);
        this.#corner = null;
      } else {
        this.#corner = place;
        this.#say("First corner of the box. ");
      }
    } else {
      this.#click(place, positive && state.positive);
      this.#say(positive && state.positive ? "Added. " : "Taken away. ");
    }
    this.paintMarks();
  }

  #sendPen() {
    const pen = this.#pen;
    this.#pen = null;
    if (pen) this.#sendStroke(pen);
  }
}
