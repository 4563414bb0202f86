// The timeline: thumbnails, scores of every object, annotated and tracked frames, marks, playhead.

import { byId, clamp, make, oncePerFrame } from "./dom.js";
import { nameOf, timeOf } from "./store.js";

const RULER = 20;
const THUMBS = 40;
const STATE = 12;
const LANE = 24;
const THUMBS_AT_ONCE = 2;
const MOST_THUMBS = 2000;
const MARGIN = 8; // px on both sides, for what is drawn about the first and the last frame

const LEGEND = [
  ["annotated", "annotated"],
  ["look", "to review"],
  ["lost", "lost"],
];

/** A step of 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? power * 10;
}

/** How many frames a thumbnail stands for, at least `least`: 1, 2, 3, 4, 6, 8, 12 and so on. */
function thumbStride(least) {
  const power = 2 ** Math.floor(Math.log2(Math.max(least, 1)));
  return [1, 1.5, 2].map((factor) => factor * power).find((n) => n >= least && Number.isInteger(n));
}

/** Draw a thumbnail into its slot: cut to it, or in its middle where the slot is much wider. */
function drawInto(context, picture, left, width) {
  const { naturalWidth, naturalHeight } = picture;
  const across = THUMBS * (naturalWidth / naturalHeight);
  if (width > 2 * across) {
    context.drawImage(picture, left + (width - across) / 2, RULER, across, THUMBS);
    return;
  }
  const scale = Math.max(width / naturalWidth, THUMBS / naturalHeight);
  const [x, y] = [width / scale, THUMBS / scale];
  const corner = [(naturalWidth - x) / 2, (naturalHeight - y) / 2];
  context.drawImage(picture, ...corner, x, y, left, RULER, width, THUMBS);
}

