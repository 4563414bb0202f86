// Starting, watching and stopping the tracker.

import { byId, make, makeButton, redress } from "./dom.js";
import { jobActive } from "./store.js";

/** Seconds as "8 s", "2 min 5 s" or "1 h 10 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** One line on how far a job is. */
export function jobLine(job) {
  const what = job.kind === "export" ? "Exporting" : "Tracking";
  if (job.state === "queued") return `${what}: waiting for its turn`;
  if (!jobActive(job)) return job.message || { done: "Done.", cancelled: "Stopped." }[job.state] || "";
  const parts = [];
  if (job.total) parts.push(`${job.done} of ${job.total} frames`);
  if (job.state === "paused") parts.push("paused");
  else {
    if (job.fps) parts.push(`${job.fps.toFixed(1)} frames/s`);
    if (job.seconds_left !== null && job.seconds_left !== undefined) {
      parts.push(`${duration(job.seconds_left)} left`);
    }
  }
  return parts.length > 0 ? parts.join(" · ") : `${what} …`;
}

export function showJobs(controller) {
  const { store } = controller;
  const forward = makeButton("button primary wide", {
    symbol: "forward",
    text: "Track on from here",
    label: "Track on from here",
    keys: "T",
    press: () => controller.track("forward"),
  });
  const backward = makeButton("button", {
    symbol: "backward",
    text: "Backwards",
    label: "Track backwards from here",
    keys: "Shift+T",
    press: () => controller.track("backward"),
  });
  const both = makeButton("button", {
    symbol: "both",
    text: "Both ways",
    label: "Track both ways from here",
    keys: "Y",
    press: () => controller.track("both"),
  });
  const between = makeButton("button wide", {
    symbol: "marks",
    text: "Between the marks",
    label: "Track between the marks",
    keys: "R",
    press: () => controller.trackBetweenMarks(),
  });
  const untilNext = make("input", {
    type: "checkbox",
    onchange: (event) => store.set({ untilNext: event.target.checked }),
  });
  const follow = make("input", {
    type: "checkbox",
    onchange: (event) => store.set({ follow: event.target.checked }),
  });
  byId("track").append(
    forward,
    make("div", { className: "pair" }, backward, both),
    between,
    make("label", { className: "check" }, untilNext, "Stop at the next corrected frame"),
    make("label", { className: "check" }, follow, "Show frames as they are tracked"),
  );

  const bar = make("progress", { max: "1", "aria-label": "Progress" });
  const line = make("p", { className: "job-line" });
  const pause = makeButton("icon-button", {
    symbol: "pause",
    label: "Pause",
    keys: "P",
    press: () => controller.togglePause(),
  });
  const cancel = makeButton("icon-button", {
    symbol: "stop",
    label: "Stop; what is done is kept",
    keys: "K",
    press: () => controller.job("cancel"),
  });
  const box = byId("job");
  box.append(bar, make("div", { className: "job-row" }, line, pause, cancel));

  store.watch(["untilNext", "follow"], (state) => {
    untilNext.checked = state.untilNext;
    follow.checked = state.follow;
  });
  store.watch(["session", "markIn", "markOut"], ({ session, markIn, markOut }) => {
    const job = session?.job ?? null;
    const active = jobActive(job);
    const ready = Boolean(session) && !active && session.objects.length > 0;
    for (const button of [forward, backward, both]) button.disabled = !ready;
    between.disabled = !ready || markIn === null || markOut === null;
    box.hidden = !active;
    if (!active) return;
    line.textContent = jobLine(job);
    if (job.total) bar.value = job.done / job.total;
    else bar.removeAttribute("value");
    const paused = job.state === "paused";
    redress(pause, paused ? "play" : "pause", paused ? "Go on" : "Pause", "P");
    pause.hidden = job.kind !== "track" || job.state === "queued";
  });
}
