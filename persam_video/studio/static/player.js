// Playing at the video's own rate, and the buttons below the frame.

import { byId, clamp, make, makeButton, redress } from "./dom.js";
import { frameAt, rateOf, secondsOf, timeOf } from "./store.js";

const AT_ONCE = 3; // frames that are read at a time
const AHEAD = 24; // frames that are read before they are due, at most
const MEMORY = 0.2; // weight of the latest reading in the mean of their times

class Player {
  #controller;
  #stage;
  #origin = 0; // time at which frame `#from` was due
  #from = 0;
  #next = 0; // the frame to read next
  #coming = 0; // frames that are being read
  #seconds = 0; // that reading a frame takes

  constructor(controller, stage) {
    this.#controller = controller;
    this.#stage = stage;
    controller.store.watch(["playing"], ({ playing }) => {
      if (playing) this.#start();
    });
  }

  #start() {
    this.#from = this.#controller.state.frame;
    this.#next = this.#from + 1;
    this.#origin = performance.now();
    requestAnimationFrame((now) => this.#tick(now));
  }

  get #last() {
    return this.#controller.state.session.frame_count - 1;
  }

  /** The frame that the clock asks for. */
  #due(now) {
    const { state } = this.#controller;
    const seconds = secondsOf(state, this.#from) + (now - this.#origin) / 1000;
    return clamp(frameAt(state, seconds), this.#from, this.#last);
  }

  /** Read ahead; frames that could not be there in time are left out. */
  #readAhead(due) {
    const { frames } = this.#controller;
    const width = this.#stage.pictureWidth();
    const lead = Math.min(Math.ceil(this.#seconds * rateOf(this.#controller.state)), AHEAD);
    this.#next = Math.max(this.#next, Math.min(due + lead, this.#last));
    const end = Math.min(due + AHEAD, this.#last);
    // the last frame ends the playing; it is read anew where the window has changed since
    if (this.#coming === 0) this.#next = Math.min(this.#next, this.#last);
    for (; this.#next <= end && this.#coming < AT_ONCE; this.#next += 1) {
      if (!frames.peek(this.#next, width)) this.#read(this.#next, width);
    }
  }

  async #read(frame, width) {
    this.#coming += 1;
    const begun = performance.now();
    try {
      await Promise.all([
        this.#controller.frames.load(frame, width),
        this.#controller.prefetchMasks(frame),
      ]);
      const seconds = (performance.now() - begun) / 1000;
      this.#seconds += MEMORY * (seconds - this.#seconds);
    } catch (error) {
      if (error.name !== "AbortError") this.#controller.store.set({ playing: false });
    } finally {
      this.#coming -= 1;
    }
  }

  #tick(now) {
    const { playing, session, frame } = this.#controller.state;
    if (!playing || !session) return;
    const due = this.#due(now);
    this.#readAhead(due);
    const width = this.#stage.pictureWidth();
    let ready = due;
    while (ready > frame && !this.#controller.frames.peek(ready, width)) ready -= 1;
    if (ready > frame) this.#controller.goTo(ready);
    if (ready === this.#last) this.#controller.store.set({ playing: false });
    else requestAnimationFrame((later) => this.#tick(later));
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
  store.watch(["session", "times", "frame"], (state) => {
    if (document.activeElement !== number) number.value = String(state.frame);
    time.textContent = timeOf(state, state.frame);
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
