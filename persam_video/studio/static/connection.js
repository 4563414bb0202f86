// Events of the server, with reconnecting, and polling where events do not come through.

const SILENCE = 25_000; // the server sends a ping every 10 s
const HIDDEN = 30_000; // a tab in the background gives its connection back after this long
const LONGEST_WAIT = 5_000;
const POLL = 1_500;
const EVENTS_AGAIN = 30_000; // while polling

export class Connection {
  #api = null;
  #source = null;
  #handlers;
  #failures = 0;
  #told = false; // whether the user was told that the server is gone
  #timers = new Map();
  #run = 0; // answers that belong to an earlier start are dropped

  /**
   * @param handlers `state`, `masks`, `problem` get the data of those events; `status` gets live,
   *   polling, lost or refused; `back` is called when the server is there again, with whether
   *   it was told to be lost; `gone` when it no longer knows the session.
   */
  constructor(handlers) {
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#visibility());
    window.addEventListener("online", () => this.#retryNow());
  }

  start(api) {
    this.stop();
    this.#api = api;
    this.#listen();
  }

  stop() {
    this.#run += 1;
    this.#close();
    this.#api = null;
    this.#failures = 0;
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #later(name, wait, task) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(task, wait));
  }

  #listen() {
    this.#close();
    const source = new EventSource(this.#api.eventsUrl);
    this.#source = source;
    const on = (name, handle) =>
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#later("silence", SILENCE, () => this.#broken());
        if (handle && typeof event.data === "string") handle(JSON.parse(event.data));
      });
    on("open", null);
    on("ping", null);
    on("state", this.#handlers.state);
    on("masks", this.#handlers.masks);
    on("problem", this.#handlers.problem);
    source.addEventListener("open", () => {
      if (source !== this.#source) return;
      const returned = this.#failures > 0;
      const told = this.#told;
      this.#failures = 0;
      this.#told = false;
      this.#handlers.status("live");
      if (returned) this.#handlers.back(told);
    });
    source.addEventListener("error", (event) => {
      if (source !== this.#source) return;
      if (typeof event.data === "string") this.#handlers.problem(JSON.parse(event.data));
      else this.#broken();
    });
    this.#later("silence", SILENCE, () => this.#broken());
  }

  async #broken() {
    this.#close();
    const run = this.#run;
    this.#failures += 1;
    let found = "lost";
    try {
      const state = await this.#api.state();
      if (run !== this.#run) return;
      found = "answers";
      this.#handlers.state(state);
    } catch (error) {
      if (run !== this.#run) return;
      if (error.status === 401 || error.status === 403) found = "refused";
      if (error.status === 404) found = "gone";
    }
    if (found === "gone") this.#handlers.gone();
    else if (found === "answers" && this.#failures >= 3) this.#poll(performance.now());
    else {
      if (found !== "answers") {
        this.#told = true;
        this.#handlers.status(found);
      }
      const wait = Math.min(400 * 2 ** (this.#failures - 1), LONGEST_WAIT);
      this.#later("retry", wait, () => this.#listen());
    }
  }

  #poll(since) {
    this.#handlers.status("polling");
    const run = this.#run;
    this.#later("poll", POLL, async () => {
      if (performance.now() - since > EVENTS_AGAIN) {
        this.#failures = 1;
        this.#listen();
        return;
      }
      try {
        const state = await this.#api.state();
        if (run !== this.#run || this.#source !== null) return;
        this.#handlers.state(state);
        this.#poll(since);
      } catch {
        if (run === this.#run && this.#source === null) this.#broken();
      }
    });
  }

  #retryNow() {
    if (!this.#api || this.#source !== null) return;
    this.#failures = Math.min(this.#failures, 1);
    this.#listen();
  }

  #visibility() {
    if (!this.#api) return;
    if (document.hidden) {
      this.#later("hidden", HIDDEN, () => {
        this.#close();
        this.#failures = 1; // so that coming back reads the state anew
      });
    } else {
      clearTimeout(this.#timers.get("hidden"));
      if (this.#source === null) this.#listen();
    }
  }
}
