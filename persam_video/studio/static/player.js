// Playing at the video's own rate, and the buttons below the frame.

import { byId, make, makeButton, redress } from "./dom.js";
import { timeOf } from "./store.js";

const AHEAD = 16; // frames that are read before they are due

class Player {
  #controller;
  #stage;
  #origin = 0; // time at which frame `#from` was due
  #from = 0;

  constructor(controller, stage) {
    this.#controller = controller;
    this.#stage = stage;
    controller.store.watch(["playing"], ({ playing }) => {
      if (playing) this.#start();
    });
  }

  #start() {
    this.#from = this.#controller.state.frame;
    this.#origin = performance.now();
    this.#controller.frames.dropWaiting();
    this.#readAhead(this.#from);
    requestAnimationFrame((now) => this.#tick(now));
  }

  #readAhead(frame) {
    const { session } = this.#controller.state;
    const width = this.#stage.pictureWidth();
    const end = Math.min(frame + AHEAD, session.frame_count);
    for (let ahead = frame + 1; ahead < end; ahead += 1) {
      this.#controller.frames.load(ahead, width, false).catch(() => {});
    }
    const last = Math.min(frame + AHEAD / 2, end - 1);
    if (last > frame) this.#controller.prefetchMasks(last);
  }

  #tick(now) {
    const { playing, session, frame } = this.#controller.state;
    if (!playing || !session) return;
    const rate = session.fps > 0 ? session.fps : 25;
    const due = Math.min(
      this.#from + Math.floor(((now - this.#origin) / 1000) * rate),
      session.frame_count - 1,
    );
    if (due > frame) {
      const width = this.#stage.pictureWidth();
      let ready = due;
      while (ready > frame && !this.#controller.frames.peek(ready, width)) ready -= 1;
      if (ready > frame) {
        this.#controller.goTo(ready);
        this.#readAhead(ready);
      }
      if (ready < due - 2) {
        // the server does not keep up: slow down instead of leaving frames out
        this.#from = ready;
        this.#origin = now;
        this.#controller.frames.load(ready + 1, width).catch(() => {});
        this.#readAhead(ready);
      }
    }
    if (this.#controller.state.frame >= session.frame_count - 1) {
      this.#controller.store.set({ playing: false });
      return;
    }
    requestAnimationFrame((later) => this.#tick(later));
  }
}

export function showPlayer(controller, stage) {
  const { store } = controller;
  new Player(controller, stage);
  const press = (symbol, label, keys, action) =>
    makeButton("icon-button", { symbol, label, keys, press: action });
  const play = press("play", "Play", "Space", () => controller.togglePlay());
  const number = make("input", {
    type: "number",
    min: "0",
    className: "frame-number",
    "aria-label": "Frame number",
    onchange: (event) => {
      const wanted = Number.parseInt(event.target.value, 10);
      if (Number.isFinite(wanted)) controller.goTo(wanted);
      event.target.value = String(store.state.frame);
    },
  });
  const total = make("span", { className: "muted" });
  const time = make("span", { className: "muted time" });
  const latency = make("span", { className: "muted latency", role: "status" });
  const clear = makeButton("small-button", {
    text: "Clear marks",
    label: "Clear marks",
    keys: "Shift+I",
    press: () => controller.clearMarks(),
  });
  byId("transport").append(
    press("first", "First frame", "Home", () => controller.goTo(0)),
    press("back", "One frame back", "←", () => controller.step(-1)),
    play,
    press("next", "One frame on", "→", () => controller.step(1)),
    press("last", "Last frame", "End", () => controller.goTo(Number.MAX_SAFE_INTEGER)),
    make("span", { className: "frame-place" }, number, total, time),
    make(
      "span",
      { className: "mark-buttons" },
      makeButton("small-button", {
        text: "Mark in",
        label: "Mark in",
        keys: "I",
        press: () => controller.setMark("in"),
      }),
      makeButton("small-button", {
        text: "Mark out",
        label: "Mark out",
        keys: "O",
        press: () => controller.setMark("out"),
      }),
      clear,
    ),
    latency,
  );
  store.watch(["session"], ({ session }) => {
    for (const control of byId("transport").querySelectorAll("button, input")) {
      control.disabled = !session;
    }
    if (!session) return;
    number.max = String(session.frame_count - 1);
    total.textContent = ` / ${session.frame_count - 1}`;
  });
  store.watch(["session", "frame"], ({ session, frame }) => {
    if (document.activeElement !== number) number.value = String(frame);
    time.textContent = session ? timeOf(frame, session.fps) : "";
  });
  store.watch(["playing"], ({ playing }) => {
    redress(play, playing ? "pause" : "play", playing ? "Pause" : "Play", "Space");
  });
  store.watch(["markIn", "markOut"], ({ markIn, markOut }) => {
    clear.hidden = markIn === null && markOut === null;
  });
  store.watch(["pending", "latency"], (state) => {
    if (state.pending > 0) latency.textContent = "Computing the mask …";
    else if (state.latency !== null) latency.textContent = `Mask in ${Math.round(state.latency)} ms`;
    else latency.textContent = "";
  });
}