export class TimelineView {
  #controller;
  #store;
  #names = make("div", { className: "lane-names" });
  #canvas = make("canvas", { "aria-hidden": "true" });
  #legend = make(
    "ul",
    { className: "legend" },
    ...LEGEND.map(([kind, text]) => make("li", {}, make("span", { className: `key-${kind}` }), text)),
  );
  #note = make("p", { className: "empty lane-note" }, "The score of each object appears here.");
  #track;
  #first = 0; // shown frames, as edges: frame n covers n to n + 1
  #last = 1;
  #session = null;
  #thumbs = new Map(); // frame -> Image, or null while it is loading
  #wanted = [];
  #loading = 0;
  #scrubbing = false;

  constructor(controller) {
    this.#controller = controller;
    this.#store = controller.store;
    this.#track = make(
      "div",
      { className: "lane-track", role: "slider", tabindex: "0", "aria-label": "Frame" },
      this.#canvas,
    );
    byId("timeline").append(this.#names, this.#track, this.#note);
    this.paint = oncePerFrame(() => this.#paint());
    new ResizeObserver(() => this.#resize()).observe(this.#track);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    this.#listen();
    this.#store.watch(["session"], (state) => this.#sessionChanged(state));
    this.#store.watch(["objectId"], (state) => this.#showNames(state));
    this.#store.watch(["frame", "session", "times"], (state) => this.#tell(state));
    this.#store.watch(
      ["frame", "session", "timelineVersion", "markIn", "markOut", "objectId", "review"],
      () => this.paint(),
    );
  }

  // ---- geometry

  #sessionChanged({ session }) {
    if (session?.id !== this.#session) {
      this.#session = session?.id ?? null;
      this.#thumbs.clear();
      this.#wanted = [];
      this.#first = 0;
      this.#last = session?.frame_count ?? 1;
    }
    this.#showNames(this.#store.state);
    this.#resize();
  }

  #showNames({ session, objectId }) {
    const objects = session?.objects ?? [];
    this.#note.hidden = objects.length > 0;
    this.#names.replaceChildren(
      ...(objects.length > 0 ? [this.#legend] : []),
      ...objects.map((object) => {
        const swatch = make("span", { className: "swatch" });
        swatch.style.backgroundColor = object.colour;
        return make(
          "button",
          {
            type: "button",
            className: "lane-name",
            tabindex: "-1", // the object list selects with the keyboard
            "aria-hidden": "true",
            "data-selected": object.id === objectId,
            onclick: () => this.#controller.select(object.id),
          },
          swatch,
          make("span", {}, nameOf(object)),
        );
      }),
    );
  }

  #resize() {
    const lanes = this.#store.state.session?.objects.length ?? 0;
    const height = RULER + THUMBS + STATE + LANE * lanes + 4;
    this.#canvas.style.height = `${height}px`;
    const density = window.devicePixelRatio || 1;
    this.#canvas.width = Math.max(1, Math.round(this.#track.clientWidth * density));
    this.#canvas.height = Math.round(height * density);
    this.#paint();
  }

  /** Width of the shown frames, in px. */
  get #width() {
    return Math.max(this.#track.clientWidth - 2 * MARGIN, 1);
  }

  #x(frame) {
    return MARGIN + ((frame - this.#first) / (this.#last - this.#first)) * this.#width;
  }

  /** Which part of the shown frames lies left of a pointer. */
  #part(event) {
    return clamp((event.clientX - this.#track.getBoundingClientRect().left - MARGIN) / this.#width, 0, 1);
  }

  #frameAt(event) {
    return Math.floor(this.#first + this.#part(event) * (this.#last - this.#first));
  }

  #zoom(factor, event) {
    const { session } = this.#store.state;
    const part = this.#part(event);
    const centre = this.#first + part * (this.#last - this.#first);
    const least = Math.min(10, session.frame_count);
    const span = clamp((this.#last - this.#first) * factor, least, session.frame_count);
    this.#shift(centre - part * span, span);
  }

  #shift(first, span = this.#last - this.#first) {
    const { session } = this.#store.state;
    this.#first = clamp(first, 0, session.frame_count - span);
    this.#last = this.#first + span;
    this.paint();
  }

  #listen() {
    const track = this.#track;
    track.addEventListener("pointerdown", (event) => {
      if (!this.#store.state.session || event.button !== 0) return;
      this.#scrubbing = true;
      track.setPointerCapture(event.pointerId);
      this.#scrub(event);
    });
    track.addEventListener("pointermove", (event) => {
      if (this.#scrubbing) this.#scrub(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      track.addEventListener(end, () => {
        this.#scrubbing = false;
      });
    }
    track.addEventListener(
      "wheel",
      (event) => {
        if (!this.#store.state.session) return;
        event.preventDefault();
        const span = this.#last - this.#first;
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          const delta = event.deltaX || event.deltaY;
          this.#shift(this.#first + (delta / this.#width) * span);
        } else this.#zoom(Math.exp(clamp(event.deltaY, -200, 200) * 0.002), event);
      },
      { passive: false },
    );
  }

  #scrub(event) {
    this.#store.set({ playing: false });
    this.#controller.goTo(this.#frameAt(event));
  }

  #tell(state) {
    const { session, frame } = state;
    const track = this.#track;
    const last = session ? session.frame_count - 1 : 0;
    track.setAttribute("aria-valuemin", "0");
    track.setAttribute("aria-valuemax", String(last));
    track.setAttribute("aria-valuenow", String(frame));
    if (session) {
      const parts = [`frame ${frame} of ${last}`, timeOf(state, frame)];
      if (session.annotated.includes(frame)) parts.push("annotated");
      track.setAttribute("aria-valuetext", parts.filter(Boolean).join(", "));
      if (frame < this.#first || frame >= this.#last) {
        const span = this.#last - this.#first;
        this.#shift(frame - span / 2);
      }
    }
  }

  // ---- thumbnails

  #loadThumbs() {
    while (this.#loading < THUMBS_AT_ONCE && this.#wanted.length > 0) {
      const frame = this.#wanted.shift();
      const session = this.#session;
      const picture = new Image();
      this.#loading += 1;
      this.#thumbs.set(frame, null);
      picture.src = this.#controller.api.thumbUrl(frame);
      picture
        .decode()
        .then(() => {
          if (session !== this.#session) return;
          this.#thumbs.set(frame, picture);
          if (this.#thumbs.size > MOST_THUMBS) this.#thumbs.delete(this.#thumbs.keys().next().value);
          this.paint();
        })
        .catch(() => this.#thumbs.delete(frame))
        .finally(() => {
          this.#loading -= 1;
          this.#loadThumbs();
        });
    }
  }

  #drawThumbs(context) {
    const { session } = this.#store.state;
    const each = clamp((THUMBS * session.width) / session.height, 20, 160);
    const span = this.#last - this.#first;
    // the grid hangs on the frames, not on the window, so that panning keeps the pictures
    const stride = thumbStride((span * each) / this.#width);
    const slot = (stride / span) * this.#width;
    this.#wanted = [];
    context.save();
    context.beginPath();
    context.rect(MARGIN, RULER, this.#width, THUMBS);
    context.clip();
    const begin = Math.floor(this.#first / stride) * stride;
    for (let frame = begin; frame < this.#last; frame += stride) {
      const picture = this.#thumbs.get(frame);
      if (picture) drawInto(context, picture, this.#x(frame), slot - 1);
      else if (picture === undefined && this.#controller.api) this.#wanted.push(frame);
    }
    context.restore();
    this.#loadThumbs();
  }

  // ---- drawing

  #paint() {
    const { session, markIn, markOut, frame, review } = this.#store.state;
    const context = this.#canvas.getContext("2d");
    const density = window.devicePixelRatio || 1;
    const width = this.#track.clientWidth;
    const height = this.#canvas.height / density;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!session || width === 0) return;
    const style = getComputedStyle(this.#track);
    const inks = Object.fromEntries(
      ["ink", "muted", "line", "accent", "warn", "lane", "shade"].map((name) => [
        name,
        style.getPropertyValue(`--${name}`).trim(),
      ]),
    );
    this.#drawRuler(context, inks);
    this.#drawThumbs(context);
    this.#drawState(context, session, inks);
    session.objects.forEach((object, place) => {
      this.#drawLane(context, object, RULER + THUMBS + STATE + LANE * place, inks);
    });
    context.fillStyle = inks.warn;
    for (const entry of review) {
      const x = this.#x(entry.frame + 0.5);
      context.beginPath();
      context.moveTo(x - 4, RULER - 8);
      context.lineTo(x + 4, RULER - 8);
      context.lineTo(x, RULER - 1);
      context.fill();
    }
    this.#drawMarks(context, markIn, markOut, width, height, inks);
    this.#drawPlayhead(context, frame, height, inks);
  }

  #drawRuler(context, inks) {
    const span = this.#last - this.#first;
    const step = niceStep((span / this.#width) * 64);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    context.fillStyle = inks.muted;
    context.strokeStyle = inks.line;
    context.lineWidth = 1;
    for (let at = Math.ceil(this.#first / step) * step; at < this.#last; at += step) {
      const x = Math.round(this.#x(at)) + 0.5;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, RULER);
      context.stroke();
      context.fillText(String(at), x + 4, 2);
    }
  }

  #drawState(context, session, inks) {
    const top = RULER + THUMBS;
    context.fillStyle = inks.accent;
    for (const [first, last] of session.tracked) {
      const x = this.#x(first);
      context.fillRect(x, top + 5, Math.max(this.#x(last + 1) - x, 1), 3);
    }
    for (const index of session.annotated) {
      const x = this.#x(index + 0.5);
      context.beginPath();
      context.moveTo(x, top + 0.5);
      context.lineTo(x + 6, top + 6.5);
      context.lineTo(x, top + 12.5);
      context.lineTo(x - 6, top + 6.5);
      context.closePath();
      context.fillStyle = inks.ink;
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = inks.lane;
      context.stroke();
    }
  }

  #drawLane(context, object, top, inks) {
    const chosen = object.id === this.#store.state.objectId;
    context.fillStyle = inks.lane;
    context.fillRect(MARGIN, top + 2, this.#width, LANE - 4);
    const rows = this.#controller.timeline.objects.get(object.id);
    if (!rows) return;
    const bottom = top + LANE - 2;
    const room = LANE - 6;
    const first = Math.floor(this.#first);
    const last = Math.min(Math.ceil(this.#last), rows.score.length);
    const perPixel = Math.max(1, Math.floor((last - first) / this.#width));
    context.globalAlpha = object.visible ? (chosen ? 1 : 0.75) : 0.35;
    for (let frame = first; frame < last; frame += 1) {
      if (Number.isNaN(rows.score[frame])) continue;
      const points = [];
      const begin = frame;
      for (; frame < last && !Number.isNaN(rows.score[frame]); frame += perPixel) {
        let low = rows.score[frame];
        const end = Math.min(frame + perPixel, last);
        for (let within = frame; within < end; within += 1) low = Math.min(low, rows.score[within]);
        points.push([this.#x(frame + 0.5), bottom - clamp(low, 0, 1) * room]);
      }
      const right = this.#x(Math.min(frame, last));
      context.beginPath();
      context.moveTo(this.#x(begin), bottom);
      context.lineTo(this.#x(begin), points[0][1]);
      for (const [x, y] of points) context.lineTo(x, y);
      context.lineTo(right, points.at(-1)[1]);
      context.lineTo(right, bottom);
      context.closePath();
      context.fillStyle = object.colour;
      context.save();
      context.globalAlpha *= 0.4;
      context.fill();
      context.restore();
      context.beginPath();
      context.moveTo(this.#x(begin), points[0][1]);
      for (const [x, y] of points) context.lineTo(x, y);
      context.lineTo(right, points.at(-1)[1]);
      context.strokeStyle = object.colour;
      context.lineWidth = chosen ? 2.5 : 1.5;
      context.stroke();
    }
    context.globalAlpha = 1;
    for (const [from, to] of this.#controller.timeline.lostRuns(object.id)) {
      this.#hatch(context, this.#x(from), this.#x(to + 1), top + 2, LANE - 4, inks);
    }
  }

  #hatch(context, left, right, top, height, inks) {
    context.save();
    context.beginPath();
    context.rect(left, top, Math.max(right - left, 2), height);
    context.clip();
    context.fillStyle = inks.lane;
    context.fillRect(left, top, right - left, height);
    context.strokeStyle = inks.warn;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let x = Math.floor((left - height) / 6) * 6; x < right; x += 6) {
      context.moveTo(x, top + height);
      context.lineTo(x + height, top);
    }
    context.stroke();
    context.restore();
  }

  #drawMarks(context, markIn, markOut, width, height, inks) {
    const left = markIn === null ? 0 : this.#x(markIn);
    const right = markOut === null ? width : this.#x(markOut + 1);
    context.fillStyle = inks.shade;
    if (markIn !== null) context.fillRect(0, RULER, left, height);
    if (markOut !== null) context.fillRect(right, RULER, width - right, height);
    context.strokeStyle = inks.ink;
    context.lineWidth = 2;
    for (const [mark, x, way] of [[markIn, left, 1], [markOut, right, -1]]) {
      if (mark === null) continue;
      context.beginPath();
      context.moveTo(x + 5 * way, RULER + 1);
      context.lineTo(x + way, RULER + 1);
      context.lineTo(x + way, height - 1);
      context.lineTo(x + 5 * way, height - 1);
      context.stroke();
    }
  }

  #drawPlayhead(context, frame, height, inks) {
    const left = this.#x(frame);
    const across = Math.max(this.#x(frame + 1) - left, 2);
    context.save();
    context.globalAlpha = 0.18;
    context.fillStyle = inks.ink;
    context.fillRect(left, 0, across, height);
    context.restore();
    const x = left + across / 2;
    context.strokeStyle = inks.ink;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, 6);
    context.lineTo(x, height);
    context.stroke();
    context.beginPath();
    context.arc(x, 6, 5, 0, 2 * Math.PI);
    context.fillStyle = inks.ink;
    context.fill();
  }
}
